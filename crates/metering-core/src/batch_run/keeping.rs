//! The third step of a run: puts the bad parts of its records into quarantine, one part a record.

use super::request::{Continuation, Reply, Request};
use super::{BatchRun, Step};
use crate::aggregate::RecordIndex;
use crate::ports::WriteReply;
use crate::shard::QuarantinedPart;

impl BatchRun<'_> {
    pub(super) fn keep(&mut self) {
        self.step = Step::Keep;
        let mut events_of: Vec<Vec<u32>> = vec![Vec::new(); self.names.len()];
        for (place, call) in self.batch.usage.calls().iter().enumerate() {
            let is_kept = self.quarantined_part(call.record).is_some_and(|part| part.contains(call.event));
            if is_kept && !self.is_owned_elsewhere[place] {
                events_of[call.record.position()].push(call.event);
            }
        }
        for (record, events) in self.batch.usage.records().zip(events_of) {
            let Some(verdict) = &self.verdicts[record.position()] else { continue };
            let is_settled = self.is_settled[record.position()];
            if is_settled || verdict.is_kept || !self.outcome.admits(record) {
                continue;
            }
            let event_count = events.len() as u64;
            let (part, event_count) = match &verdict.part {
                QuarantinedPart::Whole => (QuarantinedPart::Whole, 0),
                // All of them are in quarantine for another record.
                QuarantinedPart::Events(_) if events.is_empty() => continue,
                QuarantinedPart::Events(_) => (QuarantinedPart::Events(events), event_count),
            };
            self.request(Request::Keep(record, part), Continuation::Kept(record, event_count));
        }
    }

    pub(super) fn on_part_kept(&mut self, record: RecordIndex, event_count: u64, reply: &Reply) {
        match (reply, self.quarantined_part(record).cloned()) {
            (Reply::Done, Some(part)) => {
                self.tally.kept_records += 1;
                self.tally.kept_events += event_count;
                let name = self.names[record.position()].clone();
                self.request(Request::MarkKept(name, part), Continuation::MarkedKept(record));
            }
            _ => self.outcome.fail(record),
        }
    }

    pub(super) fn on_part_marked(&mut self, record: RecordIndex, reply: &Reply) {
        match reply {
            Reply::Write(WriteReply::Written) => {
                if let Some(verdict) = &mut self.verdicts[record.position()] {
                    verdict.is_kept = true;
                }
            }
            // Another run has put a larger part of the record into its verdict.
            Reply::Write(WriteReply::Conflict) => self.is_outdated = true,
            _ => self.outcome.fail(record),
        }
    }
}
