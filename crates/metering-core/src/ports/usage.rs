//! The ports through which usage is counted and read.

use std::borrow::Cow;
use std::future::Future;

use super::PortError;
use crate::claims::layout::SliceKey;
use crate::claims::owner::{PutBackFrom, RecordName, ShardName};
use crate::claims::slice_claim::{PageWrite, StoredPage};
use crate::class_lists::ClassLists;
use crate::metered_key::MeteredKey;
use crate::quota::MonthUsage;
use crate::row_key::RowKey;
use crate::sequence_number::SequenceNumber;
use crate::shard::{Gap, HeadWrite, QuarantinedPart, ShardHead, Verdict};
use crate::update_plan::CounterUpdate;
use crate::usage_history::KeyUsage;
use crate::window::{UtcDay, UtcMonth};

/// The ledger's reply to an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerReply {
    /// The counts were added, and the high-water mark was moved.
    Applied,
    /// Nothing was written. The row has this high-water mark, which is not below `first`.
    Fenced(SequenceNumber),
}

/// A request to a row for a given-up record: if the row counts the record, and that it does not
/// count the record from then on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowRelease {
    /// The row that may count the record.
    pub row: RowKey,
    /// The sequence number of the given-up record.
    pub record: SequenceNumber,
    /// The gap that the record is in.
    pub gap: Gap,
    /// Numbers of the shard's earlier gaps. The row has its high-water mark before these as well.
    pub earlier_gaps: Vec<u32>,
}

/// The usage ledger, as the consumer writes it.
pub trait UsageLedger: Sync {
    /// Adds the counts if the row has no high-water mark, or one below `update.first`.
    ///
    /// # Errors
    /// When it is unknown if the update was applied or fenced.
    fn apply(&self, update: &CounterUpdate) -> impl Future<Output = Result<LedgerReply, PortError>> + Send;

    /// Returns `true` if a row counts a given-up record. After `false`, the row never counts it.
    ///
    /// # Errors
    /// When the row cannot be read or fenced.
    fn release(&self, release: &RowRelease) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// The reply to a write with optimistic locking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteReply {
    /// The item was written.
    Written,
    /// Nothing was written: another writer has changed the item since it was read.
    Conflict,
}

/// The store of claims, verdicts, shard heads and route classes. Every read is strongly consistent.
pub trait ClaimStore: Sync {
    /// Reads all lists of route classes.
    ///
    /// # Errors
    /// When the lists cannot be read.
    fn read_class_lists(&self) -> impl Future<Output = Result<ClassLists, PortError>> + Send;

    /// Reads the head of a shard; `None` if it has none yet.
    ///
    /// # Errors
    /// When the head cannot be read.
    fn read_head(
        &self,
        shard: &ShardName,
    ) -> impl Future<Output = Result<Option<ShardHead>, PortError>> + Send;

    /// Reads the verdicts on the records from `first` to `last`, both included.
    ///
    /// # Errors
    /// When the verdicts cannot be read.
    fn read_verdicts(
        &self,
        shard: &ShardName,
        first: &SequenceNumber,
        last: &SequenceNumber,
    ) -> impl Future<Output = Result<Vec<(SequenceNumber, Verdict)>, PortError>> + Send;

    /// Writes a head with its verdicts in one transaction.
    ///
    /// # Errors
    /// When it is unknown if the transaction was written.
    fn write_head(&self, write: &HeadWrite) -> impl Future<Output = Result<WriteReply, PortError>> + Send;

    /// Records in the verdict on a record that `part` is in quarantine. It conflicts if the verdict
    /// has a different part by now.
    ///
    /// # Errors
    /// When it is unknown if the verdict was written.
    fn mark_kept(
        &self,
        record: &RecordName,
        part: &QuarantinedPart,
    ) -> impl Future<Output = Result<WriteReply, PortError>> + Send;

    /// Reads the pages of a slice in the order of their numbers.
    ///
    /// # Errors
    /// When the pages cannot be read.
    fn read_slice(&self, slice: SliceKey) -> impl Future<Output = Result<Vec<StoredPage>, PortError>> + Send;

    /// Writes a page of a slice.
    ///
    /// # Errors
    /// When it is unknown if the page was written.
    fn write_page(&self, write: &PageWrite) -> impl Future<Output = Result<WriteReply, PortError>> + Send;
}

/// A record, or a part of one, that could not be counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QuarantinedRecord {
    /// The record from which the payload was read.
    pub record: RecordName,
    /// Time at which the record reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// The records whose calls the record put back.
    pub put_back_from: PutBackFrom,
    /// The reason as a word for metrics and grouping, such as `truncated-gzip`.
    pub reason: Cow<'static, str>,
    /// The reason in detail, for operators.
    pub detail: String,
    /// The bytes, in a form that can be put back into the stream unchanged: a record of at most
    /// 1 MiB.
    pub payload: Vec<u8>,
}

/// The queue of records that could not be counted.
pub trait Quarantine: Sync {
    /// Puts a record into quarantine, where it stays until an operator puts it back or discards it.
    ///
    /// # Errors
    /// When it is unknown if the record is in quarantine.
    fn keep(&self, record: &QuarantinedRecord) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// The retention period of streams.
pub trait StreamRetention: Sync {
    /// Raises the retention period of a stream to the one that the meter needs. Returns `false` if
    /// it is long enough already.
    ///
    /// # Errors
    /// When the retention period is unknown.
    fn raise(&self, stream_arn: &str) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// The usage of a key in a month, for the decision on its limit.
pub trait UsageTotals: Sync {
    /// Adds up the calls of a key in a month, as [`MeteredKey::counted_as`] says. The settled days of `known` are not read again. `today` is the
    /// present day, on which the days to settle depend.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn month_usage(
        &self,
        key: &MeteredKey,
        month: UtcMonth,
        known: Option<MonthUsage>,
        today: UtcDay,
    ) -> impl Future<Output = Result<MonthUsage, PortError>> + Send;
}

/// The usage of a key by day, for reports.
pub trait UsageHistory: Sync {
    /// Reads the usage of a key, as [`MeteredKey::counted_as`] says, on the days from `from` to `to`,
    /// both included.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn usage_of_key(
        &self,
        key: &MeteredKey,
        from: UtcDay,
        to: UtcDay,
    ) -> impl Future<Output = Result<KeyUsage, PortError>> + Send;
}

/// How far the stream is counted.
pub trait CountingProgress: Sync {
    /// Returns the time before which everything that reached the stream is counted, as
    /// [`counted_before_ms`](crate::stream_progress::counted_before_ms) computes it. The ledger shows it
    /// to consistent reads that begin later.
    ///
    /// # Errors
    /// When the shards or their heads cannot be read.
    fn counted_before_ms(&self) -> impl Future<Output = Result<Option<i64>, PortError>> + Send;
}
