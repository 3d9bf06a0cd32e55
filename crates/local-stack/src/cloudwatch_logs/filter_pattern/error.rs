//! The error of a filter pattern.

/// The reason for refusing a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid filter pattern: {0}")]
pub struct PatternError(String);

impl PatternError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}
