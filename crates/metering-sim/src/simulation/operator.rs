//! What operators do, and what time does.

use std::ops::Range;

use memory_ports::delivery::StreamRecord;
use metering_core::batch_run::Request;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::ports::QuarantinedRecord;
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{ArrivedRecord, HeadWrite};
use rand::Rng;

use super::{CLAIM_RETENTION_DAYS, Delivery, GivenUpBatch, STREAM_RETENTION_MS, Simulation};
use crate::api_log::{DAY_MS, HOUR_MS};
use crate::faults::Fault;
use crate::ports::lock;
use crate::stream::STREAM_ARN;

/// The most lines of one record of a backfill.
const BACKFILL_LINES: usize = 20;

impl Simulation<'_> {
    /// Puts a record of the quarantine back. A put-back that stops half way
    /// leaves the record there.
    pub(super) fn put_back_some(&mut self) {
        let count = lock(&self.world).store.quarantine.len();
        if count == 0 || !self.strikes(Fault::PutBack, 1.0) {
            return;
        }
        let place = self.pick(count);
        let stays = self.strikes(Fault::PutBackTwice, 0.2);
        let record = {
            let store = &mut lock(&self.world).store;
            if stays { store.quarantine[place].clone() } else { store.quarantine.swap_remove(place) }
        };
        self.say(|| format!("an operator puts back a record of the quarantine; it stays there: {stays}"));
        self.put_back(&record);
    }

    /// Puts everything back, and deletes it.
    pub(super) fn put_back_all(&mut self) {
        let kept = std::mem::take(&mut lock(&self.world).store.quarantine);
        self.say(|| format!("an operator puts back the {} records of the quarantine", kept.len()));
        for record in &kept {
            self.put_back(record);
        }
    }

    /// As `meter quarantine put-back` does.
    fn put_back(&mut self, record: &QuarantinedRecord) {
        let from = record.put_back_from.and(&record.record);
        self.put(record.payload.clone(), from.partition_key(""));
    }

    /// Puts a batch that Lambda gave up back, as `meter given-up put-back` does.
    pub(super) fn return_given_up(&mut self) {
        if self.given_up.is_empty() {
            return;
        }
        let place = self.pick(self.given_up.len());
        let GivenUpBatch { shard, batch } = self.given_up.swap_remove(place);
        self.say(|| format!("an operator puts back shard {shard}'s records {batch:?}"));
        self.note_given_up(shard, batch.clone());
        for place in batch {
            let shard = &self.shards[shard];
            let record = &shard.records[place];
            let Some(name) = ShardName::new(STREAM_ARN, &shard.id) else { continue };
            let name = RecordName { shard: name, sequence_number: sequence_number(record) };
            let from = PutBackFrom::from_partition_key(&record.partition_key).and(&name);
            self.put(record.data.clone(), from.partition_key(""));
        }
    }

    /// Notes in the head of the shard that nobody counts these records any more.
    fn note_given_up(&mut self, shard: usize, batch: Range<usize>) {
        let shard = &self.shards[shard];
        let last = &shard.records[batch.end - 1];
        let last =
            ArrivedRecord { sequence_number: sequence_number(last), arrived_at_ms: last.arrived_at_ms };
        let Some(name) = ShardName::new(STREAM_ARN, &shard.id) else { return };
        let mut world = lock(&self.world);
        let present = world.store.head(&name).cloned().unwrap_or_default();
        let first = sequence_number(&shard.records[batch.start]);
        if let Some(write) = HeadWrite::giving_up(&name, &present, &first, &last) {
            world.store.carry_out(&Request::WriteHead(write));
        }
    }

    pub(super) fn return_all_given_up(&mut self) {
        while !self.given_up.is_empty() {
            self.return_given_up();
        }
    }

    /// Puts lines of a stretch of the log on the stream, counted or not.
    pub(super) fn backfill_some(&mut self) {
        let calls = self.log.calls.len();
        if calls == 0 || !self.strikes(Fault::Backfill, 1.0) {
            return;
        }
        let from = self.pick(calls);
        let to = calls.min(from + self.random.random_range(1..=BACKFILL_LINES));
        self.say(|| format!("an operator backfills the calls {from} to {to}"));
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
        let known = self.log.calls[calls].iter().filter(|call| call.has_request_id);
        let lines: String = known.flat_map(|call| [call.line.as_str(), "\n"]).collect();
        if !lines.is_empty() {
            self.undelivered.push(Delivery { data: lines.into_bytes(), events: Vec::new() });
        }
    }

    /// Has the rows of a key refuse what they are to take.
    pub(super) fn refuse(&mut self) {
        if self.settings.faults.contains(Fault::RefusedRow) {
            self.say(|| "the rows of c refuse more".to_owned());
            lock(&self.world).store.refused_keys.insert("c".to_owned());
        }
    }

    /// Mends what has rows refuse, hours after anybody has written to them.
    pub(super) fn mend(&mut self) {
        self.say(|| "the rows of c take more again".to_owned());
        lock(&self.world).store.refused_keys.clear();
    }

    /// Lets hours or weeks pass. Before, everything on the stream is dealt
    /// with and no invocation lives any more: the stream keeps its records
    /// until then.
    pub(super) fn let_days_pass(&mut self) -> Result<(), String> {
        if !self.strikes(Fault::DaysPass, 1.0) {
            return Ok(());
        }
        self.drain()?;
        while self.land_late_operation()? {}
        self.mend();
        let passes_ms = match self.random.random_range(0..4) {
            0 => self.random.random_range(HOUR_MS..DAY_MS),
            1 => self.random.random_range(DAY_MS..15 * DAY_MS),
            // Around the age at which claims expire.
            _ => {
                i64::from(CLAIM_RETENTION_DAYS) * DAY_MS + self.random.random_range(-2 * HOUR_MS..2 * HOUR_MS)
            }
        };
        self.now_ms += passes_ms;
        self.say(|| format!("{} hours pass", passes_ms / HOUR_MS));
        lock(&self.world).store.expire(self.now_ms);
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
