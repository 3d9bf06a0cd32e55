//! Actions of operators, and the passing of days.

use std::ops::Range;

use memory_ports::delivery::StreamRecord;
use metering_core::batch_run::Request;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::ports::QuarantinedRecord;
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{ArrivedRecord, HeadWrite};
use rand::Rng;

use super::{CLAIM_RETENTION_DAYS, Delivery, GivenUpBatch, STREAM_RETENTION_MS, Simulation};
use crate::api_log::{Content, DAY_MS, HOUR_MS, LogEvent};
use crate::faults::Fault;
use crate::ports::lock;
use crate::stream::STREAM_ARN;

/// Maximum number of lines in a record of a backfill.
const BACKFILL_LINES: usize = 20;

impl Simulation<'_> {
    /// Puts a quarantined record back. If the put-back stops halfway, the record
    /// stays in the quarantine.
    pub(super) fn put_back_some(&mut self) {
        let count = lock(&self.backend).store.quarantine.len();
        if count == 0 || !self.injects(Fault::PutBack, 1.0) {
            return;
        }
        let place = self.pick(count);
        let stays = self.injects(Fault::PutBackTwice, 0.2);
        let record = {
            let store = &mut lock(&self.backend).store;
            if stays { store.quarantine[place].clone() } else { store.quarantine.swap_remove(place) }
        };
        self.trace(|| {
            format!("an operator puts back a quarantined record; it stays in the quarantine: {stays}")
        });
        self.put_back(&record);
    }

    /// Puts all quarantined records back, and deletes them.
    pub(super) fn put_back_all(&mut self) {
        let kept = std::mem::take(&mut lock(&self.backend).store.quarantine);
        self.trace(|| format!("an operator puts back all {} quarantined records", kept.len()));
        for record in &kept {
            self.put_back(record);
        }
    }

    /// Puts a record back as `meter quarantine put-back` does.
    fn put_back(&mut self, record: &QuarantinedRecord) {
        let from = record.put_back_from.and(&record.record);
        self.put_on_stream(record.payload.clone(), from.partition_key(""));
    }

    /// Puts a given-up batch back, as `meter given-up put-back` does.
    pub(super) fn put_back_some_given_up(&mut self) {
        if self.given_up.is_empty() {
            return;
        }
        let place = self.pick(self.given_up.len());
        let GivenUpBatch { shard, batch } = self.given_up.swap_remove(place);
        self.trace(|| format!("an operator puts back shard {shard}'s records {batch:?}"));
        self.mark_given_up(shard, batch.clone());
        for place in batch {
            let shard = &self.shards[shard];
            let record = &shard.records[place];
            let Some(name) = ShardName::new(STREAM_ARN, &shard.id) else { continue };
            let name = RecordName { shard: name, sequence_number: sequence_number(record) };
            let from = PutBackFrom::from_partition_key(&record.partition_key).and(&name);
            self.put_on_stream(record.data.clone(), from.partition_key(""));
        }
    }

    /// Marks the records as given up in the head of their shard.
    fn mark_given_up(&mut self, shard: usize, batch: Range<usize>) {
        let shard = &self.shards[shard];
        let last = &shard.records[batch.end - 1];
        let last =
            ArrivedRecord { sequence_number: sequence_number(last), arrived_at_ms: last.arrived_at_ms };
        let Some(name) = ShardName::new(STREAM_ARN, &shard.id) else { return };
        let mut backend = lock(&self.backend);
        // The operator's write would conflict until the transaction has ended.
        backend.store.show_torn(&name);
        let present = backend.store.head(&name).cloned().unwrap_or_default();
        let first = sequence_number(&shard.records[batch.start]);
        if let Some(write) = HeadWrite::giving_up(&name, &present, &first, &last) {
            backend.store.carry_out(&Request::WriteHead(write));
        }
    }

    pub(super) fn put_back_all_given_up(&mut self) {
        while !self.given_up.is_empty() {
            self.put_back_some_given_up();
        }
    }

    /// Puts some consecutive lines of the log on the stream, whether counted or not.
    pub(super) fn backfill_some(&mut self) {
        let calls = self.log.calls.len();
        if calls == 0 || !self.injects(Fault::Backfill, 1.0) {
            return;
        }
        let from = self.pick(calls);
        let to = calls.min(from + self.random.random_range(1..=BACKFILL_LINES));
        self.trace(|| format!("an operator backfills calls {from} to {to}"));
        self.backfill(from..to);
    }

    /// Puts the whole log on the stream.
    pub(super) fn backfill_lost(&mut self) {
        if !self.settings.faults.contains(Fault::LostRecord) {
            return;
        }
        let calls = self.log.calls.len();
        for from in (0..calls).step_by(BACKFILL_LINES) {
            self.backfill(from..calls.min(from + BACKFILL_LINES));
        }
    }

    fn backfill(&mut self, calls: Range<usize>) {
        let known: Vec<usize> = calls.filter(|call| self.log.calls[*call].has_request_id).collect();
        if known.is_empty() {
            return;
        }
        let data = if self.layouts.is_changed {
            let events: Vec<LogEvent> =
                known.iter().map(|call| self.log.new_event(Content::Call(*call))).collect();
            self.log.encode_record(&events)
        } else {
            // Lines as a producer writes them. They have no log stream, which decides on a group of claims.
            let lines = known.iter().flat_map(|call| [self.log.calls[*call].line.as_str(), "\n"]);
            lines.collect::<String>().into_bytes()
        };
        self.undelivered.push(Delivery { data, events: Vec::new() });
    }

    /// Makes the rows of a key refuse updates.
    pub(super) fn refuse_updates(&mut self) {
        if self.settings.faults.contains(Fault::RefusedRow) {
            self.trace(|| "the rows of key c refuse updates from now on".to_owned());
            lock(&self.backend).store.refused_keys.insert("c".to_owned());
        }
    }

    /// Makes all rows accept updates again, hours after the last write to them.
    pub(super) fn accept_updates(&mut self) {
        self.trace(|| "the rows of key c accept updates again".to_owned());
        lock(&self.backend).store.refused_keys.clear();
    }

    /// Lets hours or weeks pass. All records on the stream are processed before,
    /// because the stream keeps a record until it is processed.
    pub(super) fn let_days_pass(&mut self) -> Result<(), String> {
        if !self.injects(Fault::DaysPass, 1.0) {
            return Ok(());
        }
        self.end_rollout();
        self.drain()?;
        while self.carry_out_late_operation()? {}
        self.accept_updates();
        let passes_ms = match self.random.random_range(0..4) {
            0 => self.random.random_range(HOUR_MS..DAY_MS),
            1 => self.random.random_range(DAY_MS..15 * DAY_MS),
            // Around the age at which claims expire.
            _ => {
                i64::from(CLAIM_RETENTION_DAYS) * DAY_MS + self.random.random_range(-2 * HOUR_MS..2 * HOUR_MS)
            }
        };
        self.now_ms += passes_ms;
        self.trace(|| format!("{} hours pass", passes_ms / HOUR_MS));
        self.promises.expire(&mut lock(&self.backend).store, self.now_ms);
        let kept_from_ms = self.now_ms - STREAM_RETENTION_MS;
        for shard in &mut self.shards {
            shard.forgotten = shard.records.partition_point(|record| record.arrived_at_ms < kept_from_ms);
        }
        Ok(())
    }
}

fn sequence_number(record: &StreamRecord) -> SequenceNumber {
    let digits = record.sequence_number.to_string();
    SequenceNumber::parse(&digits).unwrap_or_else(|_| unreachable!("a number is a sequence number"))
}
