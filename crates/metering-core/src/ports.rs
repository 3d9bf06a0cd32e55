//! What the rules need from the outside, as traits.

use std::error::Error;
use std::future::Future;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::invalidation::LogRead;
use crate::quota::{MonthUsage, Quota, Threshold, UtcMonth};
use crate::sequence_number::SequenceNumber;
use crate::update_plan::CounterUpdate;
use crate::usage_history::KeyUsage;
use crate::usage_record::RecordIdentity;
use crate::window::UtcDay;

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

/// Where keys are found by their secrets' digests.
pub trait KeyTable: Sync {
    /// Asks the index, which lags behind the table: what it has may be
    /// outdated, and what is new may not be in it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn find_by_index(
        &self,
        digest: &KeyDigest,
    ) -> impl Future<Output = Result<Option<KeyRecord>, PortError>> + Send;

    /// Asks the table itself, with strongly consistent reads.
    ///
    /// # Errors
    /// When it cannot be read.
    fn find_consistently(
        &self,
        digest: &KeyDigest,
    ) -> impl Future<Output = Result<Option<KeyRecord>, PortError>> + Send;
}

/// The log of changes of keys.
pub trait InvalidationLog: Sync {
    /// Reads the entries after a position with strong consistency; only the
    /// head where there is no position.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_after(&self, position: Option<u64>) -> impl Future<Output = Result<LogRead, PortError>> + Send;
}

/// The calls of a key's month, for judging its limit.
pub trait UsageTotals: Sync {
    /// Adds up the month, reading only what `known` does not settle.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn month_usage(
        &self,
        key_id: &str,
        month: UtcMonth,
        known: Option<MonthUsage>,
        today: UtcDay,
    ) -> impl Future<Output = Result<MonthUsage, PortError>> + Send;
}

/// The usage of a key, day by day.
pub trait UsageHistory: Sync {
    /// Reads the days from `from` to `to`, both included.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn usage_of_key(
        &self,
        key_id: &str,
        from: UtcDay,
        to: UtcDay,
    ) -> impl Future<Output = Result<KeyUsage, PortError>> + Send;
}

/// A part of a limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAlert {
    /// The key.
    pub key_id: String,
    /// Whose key it is.
    pub owner: String,
    /// The month.
    pub month: UtcMonth,
    /// The part of the limit.
    pub threshold: Threshold,
    /// The limit, and what is used of it.
    pub quota: Quota,
}

/// Tells people of limits.
pub trait UsageAlerts: Sync {
    /// Tells of a threshold, unless it was told of before, by any instance.
    /// `false` where another instance is at it: whether it succeeds is to be
    /// asked later.
    ///
    /// # Errors
    /// When it is not known that somebody was told.
    fn tell(&self, alert: &UsageAlert, now_ms: i64) -> impl Future<Output = Result<bool, PortError>> + Send;
}
