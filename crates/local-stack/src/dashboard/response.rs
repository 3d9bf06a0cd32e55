//! Responses with a document or a problem.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

/// A document, or the reason why there is none.
pub type Answer = Result<Json<Value>, Problem>;

/// The reason why a request has no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request is wrong.
    Refused(String),
    /// A part of the stack that the answer needs has failed.
    Failed(String),
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Failed(problem)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
            Self::Failed(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
        }
    }
}
