//! What the rules need from the outside, as traits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::claims::layout::SliceKey;
use crate::claims::owner::{PutBackFrom, RecordName, ShardName};
use crate::claims::slice_claim::{PageWrite, StoredPage};
use crate::invalidation::LogRead;
use crate::quota::{MonthUsage, Quota, Threshold};
use crate::reconciliation::{HourlyCalls, HourlyTotals, ReconciledHour};
use crate::sequence_number::SequenceNumber;
use crate::shard::{Gap, HeadWrite, QuarantinedPart, ShardHead, Verdict};
use crate::unbilled::UnbilledRoutes;
use crate::update_plan::{CounterUpdate, RowKey};
use crate::usage_history::KeyUsage;
use crate::window::{UtcDay, UtcMonth};

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
    /// The service refused whoever asked: a missing permission, a missing
    /// table. It needs an operator, and the same request may succeed then.
    #[error("{operation} was refused")]
    Refused {
        /// The operation and its target.
        operation: String,
        /// What the service said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service refused the content of the request, and always will.
    #[error("{operation} was refused for what it contains")]
    Invalid {
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

/// A question about a row that a given-up record may have counted in, which
/// also keeps the record from counting in it from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRelease {
    /// The row.
    pub row: RowKey,
    /// The given-up record.
    pub record: SequenceNumber,
    /// The gap in which it was given up.
    pub gap: Gap,
    /// Numbers of the shard's gaps before that one: the row remembers its mark
    /// as it was before them, too.
    pub earlier_gaps: Vec<u32>,
}

/// The usage ledger.
pub trait UsageLedger: Sync {
    /// Adds the counts, if the row has no mark or one below `update.first`.
    ///
    /// # Errors
    /// When it is not known that the update was applied or fenced.
    fn apply(&self, update: &CounterUpdate) -> impl Future<Output = Result<LedgerReply, PortError>> + Send;

    /// Tells whether a given-up record counted in a row before it was given up.
    /// After `false` it never will.
    ///
    /// # Errors
    /// When the row cannot be read or fenced.
    fn release(&self, release: &RowRelease) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// The answer to a write with optimistic locking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteReply {
    /// It is written.
    Written,
    /// Nothing was written: somebody else wrote since it was read.
    Conflict,
}

/// The store of claims: who owns each call, and how far each shard is judged.
/// Every read is strongly consistent.
pub trait ClaimStore: Sync {
    /// Reads the head of a shard; `None` where it has none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_head(
        &self,
        shard: &ShardName,
    ) -> impl Future<Output = Result<Option<ShardHead>, PortError>> + Send;

    /// Reads the verdicts on the records from `first` to `last`, both included.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_verdicts(
        &self,
        shard: &ShardName,
        first: &SequenceNumber,
        last: &SequenceNumber,
    ) -> impl Future<Output = Result<Vec<(SequenceNumber, Verdict)>, PortError>> + Send;

    /// Writes a head with its verdicts, all or nothing.
    ///
    /// # Errors
    /// When it is not known whether it was written.
    fn write_head(&self, write: &HeadWrite) -> impl Future<Output = Result<WriteReply, PortError>> + Send;

    /// Notes that the quarantine has a part of a record, if that is the part
    /// which the verdict on the record still gives it.
    ///
    /// # Errors
    /// When it is not known whether it was noted.
    fn mark_kept(
        &self,
        record: &RecordName,
        part: &QuarantinedPart,
    ) -> impl Future<Output = Result<WriteReply, PortError>> + Send;

    /// Reads the pages of a slice, in their order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_slice(&self, slice: SliceKey) -> impl Future<Output = Result<Vec<StoredPage>, PortError>> + Send;

    /// Writes a page.
    ///
    /// # Errors
    /// When it is not known whether it was written.
    fn write_page(&self, write: &PageWrite) -> impl Future<Output = Result<WriteReply, PortError>> + Send;
}

/// Bytes that could not be counted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRecord {
    /// The record that they were read from.
    pub record: RecordName,
    /// When it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// The records whose calls it put back itself.
    pub put_back_from: PutBackFrom,
    /// A word for metrics and grouping, such as `truncated-gzip`.
    pub reason: Cow<'static, str>,
    /// What exactly is wrong, for a person.
    pub detail: String,
    /// The bytes, in a form that can be put back into the stream as they are:
    /// a record of at most 1 MiB.
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

/// How long streams keep their records.
pub trait StreamRetention: Sync {
    /// Has a stream keep its records for as long as an outage may last.
    /// `false` where it does already.
    ///
    /// # Errors
    /// When it is not known how long the stream keeps its records.
    fn raise(&self, stream_arn: &str) -> impl Future<Output = Result<bool, PortError>> + Send;
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
    fn notify(&self, alert: &UsageAlert, now_ms: i64)
    -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Counts of the access log, independent of the ledger.
pub trait AccessLogCounts: Sync {
    /// Bytes of the access log that queries have scanned so far; AWS bills by them.
    fn scanned_bytes(&self) -> u64;

    /// Counts the successful calls of all keys in each hour of `from_ms..to_ms`.
    ///
    /// # Errors
    /// When they cannot be counted.
    fn calls_by_hour(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyTotals, PortError>> + Send;

    /// Counts the successful calls of each key in each hour of `from_ms..to_ms`.
    ///
    /// # Errors
    /// When they cannot be counted.
    fn calls_per_key(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyCalls, PortError>> + Send;
}

/// What the ledger has counted.
pub trait LedgerCounts: Sync {
    /// Reads the totals of each hour of `from_ms..to_ms`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn totals_by_hour(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyTotals, PortError>> + Send;

    /// Reads the hours of `from_ms..to_ms` of the keys that another count has.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn calls_for_keys_of(
        &self,
        count: &HourlyCalls,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyCalls, PortError>> + Send;
}

/// What is remembered of compared hours.
pub trait ComparedHours: Sync {
    /// Reads the hours that begin in `from_ms..to_ms`, by their start.
    ///
    /// # Errors
    /// When they cannot be read.
    fn hours(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<BTreeMap<i64, ReconciledHour>, PortError>> + Send;

    /// Stores what a run compares, for `meter reconcile`. Returns the first hour that
    /// any run compares, in milliseconds since 1970: `first_ms` in the first run.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn start_run(
        &self,
        log_groups: &[String],
        unbilled: &UnbilledRoutes,
        first_ms: i64,
    ) -> impl Future<Output = Result<i64, PortError>> + Send;

    /// Writes what is known of an hour.
    ///
    /// # Errors
    /// When it is not known that it was written.
    fn write_hour(
        &self,
        start_ms: i64,
        hour: &ReconciledHour,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
