//! What the rules need from the outside, as traits.

use std::error::Error;
use std::future::Future;

use crate::sequence_number::SequenceNumber;
use crate::update_plan::CounterUpdate;
use crate::usage_record::RecordIdentity;

/// Why a port could not do what it was asked. Nothing was lost: the caller
/// reports the record as failed, and it is delivered again.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// A throttle, a time-out, an outage: the same call may succeed later.
    #[error("{operation} could not be completed now")]
    Retryable {
        /// The operation and its target.
        operation: String,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service refused the request as it is: a missing permission, a
    /// missing table, a malformed row. It needs an operator.
    #[error("{operation} was refused")]
    Refused {
        /// The operation and its target.
        operation: String,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The ledger's answer to an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerReply {
    /// The counts were added and the mark moved.
    Applied,
    /// Nothing was written: the row bears this mark, which is not below `first`.
    Fenced(SequenceNumber),
}

/// The usage ledger.
pub trait UsageLedger: Sync {
    /// Adds the counts, if the row has no mark or one below `update.first`.
    ///
    /// # Errors
    /// When it is not known that the update was applied or fenced.
    fn apply(&self, update: &CounterUpdate) -> impl Future<Output = Result<LedgerReply, PortError>> + Send;
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The record belongs to this sequence number: count it.
    Granted,
    /// The same events were claimed under another sequence number: a duplicate.
    Duplicate,
}

/// The store of claims to records, which recognises upstream duplicates.
pub trait ClaimStore: Sync {
    /// Claims the events of a record for a sequence number. Claiming again for
    /// the same sequence number is granted again. `arrived_at_ms` is when the
    /// record reached the stream; the claim's expiry is counted from it.
    ///
    /// # Errors
    /// When it is not known who holds the claim.
    fn claim(
        &self,
        identity: &RecordIdentity,
        shard_id: &str,
        sequence_number: &SequenceNumber,
        arrived_at_ms: i64,
    ) -> impl Future<Output = Result<Claim, PortError>> + Send;
}

/// Bytes that could not be counted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRecord {
    /// The shard they were read from.
    pub shard_id: String,
    /// Their sequence number.
    pub sequence_number: String,
    /// When they reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// A word for metrics and grouping, such as `truncated-gzip`.
    pub reason: &'static str,
    /// What exactly is wrong, for a person.
    pub detail: String,
    /// The bytes, in a form that can be put back into the stream as they are.
    pub payload: Vec<u8>,
}

/// The queue of records that could not be counted.
pub trait Quarantine: Sync {
    /// Keeps a record until somebody puts it back or discards it.
    ///
    /// # Errors
    /// When it is not known that the record is kept.
    fn keep(&self, record: &QuarantinedRecord) -> impl Future<Output = Result<(), PortError>> + Send;
}
