//! The errors of SNS.

use crate::api::{Problem, Refusal};

/// An error response.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SnsError {
    /// The HTTP status.
    pub status: u16,
    /// The code that the API Reference lists.
    pub code: &'static str,
    pub message: String,
}

impl SnsError {
    /// Returns the error of a parameter that is not allowed.
    pub fn invalid(what: &str) -> Self {
        Self { status: 400, code: "InvalidParameter", message: format!("Invalid parameter: {what}") }
    }

    /// Returns the error of a topic or subscription that does not exist.
    pub fn not_found(what: &str) -> Self {
        Self { status: 404, code: "NotFound", message: format!("{what} does not exist") }
    }

    /// Returns an error of a whole batch.
    pub fn batch(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }
}

impl From<rusqlite::Error> for SnsError {
    fn from(error: rusqlite::Error) -> Self {
        let message = format!("the storage of topics failed: {error}");
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
