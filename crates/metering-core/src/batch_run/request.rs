//! The requests of a run, and the replies to them.

use crate::aggregate::RecordIndex;
use crate::claims::layout::SliceKey;
use crate::claims::owner::{RecordName, ShardName};
use crate::claims::slice_claim::{PageWrite, StoredPage};
use crate::ports::{LedgerReply, RowRelease, WriteReply};
use crate::sequence_number::SequenceNumber;
use crate::shard::{HeadWrite, QuarantinedPart, ShardHead, Verdict};
use crate::update_plan::CounterUpdate;

/// A request to the storage, to be carried out by the driver of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// Read the head of a shard.
    ReadHead(ShardName),
    /// Read the verdicts on the records from the first to the last, both included.
    ReadVerdicts(ShardName, SequenceNumber, SequenceNumber),
    /// Write the head of the batch's shard, with verdicts.
    WriteHead(HeadWrite),
    /// Read the pages of a slice.
    ReadSlice(SliceKey),
    /// Write a page.
    WritePage(PageWrite),
    /// Ask a row whether it counts a given-up record, and keep it from counting the record later.
    Release(RowRelease),
    /// Put a part of a record into quarantine.
    Keep(RecordIndex, QuarantinedPart),
    /// Record in the verdict that this part of a record is in quarantine.
    MarkKept(RecordName, QuarantinedPart),
    /// Add counts to a row of the ledger.
    Apply(CounterUpdate),
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Reply to [`Request::ReadHead`]; `None` for a shard without a head.
    Head(Option<ShardHead>),
    /// Reply to [`Request::ReadVerdicts`].
    Verdicts(Vec<(SequenceNumber, Verdict)>),
    /// Reply to [`Request::WriteHead`], [`Request::WritePage`] and [`Request::MarkKept`].
    Write(WriteReply),
    /// Reply to [`Request::ReadSlice`]: the pages in the order of their numbers.
    Slice(Vec<StoredPage>),
    /// Reply to [`Request::Release`]: `true` if the row counts the given-up record.
    Released(bool),
    /// Reply to [`Request::Keep`] that succeeded.
    Done,
    /// Reply to [`Request::Apply`].
    Ledger(LedgerReply),
    /// Reply to any request that was refused, or whose outcome is unknown.
    Failed,
    /// Reply to [`Request::Apply`]: the row refuses the content of the update, and always will.
    Invalid,
}

/// Correlates a reply with its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestToken(pub(super) u32);

/// The use of a reply. Slices and rows are given by their indices in the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Continuation {
    Head,
    Verdicts,
    HeadOfVerdicts,
    JudgedHead(HeadWrite),
    Slice(usize),
    Page(usize),
    OwnerHead(usize, ShardName),
    Released(usize, RecordName, u32),
    Kept(RecordIndex, u64),
    MarkedKept(RecordIndex),
    Applied(usize, CounterUpdate, u32),
    HeadToCommit,
    CommittedHead,
}
