//! The first step of a run: judges its records, ordered by the writes of the shard's head.

use super::request::{Continuation, Reply, Request};
use super::{BatchRun, Step};
use crate::aggregate::RecordIndex;
use crate::ports::WriteReply;
use crate::sequence_number::SequenceNumber;
use crate::shard::{HeadWrite, MAX_VERDICTS, QuarantinedPart, ShardHead, Verdict};

impl BatchRun<'_> {
    pub(super) fn read_head(&mut self) {
        self.step = Step::Judge;
        self.request(Request::ReadHead(self.batch.shard.clone()), Continuation::Head);
    }

    pub(super) fn on_head_read(&mut self, reply: Reply) {
        let Reply::Head(head) = reply else { return self.fail_all() };
        self.follow(head.unwrap_or_default());
    }

    /// Judges by a head that was read.
    fn follow(&mut self, head: ShardHead) {
        self.head = head;
        self.verdicts.fill(None);
        let (Some(first), Some(last)) = (self.arrived.first(), self.arrived.last()) else { return };
        if self.head.has_judged(&first.sequence_number) {
            let (first, last) = (first.sequence_number.clone(), last.sequence_number.clone());
            self.request(
                Request::ReadVerdicts(self.batch.shard.clone(), first, last),
                Continuation::Verdicts,
            );
        } else {
            self.judge();
        }
    }

    pub(super) fn on_verdicts_read(&mut self, reply: Reply) {
        let Reply::Verdicts(verdicts) = reply else { return self.fail_all() };
        let is_empty = verdicts.is_empty();
        for (record, verdict) in verdicts {
            self.record_verdict(&record, verdict);
        }
        if !self.has_verdicts_of_head() {
            // A part of the head's transaction is not visible yet.
            return self.judge_again();
        }
        if is_empty {
            return self.judge();
        }
        self.request(Request::ReadHead(self.batch.shard.clone()), Continuation::HeadOfVerdicts);
    }

    /// Returns `true` if the verdicts that were read are those of the head that was read.
    fn has_verdicts_of_head(&self) -> bool {
        let mut read = self.arrived.iter().zip(&self.verdicts);
        read.all(|(record, verdict)| self.head.has_in_force(&record.sequence_number, verdict.as_ref()))
    }

    /// Reads everything again if the head has changed before the verdicts were read. A later verdict
    /// may quarantine a record that is in a gap which the earlier head does not show. A run that
    /// follows both would leave this record out and count the next one, whose high-water mark then
    /// says that both are counted. Verdicts are never removed, so none is no later than the head.
    pub(super) fn on_head_read_again(&mut self, reply: Reply) {
        let Reply::Head(head) = reply else { return self.fail_all() };
        let head = head.unwrap_or_default();
        if head.version == self.head.version {
            self.judge();
        } else if self.may_retry() {
            self.follow(head);
        } else {
            self.fail_all();
        }
    }

    /// Records a verdict that is in force.
    fn record_verdict(&mut self, record: &SequenceNumber, verdict: Verdict) {
        let place = self.arrived.binary_search_by(|arrived| arrived.sequence_number.cmp(record));
        if let Ok(place) = place {
            self.verdicts[place] = Some(verdict);
        }
    }

    /// Brings the verdicts of this run into force, as many at a time as fit into a transaction.
    fn judge(&mut self) {
        let mut next = self.head.judge(&self.arrived);
        let mut verdicts = self.new_verdicts(&next);
        if verdicts.len() > MAX_VERDICTS {
            let (beyond, _) = &verdicts[MAX_VERDICTS];
            let judged = self.arrived.partition_point(|record| record.sequence_number < *beyond);
            next = self.head.judge(&self.arrived[..judged]);
            verdicts.truncate(MAX_VERDICTS);
        }
        if next == self.head && verdicts.is_empty() {
            self.resolve();
            return;
        }
        if let Some(first) = self.arrived.first() {
            next.forget_gaps(first.arrived_at_ms);
        }
        next.note(&verdicts);
        let write = HeadWrite {
            shard: self.batch.shard.clone(),
            head: next,
            verdicts,
            expires_at_ms: self.expires_at_ms(),
        };
        self.request(Request::WriteHead(write.clone()), Continuation::JudgedHead(write));
    }

    pub(super) fn on_judged_head_written(&mut self, write: HeadWrite, reply: &Reply) {
        match reply {
            Reply::Write(WriteReply::Written) => {
                self.tally.head_writes += 1;
                self.head = ShardHead { version: write.head.version + 1, ..write.head };
                for (record, verdict) in write.verdicts {
                    self.record_verdict(&record, verdict);
                }
                self.judge();
            }
            Reply::Write(WriteReply::Conflict) => self.judge_again(),
            _ => self.fail_all(),
        }
    }

    /// Returns the verdicts that are not in force yet, in the order of the records.
    fn new_verdicts(&self, next: &ShardHead) -> Vec<(SequenceNumber, Verdict)> {
        let mut events_to_keep: Vec<Vec<u32>> = vec![Vec::new(); self.arrived.len()];
        // Most calls are countable, so the sequence numbers of few are compared.
        let is_open = |record| !self.head.has_judged(self.batch.usage.sequence_number(record));
        for (call, is_refused) in self.batch.usage.calls().iter().zip(&self.is_refused) {
            if *is_refused || (!call.is_countable && is_open(call.record)) {
                events_to_keep[call.record.position()].push(call.event);
            }
        }
        let records = self.batch.usage.records().zip(events_to_keep);
        let new = records.filter_map(|(record, events)| {
            let sequence_number = self.batch.usage.sequence_number(record);
            let part = self.new_part(record, events, next)?;
            Some((sequence_number.clone(), Verdict { part, is_kept: false }))
        });
        new.collect()
    }

    /// Returns the part of the record to quarantine, if it differs from the verdict in force.
    fn new_part(
        &self,
        record: RecordIndex,
        mut events: Vec<u32>,
        next: &ShardHead,
    ) -> Option<QuarantinedPart> {
        let present = self.quarantined_part(record);
        let sequence_number = self.batch.usage.sequence_number(record);
        let is_judged = self.head.has_judged(sequence_number);
        let is_unreadable = !self.batch.records[record.position()].is_readable;
        if next.gap_of(sequence_number).is_some() || (!is_judged && is_unreadable) {
            return (present != Some(&QuarantinedPart::Whole)).then_some(QuarantinedPart::Whole);
        }
        match present {
            Some(QuarantinedPart::Whole) => None,
            Some(QuarantinedPart::Events(present)) => {
                let before = present.len();
                events.extend(present);
                events.sort_unstable();
                events.dedup();
                (events.len() > before).then_some(QuarantinedPart::Events(events))
            }
            None => (!events.is_empty()).then_some(QuarantinedPart::Events(events)),
        }
    }

    /// Applies the verdicts in force, also where this version would judge otherwise.
    fn resolve(&mut self) {
        for record in self.batch.usage.records() {
            self.resolve_record(record);
        }
        for place in 0..self.is_dropped.len() {
            let call = &self.batch.usage.calls()[place];
            let is_kept = self.quarantined_part(call.record).is_some_and(|part| part.contains(call.event));
            let is_done = is_kept || self.is_settled[call.record.position()];
            self.is_dropped[place] = is_done || !call.has_row();
            if !is_done && !call.has_row() {
                self.fail_unreadable(call.record);
            }
        }
    }

    fn resolve_record(&mut self, record: RecordIndex) {
        let sequence_number = self.batch.usage.sequence_number(record);
        let is_given_up = self.head.gap_of(sequence_number).is_some();
        let is_settled = !is_given_up && self.head.has_settled(sequence_number);
        self.is_settled[record.position()] = is_settled;
        let is_whole = self.quarantined_part(record) == Some(&QuarantinedPart::Whole);
        if is_given_up {
            self.tally.given_up_records += 1;
        } else if is_settled {
            self.tally.replayed_records += 1;
        } else if !self.batch.records[record.position()].is_readable && !is_whole {
            self.fail_unreadable(record);
        }
    }

    /// Requests that a record is delivered again whose calls another version judged to be countable
    /// and claimed, and which this version cannot read. Only a version that can read them may
    /// process it.
    fn fail_unreadable(&mut self, record: RecordIndex) {
        self.tally.unreadable_claims += 1;
        self.outcome.fail(record);
    }
}
