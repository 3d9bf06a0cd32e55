//! The error of a query.

/// The reason for refusing a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the query is malformed or not supported by the local stack: {0}")]
pub struct MalformedQuery(String);

impl MalformedQuery {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}
