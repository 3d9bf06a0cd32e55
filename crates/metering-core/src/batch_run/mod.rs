//! The run of one batch, as a state machine without a clock or a network:
//! judge its records, claim its calls, keep what goes to quarantine, count the
//! rest by key and in total, commit.
//!
//! Whoever drives a run takes its requests with [`BatchRun::next`], carries
//! them out, in any order and at once, and hands in each reply with
//! [`BatchRun::answer`]. The function, the tests and the simulation drive the
//! same run. What holds after any crash, retry, late write or lost reply:
//!
//! - A record is judged once. Its verdict is in the shard's head before any of
//!   its calls is claimed, and every later run follows it.
//! - A call is counted by the record that owns it, and by no other.
//! - Nothing is counted past a failure.
//! - What is counted by key is counted in the day's total of the shard before the
//!   batch is committed.
//! - A record that is counted and kept is left alone, however late it is read
//!   again.

mod claiming;
mod counting;
mod judging;
mod keeping;

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

use crate::aggregate::{BatchUsage, RecordIndex, RowUsage};
use crate::batch_outcome::BatchOutcome;
use crate::claims::layout::SliceKey;
use crate::claims::owner::{PutBackFrom, RecordName, ShardName};
use crate::claims::slice_claim::{PageWrite, StoredPage};
use crate::ports::{LedgerReply, RowRelease, WriteReply};
use crate::sequence_number::SequenceNumber;
use crate::shard::{ArrivedRecord, HeadWrite, QuarantinedPart, ShardHead, Verdict};
use crate::update_plan::CounterUpdate;
use crate::usage_record::MAX_CLOCK_LEAD_MS;
use crate::window::DAY_MS;

use claiming::SliceWork;

/// How often a head or a slice that others keep changing is read again.
const MAX_CONFLICTS: u32 = 30;

/// A batch of one shard, read and judged by this version of the function.
#[derive(Debug)]
pub struct Batch {
    /// The shard.
    pub shard: ShardName,
    /// The calls of its records.
    pub usage: BatchUsage,
    /// The records, in order.
    pub records: Vec<BatchRecord>,
}

/// One record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRecord {
    /// When it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// Whether its events could be read.
    pub is_readable: bool,
    /// The records whose calls it puts back.
    pub put_back_from: PutBackFrom,
}

/// Settings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSettings {
    /// The age at its record's arrival up to which a call is counted, in milliseconds.
    pub max_call_age_ms: i64,
}

impl RunSettings {
    /// How long a claim is kept after the arrival of the record that made it,
    /// in milliseconds: until the last moment at which the call can be counted
    /// by another record, or by a retry of it.
    pub fn claim_retention_ms(&self) -> i64 {
        self.max_call_age_ms.saturating_add(MAX_CLOCK_LEAD_MS).saturating_add(MAX_RETRY_MS)
    }
}

/// How long a record may be tried again after its arrival, in milliseconds:
/// the seven days for which the function has its stream keep it.
const MAX_RETRY_MS: i64 = 7 * DAY_MS;

/// Something to be carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Read the head of a shard.
    ReadHead(ShardName),
    /// Read the verdicts on the records from the first to the last.
    ReadVerdicts(ShardName, SequenceNumber, SequenceNumber),
    /// Write the head of the batch's shard, with verdicts.
    WriteHead(HeadWrite),
    /// Read the pages of a slice.
    ReadSlice(SliceKey),
    /// Write a page.
    WritePage(PageWrite),
    /// Ask a row what a given-up record has counted in it.
    Release(RowRelease),
    /// Put a part of a record into quarantine.
    Keep(RecordIndex, QuarantinedPart),
    /// Note that the quarantine has this part of a record.
    MarkKept(RecordName, QuarantinedPart),
    /// Add counts to a row of the ledger.
    Apply(CounterUpdate),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To [`Request::ReadHead`].
    Head(Option<ShardHead>),
    /// To [`Request::ReadVerdicts`].
    Verdicts(Vec<(SequenceNumber, Verdict)>),
    /// To [`Request::WriteHead`], [`Request::WritePage`] and [`Request::MarkKept`].
    Write(WriteReply),
    /// To [`Request::ReadSlice`].
    Slice(Vec<StoredPage>),
    /// To [`Request::Release`]: whether the given-up record has counted.
    Released(bool),
    /// To [`Request::Keep`].
    Done,
    /// To [`Request::Apply`].
    Ledger(LedgerReply),
    /// It is not known what became of the request, or it was refused.
    Failed,
    /// To [`Request::Apply`]: the row refuses what it was to take, and always will.
    Invalid,
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Job(u32);

/// What is to be done with the reply to a job.
#[derive(Debug)]
enum Task {
    Head,
    Verdicts,
    Judged(HeadWrite),
    Slice(usize),
    Page(usize),
    OwnersHead(usize, ShardName),
    Released(usize, RecordName, u32),
    Kept(RecordIndex, u64),
    MarkedKept(RecordIndex),
    Applied(usize, CounterUpdate, u32),
    CommitHead,
    Committed,
}

/// What a run has done so far, in counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunTally {
    /// Calls that writes of this run added to the ledger.
    pub counted_calls: u64,
    /// Rows that were written.
    pub ledger_writes: u64,
    /// Updates that a row's mark kept from being written as planned.
    pub fenced_updates: u64,
    /// Pages of claims that were written.
    pub page_writes: u64,
    /// Heads that were written.
    pub head_writes: u64,
    /// Writes of pages and heads that met somebody else's and were planned again.
    pub conflicts: u64,
    /// Records that were counted and kept before.
    pub replayed_records: u64,
    /// Calls that another record owns.
    pub duplicate_calls: u64,
    /// Records of which something was put into quarantine.
    pub kept_records: u64,
    /// Calls and events that were put into quarantine, but for those of whole records.
    pub kept_events: u64,
    /// Calls that their row of the ledger refused.
    pub refused_calls: u64,
    /// Records that were given up before, and are now in quarantine.
    pub given_up_records: u64,
    /// Records with calls that another version claimed and this one cannot read.
    pub unreadable_claims: u64,
}

/// A run.
#[derive(Debug)]
pub struct BatchRun<'b> {
    batch: &'b Batch,
    settings: RunSettings,
    names: Vec<RecordName>,
    arrived: Vec<ArrivedRecord>,
    head: ShardHead,
    verdicts: Vec<Option<Verdict>>,
    outcome: BatchOutcome,
    /// Records of which nothing is left to do, by their places in the batch.
    is_settled: Vec<bool>,
    /// Calls that are not counted, by their places in the batch.
    is_dropped: Vec<bool>,
    /// Calls that another record owns, by their places in the batch.
    is_anothers: Vec<bool>,
    /// Calls that their rows refused, by their places in the batch.
    is_refused: Vec<bool>,
    /// The first record of each update that its row has refused, by the row.
    refused_from: BTreeMap<usize, SequenceNumber>,
    /// Whether another run has changed verdicts since this one read them.
    is_outdated: bool,
    slices: Vec<SliceWork>,
    owners_heads: HashMap<ShardName, ShardHead>,
    counted_by: BTreeMap<(RecordName, u32), bool>,
    rows: Vec<RowUsage>,
    ready: VecDeque<(Job, Request)>,
    under_way: HashMap<Job, Task>,
    next_job: u32,
    step: Step,
    conflicts: u32,
    tally: RunTally,
}

/// Where a run stands. Each step begins when nothing of the one before is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Judge,
    Claim,
    Keep,
    Count,
    Total,
    Commit,
    Done,
}

impl<'b> BatchRun<'b> {
    /// A run of a batch, at its beginning.
    pub fn new(batch: &'b Batch, settings: RunSettings) -> Self {
        let name = |record| RecordName {
            shard: batch.shard.clone(),
            sequence_number: batch.usage.sequence_number(record).clone(),
        };
        let arrived = |(record, judged): (RecordIndex, &BatchRecord)| ArrivedRecord {
            sequence_number: batch.usage.sequence_number(record).clone(),
            arrived_at_ms: judged.arrived_at_ms,
        };
        let calls = batch.usage.calls().len();
        let mut run = Self {
            batch,
            settings,
            names: batch.usage.records().map(name).collect(),
            arrived: batch.usage.records().zip(&batch.records).map(arrived).collect(),
            head: ShardHead::default(),
            verdicts: vec![None; batch.records.len()],
            outcome: BatchOutcome::new(),
            is_settled: vec![false; batch.records.len()],
            is_dropped: vec![false; calls],
            is_anothers: vec![false; calls],
            is_refused: vec![false; calls],
            refused_from: BTreeMap::new(),
            is_outdated: false,
            slices: Vec::new(),
            owners_heads: HashMap::new(),
            counted_by: BTreeMap::new(),
            rows: Vec::new(),
            ready: VecDeque::new(),
            under_way: HashMap::new(),
            next_job: 0,
            step: Step::Judge,
            conflicts: 0,
            tally: RunTally::default(),
        };
        if run.arrived.is_empty() {
            run.step = Step::Done;
        } else {
            run.read_head();
        }
        run
    }

    /// The next request to carry out; `None` while replies are awaited, and at the end.
    #[expect(clippy::should_implement_trait, reason = "more requests may come after None")]
    pub fn next(&mut self) -> Option<(Job, Request)> {
        self.ready.pop_front()
    }

    /// Whether the run is over.
    pub fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Where the stream has to resume, when the run is over.
    pub fn outcome(&self) -> BatchOutcome {
        self.outcome
    }

    /// What the run has done.
    pub fn tally(&self) -> RunTally {
        let duplicate_calls = self.is_anothers.iter().filter(|is_anothers| **is_anothers).count() as u64;
        RunTally { duplicate_calls, ..self.tally }
    }

    /// Takes the reply to a request.
    pub fn answer(&mut self, job: Job, reply: Reply) {
        let Some(task) = self.under_way.remove(&job) else { return };
        match task {
            Task::Head => self.head_is_read(reply),
            Task::Verdicts => self.verdicts_are_read(reply),
            Task::Judged(write) => self.head_is_judged(write, &reply),
            Task::Slice(slice) => self.slice_is_read(slice, reply),
            Task::Page(slice) => self.page_is_written(slice, &reply),
            Task::OwnersHead(slice, shard) => self.owners_head_is_read(slice, shard, reply),
            Task::Released(slice, owner, call) => self.row_is_released(slice, owner, call, &reply),
            Task::Kept(record, event_count) => self.part_is_kept(record, event_count, &reply),
            Task::MarkedKept(record) => self.part_is_marked(record, &reply),
            Task::Applied(row, update, tries) => self.update_is_applied(row, &update, tries, reply),
            Task::CommitHead => self.head_is_read_to_commit(reply),
            Task::Committed => self.head_is_committed(&reply),
        }
        self.go_on();
    }

    /// Goes to the next step as long as nothing is under way.
    fn go_on(&mut self) {
        while self.under_way.is_empty() && self.step != Step::Done {
            match self.step {
                Step::Judge => self.claim(),
                Step::Claim => self.go_on_or_judge_again(Self::keep),
                Step::Keep => self.go_on_or_judge_again(Self::count),
                Step::Count => self.rows_are_counted(),
                Step::Total => self.totals_are_counted(),
                Step::Commit | Step::Done => self.step = Step::Done,
            }
        }
    }

    /// Takes the next step, unless another run has changed verdicts meanwhile.
    fn go_on_or_judge_again(&mut self, next_step: fn(&mut Self)) {
        if !std::mem::take(&mut self.is_outdated) {
            next_step(self);
        } else if self.may_try_again() {
            self.read_head();
        } else {
            self.fail_all();
        }
    }

    /// Notes that another run has changed the head or verdicts meanwhile.
    /// `false` where that happened too often.
    fn may_try_again(&mut self) -> bool {
        let may = self.conflicts < MAX_CONFLICTS;
        if may {
            self.conflicts += 1;
            self.tally.conflicts += 1;
        }
        may
    }

    fn request(&mut self, request: Request, task: Task) {
        let job = Job(self.next_job);
        self.next_job += 1;
        self.under_way.insert(job, task);
        self.ready.push_back((job, request));
    }

    /// Has the whole batch delivered again.
    fn fail_all(&mut self) {
        if let Some(first) = self.batch.usage.records().next() {
            self.outcome.fail(first);
        }
        self.step = Step::Done;
    }

    /// What of a record goes to quarantine.
    fn quarantined_part(&self, record: RecordIndex) -> Option<&QuarantinedPart> {
        self.verdicts[record.position()].as_ref().map(|verdict| &verdict.part)
    }

    /// Until when what a batch writes has to be kept, in milliseconds since 1970.
    fn expires_at_ms(&self) -> i64 {
        let latest = self.arrived.iter().map(|record| record.arrived_at_ms).max().unwrap_or(0);
        latest.saturating_add(self.settings.claim_retention_ms())
    }
}
