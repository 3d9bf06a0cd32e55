//! Errors of the Kinesis API.
//!
//! Source of the messages: AWS responses, as recorded in moto's `tests/test_kinesis` and
//! kinesalite's `actions`.

use crate::api::{Problem, Refusal};
use crate::names::{ACCOUNT_ID, REGION};

/// An error response of the Kinesis API.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct KinesisError {
    /// Exception name, for example `ResourceNotFoundException`.
    pub code: &'static str,
    pub message: String,
}

impl KinesisError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    /// A parameter that breaks a constraint of the API model.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A request body that cannot be parsed.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    pub fn no_stream(stream: &str) -> Self {
        let message = format!("Stream {stream} under account {ACCOUNT_ID} not found.");
        Self::new("ResourceNotFoundException", message)
    }

    pub fn foreign_arn(arn: &str) -> Self {
        let message =
            format!("{arn} is not a stream of account {ACCOUNT_ID} in {REGION}, where the local stack runs");
        Self::new("ResourceNotFoundException", message)
    }

    pub fn no_shard(stream: &str, shard: &str) -> Self {
        let message = format!("Shard {shard} in stream {stream} under account {ACCOUNT_ID} does not exist");
        Self::new("ResourceNotFoundException", message)
    }

    /// Returned by `SplitShard` and `MergeShards`, whose message differs from that of
    /// [`Self::no_shard`].
    pub fn no_shard_to_change(stream: &str, shard: &str) -> Self {
        let message = format!("Could not find shard {shard} in stream {stream} under account {ACCOUNT_ID}.");
        Self::new("ResourceNotFoundException", message)
    }

    /// A stream that already exists or is not `ACTIVE`.
    pub fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", message)
    }

    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    /// A request that would exceed the shard limit of the account.
    pub fn too_many_shards(present: usize, limit: usize, added: usize) -> Self {
        Self::limit_exceeded(format!(
            "This request would exceed the shard limit for the account {ACCOUNT_ID} in {REGION}. Current shard count for the account: {present}. Limit: {limit}. Number of additional shards that would have resulted from this request: {added}."
        ))
    }

    /// A read or write that exceeds the throughput of its shard.
    ///
    /// Source: Kinesis API Reference, `PutRecords`, example of a throttled record.
    pub fn throttled(stream: &str, shard: &str) -> Self {
        let message =
            format!("Rate exceeded for shard {shard} in stream {stream} under account {ACCOUNT_ID}.");
        Self::new("ProvisionedThroughputExceededException", message)
    }

    pub fn expired_iterator(message: impl Into<String>) -> Self {
        Self::new("ExpiredIteratorException", message)
    }

    pub fn expired_token(message: impl Into<String>) -> Self {
        Self::new("ExpiredNextTokenException", message)
    }

    /// A stream file written by a later version of this program.
    pub fn newer_file() -> Self {
        let message = "the stream file was written by a later version of this program; use that version";
        Self::new("InternalFailureException", message)
    }

    /// `true` if the throughput of a shard was exceeded.
    pub fn is_throttle(&self) -> bool {
        self.code == "ProvisionedThroughputExceededException"
    }

    /// `true` if the service failed, not the request.
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
