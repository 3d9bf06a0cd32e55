//! Errors as the Kinesis API names them.
//!
//! Source of the words: answers of AWS, as moto's `tests/test_kinesis` and
//! kinesalite's `actions` record them.

use crate::api::{Problem, Refusal};
use crate::names::{ACCOUNT_ID, REGION};

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
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A request that the API does not allow.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    /// A request whose members are out of their bounds.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A request that is not written as the protocol has it.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// A stream that does not exist.
    pub fn no_stream(stream: &str) -> Self {
        let message = format!("Stream {stream} under account {ACCOUNT_ID} not found.");
        Self::new("ResourceNotFoundException", message)
    }

    /// An ARN of another account or region.
    pub fn not_here(arn: &str) -> Self {
        let message =
            format!("{arn} is no stream of the account {ACCOUNT_ID} in {REGION}, where the local stack is");
        Self::new("ResourceNotFoundException", message)
    }

    /// A shard that does not exist.
    pub fn no_shard(stream: &str, shard: &str) -> Self {
        let message = format!("Shard {shard} in stream {stream} under account {ACCOUNT_ID} does not exist");
        Self::new("ResourceNotFoundException", message)
    }

    /// A shard that does not exist, to be split or merged.
    pub fn no_shard_to_change(stream: &str, shard: &str) -> Self {
        let message = format!("Could not find shard {shard} in stream {stream} under account {ACCOUNT_ID}.");
        Self::new("ResourceNotFoundException", message)
    }

    /// A stream that exists already, or changes.
    pub fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", message)
    }

    /// A limit of the account.
    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    /// More shards than the account may have.
    pub fn too_many_shards(present: usize, limit: usize, added: usize) -> Self {
        Self::limit_exceeded(format!(
            "This request would exceed the shard limit for the account {ACCOUNT_ID} in {REGION}. Current shard count for the account: {present}. Limit: {limit}. Number of additional shards that would have resulted from this request: {added}."
        ))
    }

    /// More than a shard takes or gives at present.
    ///
    /// Source: Kinesis API Reference, `PutRecords`, example of a throttled record.
    pub fn throttled(stream: &str, shard: &str) -> Self {
        let message =
            format!("Rate exceeded for shard {shard} in stream {stream} under account {ACCOUNT_ID}.");
        Self::new("ProvisionedThroughputExceededException", message)
    }

    /// An iterator that is too old.
    pub fn expired_iterator(message: impl Into<String>) -> Self {
        Self::new("ExpiredIteratorException", message)
    }

    /// A token that is too old.
    pub fn expired_token(message: impl Into<String>) -> Self {
        Self::new("ExpiredNextTokenException", message)
    }

    /// A file that a later version of this program wrote.
    pub fn newer_file() -> Self {
        let message =
            "the file of the streams was written by a later version of this program; use that version";
        Self::new("InternalFailureException", message)
    }

    /// Whether a shard gave or took too much already.
    pub fn is_throttle(&self) -> bool {
        self.code == "ProvisionedThroughputExceededException"
    }

    /// Whether the service itself failed.
    pub fn is_internal(&self) -> bool {
        self.code == "InternalFailureException"
    }
}

impl From<rusqlite::Error> for KinesisError {
    fn from(error: rusqlite::Error) -> Self {
        Self::new("InternalFailureException", format!("the stream's storage failed: {error}"))
    }
}

impl From<Refusal> for KinesisError {
    fn from(Refusal { problem, message }: Refusal) -> Self {
        let code = match problem {
            Problem::UnknownOperation => "UnknownOperationException",
            Problem::WrongType => "SerializationException",
            Problem::UnknownParameter | Problem::BrokenLimit => "ValidationException",
        };
        Self::new(code, message)
    }
}
