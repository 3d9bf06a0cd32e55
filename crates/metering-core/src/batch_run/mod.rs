//! The run of one batch, as a state machine without a clock or a network.
//!
//! A run judges the records of a batch, claims their calls, puts the bad parts into quarantine,
//! counts the rest by key and in total, and commits.
//!
//! The driver of a run takes its requests with [`BatchRun::next`], carries them out in any order,
//! possibly concurrently, and reports each reply with [`BatchRun::answer`]. The function, the
//! tests and the simulation drive the same run. These invariants are kept through any crash, retry,
//! late write or lost reply:
//!
//! - A record is judged once. Its verdict is in the shard's head before any of its calls is
//!   claimed, and every later run follows the verdict.
//! - A call is counted by the record that owns it, and by no other.
//! - Nothing is counted past a failure.
//! - Calls that are counted by key are added to the day's total of the shard before the batch is
//!   committed.
//! - A committed record is not processed again, however late it is delivered again.

mod claiming;
mod counting;
mod judging;
mod keeping;
mod model_checking;
mod request;
mod tally;

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

use crate::aggregate::{BatchUsage, RecordIndex, RowUsage};
use crate::assessment::MAX_CLOCK_LEAD_MS;
use crate::batch_outcome::BatchOutcome;
use crate::claims::owner::{PutBackFrom, RecordName, ShardName};
use crate::sequence_number::SequenceNumber;
use crate::shard::{ArrivedRecord, QuarantinedPart, ShardHead, Verdict};
use crate::window::DAY_MS;

use claiming::SliceWork;
use request::Continuation;

pub use request::{Reply, Request, RequestToken};
pub use tally::RunTally;

/// How many times a run reads a head or a slice again after a concurrent write.
const MAX_CONFLICTS: u32 = 30;

/// A batch of one shard, decoded and judged by this version of the function.
#[derive(Debug)]
pub struct Batch {
    /// The shard that the records are from.
    pub shard: ShardName,
    /// The calls of the records.
    pub usage: BatchUsage,
    /// The records, in ascending order of their sequence numbers.
    pub records: Vec<BatchRecord>,
}

/// One record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRecord {
    /// Time at which the record reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// `true` if the events of the record could be read.
    pub is_readable: bool,
    /// The records whose calls this record puts back.
    pub put_back_from: PutBackFrom,
}

/// Settings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSettings {
    /// Maximum age at which the claims still recognise a call when its record arrives, in milliseconds.
    /// No older call is counted. A shorter limit of the decoder does not shorten it: when that limit is
    /// raised later, the claims of the older calls are still there.
    pub max_call_age_ms: i64,
}

impl RunSettings {
    /// Time for which a claim is kept after the arrival of the record that made it, in
    /// milliseconds. No other record, and no retry of one, can count the call after that.
    pub fn claim_retention_ms(&self) -> i64 {
        self.max_call_age_ms.saturating_add(MAX_CLOCK_LEAD_MS).saturating_add(MAX_RETRY_MS)
    }
}

/// Time for which a record may be retried after its arrival, in milliseconds: the retention of
/// seven days that the function sets on its stream.
pub const MAX_RETRY_MS: i64 = 7 * DAY_MS;

/// A run of one batch.
#[derive(Debug, Clone)]
pub struct BatchRun<'b> {
    batch: &'b Batch,
    settings: RunSettings,
    names: Vec<RecordName>,
    arrived: Vec<ArrivedRecord>,
    head: ShardHead,
    verdicts: Vec<Option<Verdict>>,
    outcome: BatchOutcome,
    /// Records that are processed completely, by index in the batch.
    is_settled: Vec<bool>,
    /// Calls that are not counted, by index in the batch.
    is_dropped: Vec<bool>,
    /// Calls that another record owns, by index in the batch.
    is_owned_elsewhere: Vec<bool>,
    /// Calls that their rows or their slices refused, by index in the batch.
    is_refused: Vec<bool>,
    /// The first record of each update that its row has refused, by index in `rows`.
    refused_from: BTreeMap<usize, SequenceNumber>,
    /// `true` if another run has changed verdicts since this one read them.
    is_outdated: bool,
    slices: Vec<SliceWork>,
    /// The heads of other shards, which show if an owner was given up.
    owner_heads: HashMap<ShardName, ShardHead>,
    /// `true` if a given-up record has counted a call, by that record and the call's index in the batch.
    counted_by: BTreeMap<(RecordName, u32), bool>,
    rows: Vec<RowUsage>,
    ready: VecDeque<(RequestToken, Request)>,
    in_flight: HashMap<RequestToken, Continuation>,
    next_token: u32,
    step: Step,
    conflicts: u32,
    tally: RunTally,
}

/// The step that a run is in. A step begins when the one before has no request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Begins the run of a batch.
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
            is_owned_elsewhere: vec![false; calls],
            is_refused: vec![false; calls],
            refused_from: BTreeMap::new(),
            is_outdated: false,
            slices: Vec::new(),
            owner_heads: HashMap::new(),
            counted_by: BTreeMap::new(),
            rows: Vec::new(),
            ready: VecDeque::new(),
            in_flight: HashMap::new(),
            next_token: 0,
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

    /// Returns the next request to carry out. `None` while the run waits for replies, and at its end.
    ///
    /// ```
    /// use metering_core::aggregate::{BatchUsage, CallFacts};
    /// use metering_core::batch_run::{Batch, BatchRecord, BatchRun, Reply, Request, RunSettings};
    /// use metering_core::call_id::CallId;
    /// use metering_core::claims::layout::{ClaimLayout, LogStreamHash};
    /// use metering_core::claims::owner::{PutBackFrom, ShardName};
    /// use metering_core::metered_key::CallBreakdown;
    /// use metering_core::ports::{LedgerReply, WriteReply};
    /// use metering_core::sequence_number::SequenceNumber;
    ///
    /// // A batch of one record, which has one call of the key `key-1`.
    /// let (layout, time_ms): (ClaimLayout, i64) = ("0:10000:1".parse()?, 1_795_509_270_000);
    /// let mut usage = BatchUsage::new();
    /// usage.begin_record(SequenceNumber::parse("4957")?)?;
    /// let breakdown = CallBreakdown::of_key("key-1", "2026-11-24".parse()?);
    /// usage.add_call(0, CallId::new("Jk3f=", time_ms), breakdown, CallFacts::at(time_ms), true);
    /// usage.end_record(&layout, LogStreamHash::default());
    /// let record =
    ///     BatchRecord { arrived_at_ms: time_ms, is_readable: true, put_back_from: PutBackFrom::default() };
    /// let shard = ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000");
    /// let batch = Batch { shard, usage, records: vec![record] };
    ///
    /// // A storage that is empty, and accepts every write.
    /// let mut counted = Vec::new();
    /// let mut run = BatchRun::new(&batch, RunSettings { max_call_age_ms: 35 * 86_400_000 });
    /// while let Some((token, request)) = run.next() {
    ///     let reply = match request {
    ///         Request::ReadHead(_) => Reply::Head(None),
    ///         Request::ReadSlice(_) => Reply::Slice(Vec::new()),
    ///         Request::WriteHead(_) | Request::WritePage(_) => Reply::Write(WriteReply::Written),
    ///         Request::Apply(update) => {
    ///             counted.push((update.row.key().api_key_id.to_string(), update.total()));
    ///             Reply::Ledger(LedgerReply::Applied)
    ///         }
    ///         request => panic!("a new record that is good needs no {request:?}"),
    ///     };
    ///     run.answer(token, reply);
    /// }
    /// assert!(run.is_done());
    /// assert_eq!(run.outcome().lowest_failed(), None);
    /// assert_eq!(counted, [("key-1".to_owned(), 1), ("#totals".to_owned(), 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "more requests may come after None")]
    pub fn next(&mut self) -> Option<(RequestToken, Request)> {
        self.ready.pop_front()
    }

    /// Returns `true` if the run is over.
    pub fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Returns the record from which the stream has to resume. Final once the run is over.
    pub fn outcome(&self) -> BatchOutcome {
        self.outcome
    }

    /// Returns the counts of the run so far.
    pub fn tally(&self) -> RunTally {
        let owned_elsewhere =
            self.is_owned_elsewhere.iter().filter(|is_owned_elsewhere| **is_owned_elsewhere);
        let duplicate_calls = owned_elsewhere.count() as u64;
        RunTally { duplicate_calls, ..self.tally }
    }

    /// Takes the reply to a request. A second reply to the same request is ignored.
    pub fn answer(&mut self, token: RequestToken, reply: Reply) {
        let Some(continuation) = self.in_flight.remove(&token) else { return };
        match continuation {
            Continuation::Head => self.on_head_read(reply),
            Continuation::Verdicts => self.on_verdicts_read(reply),
            Continuation::HeadOfVerdicts => self.on_head_read_again(reply),
            Continuation::JudgedHead(write) => self.on_judged_head_written(write, &reply),
            Continuation::Slice(slice) => self.on_slice_read(slice, reply),
            Continuation::Page(slice) => self.on_page_written(slice, &reply),
            Continuation::OwnerHead(slice, shard) => self.on_owner_head_read(slice, shard, reply),
            Continuation::Released(slice, owner, call) => self.on_row_released(slice, owner, call, &reply),
            Continuation::Kept(record, event_count) => self.on_part_kept(record, event_count, &reply),
            Continuation::MarkedKept(record) => self.on_part_marked(record, &reply),
            Continuation::Applied(row, update, tries) => self.on_update_applied(row, &update, tries, reply),
            Continuation::HeadToCommit => self.on_head_read_to_commit(reply),
            Continuation::CommittedHead => self.on_committed_head_written(&reply),
        }
        self.advance();
    }

    /// Begins the next step while no request is in flight.
    fn advance(&mut self) {
        while self.in_flight.is_empty() && self.step != Step::Done {
            match self.step {
                Step::Judge => self.claim(),
                Step::Claim => self.advance_or_judge_again(Self::keep),
                Step::Keep => self.advance_or_judge_again(Self::count),
                Step::Count => self.on_rows_counted(),
                Step::Total => self.on_totals_counted(),
                Step::Commit | Step::Done => self.step = Step::Done,
            }
        }
    }

    /// Begins the next step, unless another run has changed verdicts meanwhile.
    fn advance_or_judge_again(&mut self, next_step: fn(&mut Self)) {
        if std::mem::take(&mut self.is_outdated) {
            self.judge_again();
        } else {
            next_step(self);
        }
    }

    /// Begins again with the head that another run has changed, unless that has happened too often.
    fn judge_again(&mut self) {
        if self.may_retry() { self.read_head() } else { self.fail_all() }
    }

    /// Records that another run has changed the head or verdicts meanwhile. Returns `false` if that
    /// has happened too often.
    fn may_retry(&mut self) -> bool {
        let may = self.conflicts < MAX_CONFLICTS;
        if may {
            self.conflicts += 1;
            self.tally.conflicts += 1;
        }
        may
    }

    fn request(&mut self, request: Request, continuation: Continuation) {
        let token = RequestToken(self.next_token);
        self.next_token += 1;
        self.in_flight.insert(token, continuation);
        self.ready.push_back((token, request));
    }

    /// Ends the run and requests that the whole batch is delivered again.
    fn fail_all(&mut self) {
        if let Some(first) = self.batch.usage.records().next() {
            self.outcome.fail(first);
        }
        self.step = Step::Done;
    }

    /// Returns the part of the record to quarantine, if any.
    fn quarantined_part(&self, record: RecordIndex) -> Option<&QuarantinedPart> {
        self.verdicts[record.position()].as_ref().map(|verdict| &verdict.part)
    }

    /// Time until which the claims of the batch have to be kept, in milliseconds since 1970.
    fn expires_at_ms(&self) -> i64 {
        let latest = self.arrived.iter().map(|record| record.arrived_at_ms).max().unwrap_or(0);
        latest.saturating_add(self.settings.claim_retention_ms())
    }
}
