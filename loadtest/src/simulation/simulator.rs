//! The event loop of the simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cost_model::capacity::{INVOCATION_MS, MIB_PER_CORE};
use metering_core::aggregate::{BatchUsage, CallFacts};
use metering_core::call_id::CallId;
use metering_core::claims::owner::ShardName;
use metering_core::metered_key::CallBreakdown;
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::plan_row;
use metering_core::window::CallWindow;

use super::claims::{HEAD_WRITES, PageWrites, Pages};
use super::collector::{ResultCollector, Writes};
use super::result::SimulationResult;
use super::sampler::Sampler;
use super::second_stage::{SecondStream, Sums, claim_units};
use super::settings::SimulationSettings;
use super::shard::{AnsweredSpan, Next, Reading, Record, Shard};
use super::table::Table;
use super::time::microseconds;

/// Time of all calls, in milliseconds since 1970: noon of some day, so that no hour or day turns.
const NOON_MS: i64 = 1_795_521_600_000;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// CloudWatch Logs delivers a record.
    Deliver,
    /// A record arrives in its shard.
    Arrive { shard: usize, record: Record },
    /// The event source mapping reads a shard.
    Read { shard: usize },
    /// Sums arrive in a shard of the second stream.
    ArriveSums { shard: usize, sums: Sums },
    /// The event source mapping reads a shard of the second stream.
    ReadSums { shard: usize },
}

/// An event with its time. Events at the same time are in the order of their numbers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ScheduledEvent {
    at_us: u64,
    number: u64,
    event: Event,
}

/// The state of a simulation.
pub(super) struct Simulator<'s> {
    settings: &'s SimulationSettings,
    reading: Reading,
    sampler: Sampler,
    /// Scheduled events, the earliest first.
    events: BinaryHeap<Reverse<ScheduledEvent>>,
    /// Number of events that were scheduled.
    scheduled: u64,
    shards: Vec<Shard<Record>>,
    second: Option<SecondStream>,
    shard_names: Vec<ShardName>,
    key_ids: Vec<String>,
    table: Table,
    pages: Pages,
    records: u64,
    collector: ResultCollector,
}

impl<'s> Simulator<'s> {
    pub fn new(settings: &'s SimulationSettings, partitions: Option<usize>) -> anyhow::Result<Self> {
        let events_per_record = events_per_record(settings);
        let reading = Reading {
            batch_records: settings.batch_records,
            batch_window_us: microseconds(settings.batch_window_s),
            poll_interval_us: microseconds(settings.poll_interval_s).max(1),
        };
        let mut simulator = Self {
            settings,
            reading,
            second: settings.second_stage.map(|stage| SecondStream::new(stage, reading)),
            sampler: Sampler::new(settings, settings.calls_per_s / events_per_record)?,
            events: BinaryHeap::new(),
            scheduled: 0,
            shards: (0..settings.shards).map(|_| Shard::default()).collect(),
            shard_names: (0..settings.shards)
                .map(|shard| ShardName::from_stored(&format!("shardId-{shard:012}")))
                .collect(),
            key_ids: (0..settings.keys.count).map(|key| format!("key-{key:07}")).collect(),
            table: Table::new(partitions),
            pages: Pages::default(),
            records: 0,
            collector: ResultCollector::new(settings),
        };
        simulator.schedule(0, Event::Deliver);
        // The shards are not synchronized: their windows start at random times.
        let cycle_us = simulator.reading.batch_window_us + simulator.reading.poll_interval_us;
        for shard in 0..simulator.shards.len() {
            let starts_us = simulator.sampler.within_us(cycle_us);
            simulator.schedule(starts_us, Event::Read { shard });
        }
        for shard in 0..simulator.second.as_ref().map_or(0, SecondStream::len) {
            let starts_us = simulator.sampler.within_us(cycle_us);
            simulator.schedule(starts_us, Event::ReadSums { shard });
        }
        Ok(simulator)
    }

    fn schedule(&mut self, at_us: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse(ScheduledEvent { at_us, number: self.scheduled, event }));
    }

    /// Runs the simulation until the end of its time. Calls that are not counted by then are waiting.
    pub fn run(mut self) -> SimulationResult {
        let ends_us = microseconds(self.settings.duration_s());
        while self.events.peek().is_some_and(|Reverse(next)| next.at_us <= ends_us) {
            let Some(Reverse(ScheduledEvent { at_us: now_us, event, .. })) = self.events.pop() else { break };
            match event {
                Event::Deliver => self.deliver(now_us),
                Event::Arrive { shard, record } => self.shards[shard].arrive(record),
                Event::Read { shard } => self.read(shard, now_us),
                Event::ArriveSums { shard, sums } => {
                    if let Some(second) = &mut self.second {
                        second.arrive(shard, sums);
                    }
                }
                Event::ReadSums { shard } => self.read_sums(shard, now_us),
            }
        }
        let events = self.events.iter().map(|Reverse(scheduled)| &scheduled.event);
        let undelivered = events.clone().filter_map(|event| match event {
            Event::Arrive { record, .. } => Some(record),
            _ => None,
        });
        let unsent = events.filter_map(|event| match event {
            Event::ArriveSums { sums, .. } => Some(sums),
            _ => None,
        });
        let waiting = self.shards.iter().flat_map(Shard::waiting).chain(undelivered);
        let waiting_sums = self.second.iter().flat_map(SecondStream::waiting).chain(unsent);
        self.collector.finish(waiting, waiting_sums, ends_us, &self.table)
    }

    fn deliver(&mut self, now_us: u64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most some hundreds")]
        let events = events_per_record(self.settings).round() as usize;
        let keys: Vec<u32> = (0..events).map(|_| self.sampler.key()).collect();
        let collecting_us = microseconds(self.settings.collecting_s);
        let arrives_us = now_us + self.sampler.lag_us();
        self.collector.record_delivery(now_us, keys.len());
        let answered = AnsweredSpan { first_us: now_us.saturating_sub(collecting_us), last_us: now_us };
        let record = Record { keys, answered };
        let shard = self.sampler.shard();
        self.schedule(arrives_us, Event::Arrive { shard, record });
        let next_us = now_us + self.sampler.until_next_record_us();
        self.schedule(next_us, Event::Deliver);
    }

    fn read(&mut self, shard: usize, now_us: u64) {
        match self.shards[shard].read(now_us, self.reading) {
            Next::ReadAt(at_us) => self.schedule(at_us, Event::Read { shard }),
            Next::Invoke(records) => {
                let batch = self.shards[shard].take(records);
                let committed_us = self.invoke(shard, &batch, now_us);
                self.schedule(committed_us, Event::Read { shard });
            }
        }
    }

    /// Plans a batch with the consumer's code, simulates its writes, and returns the time of its commit.
    fn invoke(&mut self, shard: usize, batch: &[Record], now_us: u64) -> u64 {
        let mut usage = BatchUsage::new();
        let window = CallWindow::at(NOON_MS).unwrap_or_else(|_| unreachable!("noon is a time"));
        let mut calls = 0;
        for record in batch {
            self.records += 1;
            let number = SequenceNumber::parse(&self.records.to_string());
            let number = number.unwrap_or_else(|_| unreachable!("digits are a sequence number"));
            usage.begin_record(number).unwrap_or_else(|_| unreachable!("numbers rise"));
            for (event, key) in (0..).zip(&record.keys) {
                let id = CallId::new(&self.key_ids[*key as usize], i64::from(event));
                let breakdown = CallBreakdown::of_key(&self.key_ids[*key as usize], window.day);
                usage.add_call(event, id, breakdown, CallFacts::at(NOON_MS), true);
                calls += 1;
            }
        }
        let mut slots = WriteSlots::new(self.settings, now_us + self.core_us(calls));
        let PageWrites { pages, units } = self.pages.claim(batch, self.settings.claim_slice_s);
        slots.claim(pages);
        let mut written = 0;
        let sent = if self.second.is_some() {
            self.send(batch, &mut slots)
        } else {
            for row in &usage.rows(|_, _| true) {
                let update = plan_row(&usage, row, &self.shard_names[shard], |_| true, None);
                let Some(update) = update else { continue };
                written += 1;
                slots.write(|requested_us| self.table.write(&update.row.key().api_key_id, requested_us));
            }
            Vec::new()
        };
        let committed_us = slots.commit();
        self.collector.record_sent(&sent, now_us);
        for (shard, sums) in sent.into_iter().enumerate().filter(|(_, sums)| !sums.keys.is_empty()) {
            self.schedule(committed_us, Event::ArriveSums { shard, sums });
        }
        let writes = Writes { ledger: written, claims: units + HEAD_WRITES };
        self.collector.record_commit(batch, writes, now_us, committed_us);
        committed_us
    }

    /// Returns the sums of a batch for each shard of the second stream. A write sends each of them.
    fn send(&self, batch: &[Record], slots: &mut WriteSlots) -> Vec<Sums> {
        let Some(second) = &self.second else { return Vec::new() };
        let mut sent: Vec<Sums> = (0..second.len()).map(|_| Sums::default()).collect();
        for record in batch {
            for key in &record.keys {
                let sums = &mut sent[second.shard_of(*key)];
                sums.keys.push(*key);
                sums.calls += 1;
            }
            // Any calls of the record may be the sampled ones.
            for (answered_us, key) in record.samples_us().zip(record.keys.iter().cycle()) {
                sent[second.shard_of(*key)].samples_us.push(answered_us);
            }
        }
        for sums in &mut sent {
            sums.keys.sort_unstable();
            sums.keys.dedup();
            (0..sums.records()).for_each(|_| slots.write(|at_us| at_us));
        }
        sent
    }

    fn read_sums(&mut self, shard: usize, now_us: u64) {
        let Some(second) = &mut self.second else { return };
        match second.read(shard, now_us) {
            Next::ReadAt(at_us) => self.schedule(at_us, Event::ReadSums { shard }),
            Next::Invoke(records) => {
                let batch = second.take(shard, records);
                let committed_us = self.count_sums(&batch, now_us);
                self.schedule(committed_us, Event::ReadSums { shard });
            }
        }
    }

    /// Adds the sums of a batch to the ledger, and returns the time of its commit.
    fn count_sums(&mut self, batch: &[Sums], now_us: u64) -> u64 {
        let mut keys: Vec<u32> = batch.iter().flat_map(|sums| &sums.keys).copied().collect();
        let mut slots = WriteSlots::new(self.settings, now_us + self.core_us(keys.len()));
        keys.sort_unstable();
        keys.dedup();
        slots.claim(1);
        for key in &keys {
            let key_id = &self.key_ids[*key as usize];
            slots.write(|requested_us| self.table.write(key_id, requested_us));
        }
        let committed_us = slots.commit();
        let writes = Writes { ledger: keys.len() as u64, claims: claim_units(batch.len()) };
        self.collector.record_second_commit(batch, writes, now_us, committed_us);
        committed_us
    }

    /// Returns the processor time of an invocation for a number of calls, or of sums, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "calls of a batch are far fewer than 2^53")]
    fn core_us(&self, calls: usize) -> u64 {
        let core_share = self.settings.memory_mib / MIB_PER_CORE;
        microseconds(INVOCATION_MS / 1e3 + calls as f64 * self.settings.call_ns / 1e9 / core_share)
    }
}

/// Returns the number of log events of a record.
fn events_per_record(settings: &SimulationSettings) -> f64 {
    (settings.calls_per_s * settings.collecting_s).clamp(1.0, settings.events_per_record).round()
}

/// The writes of an invocation, with a limit on those in flight.
struct WriteSlots {
    /// Time at which each slot is free.
    free_us: BinaryHeap<Reverse<u64>>,
    write_us: u64,
}

impl WriteSlots {
    fn new(settings: &SimulationSettings, from_us: u64) -> Self {
        let free_us = (0..settings.concurrent_writes.max(1)).map(|_| Reverse(from_us)).collect();
        Self { free_us, write_us: microseconds(settings.write_ms / 1e3) }
    }

    /// Simulates what precedes the writes of a batch: the head of the shard is read and written, then each page
    /// of claims.
    fn claim(&mut self, pages: usize) {
        for step in [1, 1, pages, pages] {
            (0..step).for_each(|_| self.write(|requested_us| requested_us));
            self.wait_for_all();
        }
    }

    /// Simulates the write of the head when all writes have ended, and returns its end.
    fn commit(&mut self) -> u64 {
        self.wait_for_all();
        self.write(|requested_us| requested_us);
        self.wait_for_all()
    }

    /// Simulates a write. `start` maps the time of its request to the time at which it starts.
    fn write(&mut self, start: impl FnOnce(u64) -> u64) {
        let Some(Reverse(requested_us)) = self.free_us.pop() else { return };
        self.free_us.push(Reverse(start(requested_us) + self.write_us));
    }

    /// Waits for all writes and returns the end of the last.
    fn wait_for_all(&mut self) -> u64 {
        let last_us = self.free_us.iter().map(|Reverse(free_us)| *free_us).max().unwrap_or(0);
        let count = self.free_us.len();
        self.free_us = std::iter::repeat_n(Reverse(last_us), count).collect();
        last_us
    }
}
