//! The last steps of a run: adds its calls to rows of the ledger, and commits.

use hashbrown::HashMap;

use super::request::{Continuation, Reply, Request};
use super::{BatchRun, Step};
use crate::aggregate::{RecordIndex, RowUsage};
use crate::assessment::MAX_CLOCK_LEAD_MS;
use crate::fence::{Fence, judge};
use crate::ports::{LedgerReply, WriteReply};
use crate::sequence_number::SequenceNumber;
use crate::shard::HeadWrite;
use crate::update_plan::{CounterUpdate, plan_row};

/// How many times a run plans one row again. A row has one writer, so once suffices; more means
/// that something else writes to the ledger.
const MAX_REPLANS: u32 = 5;

impl BatchRun<'_> {
    /// Counts the calls that the batch owns, from the records before the first failure.
    pub(super) fn count(&mut self) {
        let outcome = self.outcome;
        let rows =
            self.batch.usage.rows(|place, call| !self.is_dropped[place] && outcome.admits(call.record));
        self.begin_rows(Step::Count, rows);
    }

    /// Begins a step that adds calls to rows.
    fn begin_rows(&mut self, step: Step, rows: Vec<RowUsage>) {
        self.step = step;
        self.rows = rows;
        self.ready.reserve(self.rows.len());
        self.in_flight.reserve(self.rows.len());
        for row in 0..self.rows.len() {
            self.apply(row, None, 0);
        }
    }

    /// Plans the update of a row from the records above its high-water mark.
    fn apply(&mut self, row: usize, mark: Option<&SequenceNumber>, tries: u32) {
        let (batch, usage) = (self.batch, &self.rows[row]);
        let Some(mut update) = plan_row(&batch.usage, usage, &batch.shard, |_| true, mark) else { return };
        // The records before a gap have no call of a later day.
        let is_behind = |gap: &&crate::shard::Gap| {
            gap.before <= update.last
                && usage.breakdown.day.start_ms() <= gap.closed_at_ms + MAX_CLOCK_LEAD_MS
        };
        let gaps = self.head.gaps.iter().filter(is_behind).map(|gap| gap.number);
        update.gaps = gaps.collect();
        self.request(Request::Apply(update.clone()), Continuation::Applied(row, update, tries));
    }

    pub(super) fn on_update_applied(&mut self, row: usize, update: &CounterUpdate, tries: u32, reply: Reply) {
        match reply {
            Reply::Ledger(LedgerReply::Applied) => {
                self.tally.ledger_writes += 1;
                if self.step == Step::Count {
                    self.tally.counted_calls += update.total();
                }
            }
            Reply::Ledger(LedgerReply::Fenced(mark)) => {
                self.tally.fenced_updates += 1;
                match judge(&update.first, &update.last, Some(&mark)) {
                    Fence::Skip => {}
                    Fence::Replan if tries < MAX_REPLANS => self.apply(row, Some(&mark), tries + 1),
                    // Something else writes to the row, or its condition differs from the fence.
                    Fence::Replan | Fence::Apply => self.outcome.fail(update.first_record),
                }
            }
            Reply::Invalid => {
                self.refused_from.insert(row, update.first.clone());
            }
            _ => self.outcome.fail(update.first_record),
        }
    }

    pub(super) fn on_rows_counted(&mut self) {
        if self.refused_from.is_empty() {
            self.count_totals();
        } else {
            self.record_refused_calls();
            // The verdicts change, so the run begins anew. The fence skips what is counted already.
            self.read_head();
        }
    }

    /// Counts the calls of all keys together. The reconciler compares these totals with the access
    /// log without knowing any key.
    fn count_totals(&mut self) {
        let outcome = self.outcome;
        let totals =
            self.batch.usage.totals(|place, call| !self.is_dropped[place] && outcome.admits(call.record));
        self.begin_rows(Step::Total, totals);
    }

    /// Commits, even if a row of totals refused its update: the calls are counted by key, and the
    /// reconciler finds the difference.
    pub(super) fn on_totals_counted(&mut self) {
        self.refused_from.clear();
        self.step = Step::Commit;
        self.write_commit();
    }

    /// Records the calls of each refused update. The calls before the update are counted.
    fn record_refused_calls(&mut self) {
        let usage = &self.batch.usage;
        let refused_from = std::mem::take(&mut self.refused_from);
        let refused: HashMap<_, _> =
            refused_from.iter().map(|(row, first)| (&self.rows[*row].breakdown, first)).collect();
        for (place, call) in usage.calls().iter().enumerate() {
            let first = usage.breakdown(call).and_then(|row| refused.get(row));
            let is_of_update = first.is_some_and(|first| usage.sequence_number(call.record) >= *first);
            if is_of_update && !self.is_dropped[place] && !self.is_refused[place] {
                self.is_refused[place] = true;
                self.tally.refused_calls += 1;
            }
        }
    }

    fn write_commit(&mut self) {
        let resume = self.outcome.lowest_failed().map(RecordIndex::position);
        let last = resume.unwrap_or(self.arrived.len()).checked_sub(1);
        let next = self.head.commit(
            last.map(|position| &self.arrived[position]),
            resume.map(|position| &self.arrived[position].sequence_number),
        );
        if next != self.head {
            let write = HeadWrite {
                shard: self.batch.shard.clone(),
                head: next,
                verdicts: Vec::new(),
                expires_at_ms: self.expires_at_ms(),
            };
            self.request(Request::WriteHead(write), Continuation::CommittedHead);
        }
    }

    /// When the outcome of the commit is unknown, the batch is delivered again, although it is
    /// counted. Otherwise the next batch would treat its records as given up.
    pub(super) fn on_committed_head_written(&mut self, reply: &Reply) {
        match reply {
            Reply::Write(WriteReply::Written) => self.tally.head_writes += 1,
            Reply::Write(WriteReply::Conflict) if self.may_retry() => {
                self.request(Request::ReadHead(self.batch.shard.clone()), Continuation::HeadToCommit);
            }
            _ => self.fail_all(),
        }
    }

    pub(super) fn on_head_read_to_commit(&mut self, reply: Reply) {
        let Reply::Head(head) = reply else { return self.fail_all() };
        self.head = head.unwrap_or_default();
        self.write_commit();
    }
}
