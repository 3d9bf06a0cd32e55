//! The error of a filter pattern.

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid filter pattern: {0}")]
pub struct PatternError(String);

impl PatternError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}
