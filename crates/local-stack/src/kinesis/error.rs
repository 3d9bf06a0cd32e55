//! Errors as the Kinesis API names them.

/// An error answer: a code of the Kinesis API and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct KinesisError {
    /// The exception's name.
    pub code: &'static str,
    /// What is wrong, for a person.
    pub message: String,
}

impl KinesisError {
    /// A request that the API does not allow.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: "InvalidArgumentException", message: message.into() }
    }

    /// A request whose members are out of their bounds.
    pub fn validation(message: impl Into<String>) -> Self {
        Self { code: "ValidationException", message: message.into() }
    }

    /// A stream or shard that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: "ResourceNotFoundException", message: message.into() }
    }

    /// Whether the service itself failed.
    pub fn is_internal(&self) -> bool {
        self.code == "InternalFailureException"
    }
}

impl From<rusqlite::Error> for KinesisError {
    fn from(error: rusqlite::Error) -> Self {
        Self { code: "InternalFailureException", message: format!("the stream's storage failed: {error}") }
    }
}
