//! Errors as the SNS API names them.

use crate::api::{Problem, Refusal};

/// An error answer: its status, its code and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SnsError {
    /// The HTTP status.
    pub status: u16,
    /// The code of the SNS API.
    pub code: &'static str,
    /// What is wrong, for a person.
    pub message: String,
}

impl SnsError {
    /// A parameter that the API does not allow.
    pub fn invalid(what: &str) -> Self {
        Self { status: 400, code: "InvalidParameter", message: format!("Invalid parameter: {what}") }
    }

    /// A topic or subscription that does not exist.
    pub fn not_found(what: &str) -> Self {
        Self { status: 404, code: "NotFound", message: format!("{what} does not exist") }
    }

    /// An error of a batch as a whole.
    pub fn batch(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }
}

impl From<rusqlite::Error> for SnsError {
    fn from(error: rusqlite::Error) -> Self {
        let message = format!("the topics' storage failed: {error}");
        Self { status: 500, code: "InternalError", message }
    }
}

impl From<Refusal> for SnsError {
    fn from(Refusal { problem, message }: Refusal) -> Self {
        match problem {
            Problem::UnknownOperation => Self { status: 400, code: "InvalidAction", message },
            Problem::UnknownParameter | Problem::WrongType => Self::invalid(&message),
            Problem::BrokenLimit => Self { status: 400, code: "ValidationError", message },
        }
    }
}
