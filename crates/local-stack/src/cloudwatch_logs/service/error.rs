//! The errors of CloudWatch Logs.

use crate::api::{Problem, Refusal};

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct LogsError {
    /// The code that the API Reference lists.
    pub code: &'static str,
    pub message: String,
}

impl LogsError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Refusal> for LogsError {
    fn from(Refusal { problem, message }: Refusal) -> Self {
        let code = match problem {
            Problem::UnknownOperation => "InvalidOperationException",
            Problem::UnknownParameter | Problem::BrokenLimit => "InvalidParameterException",
            Problem::WrongType => "SerializationException",
        };
        Self { code, message }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> LogsError {
    LogsError::new("InvalidParameterException", message)
}

pub(super) fn not_found(message: impl Into<String>) -> LogsError {
    LogsError::new("ResourceNotFoundException", message)
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
pub(super) fn unreadable(error: rusqlite::Error) -> LogsError {
    LogsError::new("ServiceUnavailableException", format!("the log group cannot be used: {error}"))
}
