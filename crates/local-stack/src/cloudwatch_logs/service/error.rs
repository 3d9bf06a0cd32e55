//! Errors as CloudWatch Logs names them.

/// An error as the service names it: its code, and what is wrong.
pub type LogsError = (&'static str, String);

pub(super) fn invalid(problem: impl Into<String>) -> LogsError {
    ("InvalidParameterException", problem.into())
}

pub(super) fn not_found(problem: impl Into<String>) -> LogsError {
    ("ResourceNotFoundException", problem.into())
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
pub(super) fn unreadable(error: rusqlite::Error) -> LogsError {
    ("ServiceUnavailableException", format!("the log group cannot be used: {error}"))
}
