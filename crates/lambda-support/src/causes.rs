//! Errors as one line of text.

use std::error::Error;

/// Formats an error with its chain of causes, as `error: cause: cause of the cause`.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
