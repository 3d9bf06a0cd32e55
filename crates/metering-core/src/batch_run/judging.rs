//! The first step of a run: verdicts on its records, in the order that the
//! shard's head gives them.

use super::{BatchRun, Reply, Request, Step, Task};
use crate::aggregate::RecordIndex;
use crate::ports::WriteReply;
use crate::sequence_number::SequenceNumber;
use crate::shard::{HeadWrite, MAX_VERDICTS, QuarantinedPart, ShardHead, Verdict};

impl BatchRun<'_> {
    pub(super) fn read_head(&mut self) {
        self.step = Step::Judge;
        self.request(Request::ReadHead(self.batch.shard.clone()), Task::Head);
    }

    pub(super) fn head_is_read(&mut self, reply: Reply) {
        let Reply::Head(head) = reply else { return self.fail_all() };
        self.head = head.unwrap_or_default();
        self.verdicts.fill(None);
        let (Some(first), Some(last)) = (self.arrived.first(), self.arrived.last()) else { return };
        if self.head.has_judged(&first.sequence_number) {
            let (first, last) = (first.sequence_number.clone(), last.sequence_number.clone());
            self.request(Request::ReadVerdicts(self.batch.shard.clone(), first, last), Task::Verdicts);
        } else {
            self.judge();
        }
    }

    pub(super) fn verdicts_are_read(&mut self, reply: Reply) {
        let Reply::Verdicts(verdicts) = reply else { return self.fail_all() };
        for (record, verdict) in verdicts {
            self.note_verdict(&record, verdict);
        }
        self.judge();
    }

    /// Notes a verdict that is in force.
    fn note_verdict(&mut self, record: &SequenceNumber, verdict: Verdict) {
        let place = self.arrived.binary_search_by(|arrived| arrived.sequence_number.cmp(record));
        if let Ok(place) = place {
            self.verdicts[place] = Some(verdict);
        }
    }

    /// Brings the verdicts of this run into force, as many at a time as a
    /// transaction takes.
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
        let write = HeadWrite {
            shard: self.batch.shard.clone(),
            head: next,
            verdicts,
            expires_at_ms: self.expires_at_ms(),
        };
        self.request(Request::WriteHead(write.clone()), Task::Judged(write));
    }

    pub(super) fn head_is_judged(&mut self, write: HeadWrite, reply: &Reply) {
        match reply {
            Reply::Write(WriteReply::Written) => {
                self.tally.head_writes += 1;
                self.head = ShardHead { version: write.head.version + 1, ..write.head };
                for (record, verdict) in write.verdicts {
                    self.note_verdict(&record, verdict);
                }
                self.judge();
            }
            Reply::Write(WriteReply::Conflict) if self.may_try_again() => self.read_head(),
            _ => self.fail_all(),
        }
    }

    /// The verdicts that are not in force yet, in the order of the records.
    fn new_verdicts(&self, next: &ShardHead) -> Vec<(SequenceNumber, Verdict)> {
        let mut events_to_keep: Vec<Vec<u32>> = vec![Vec::new(); self.arrived.len()];
        for (call, is_refused) in self.batch.usage.calls().iter().zip(&self.is_refused) {
            let is_open = !self.head.has_judged(self.batch.usage.sequence_number(call.record));
            if *is_refused || (is_open && !call.is_good) {
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

    /// The part of a record that goes to quarantine and did not before.
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

    /// Follows the verdicts in force where this version would judge otherwise.
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
                self.cannot_read_claimed(call.record);
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
            self.cannot_read_claimed(record);
        }
    }

    /// Another version judged that this record's calls can be counted, and
    /// claimed them; this one cannot read them. Only a version that reads them
    /// may go on.
    fn cannot_read_claimed(&mut self, record: RecordIndex) {
        self.tally.unreadable_claims += 1;
        self.outcome.fail(record);
    }
}
