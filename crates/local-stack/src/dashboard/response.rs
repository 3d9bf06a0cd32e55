//! Responses with a document or a problem.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

/// Returns a document, or a problem as text.
pub fn answer(result: Result<Value, String>) -> Response {
    match result {
        Ok(document) => Json(document).into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
    }
}
