//! Events in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cost_model::capacity::{INVOCATION_MS, MIB_PER_CORE};
use metering_core::aggregate::BatchUsage;
use metering_core::call_id::CallId;
use metering_core::claims::owner::ShardName;
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::plan_row;
use metering_core::window::CallWindow;

use super::claims::{HEAD_WRITES, Pages};
use super::measuring::Measuring;
use super::random::Chance;
use super::result::Simulated;
use super::settings::Settings;
use super::shard::{Next, Reading, Record, Shard};
use super::table::Table;
use super::time::microseconds;

/// Some day at noon, in milliseconds since 1970: no window turns.
const NOON_MS: i64 = 1_795_521_600_000;

/// Something that happens.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The log delivers a record.
    Deliver,
    /// A record arrives in its shard.
    Arrive { shard: usize, record: Record },
    /// A shard is read.
    Read { shard: usize },
}

/// Everything that is simulated.
pub(super) struct World<'s> {
    settings: &'s Settings,
    reading: Reading,
    chance: Chance,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    happened: u64,
    shards: Vec<Shard>,
    shard_names: Vec<ShardName>,
    key_ids: Vec<String>,
    table: Table,
    pages: Pages,
    records: u64,
    measuring: Measuring,
}

impl<'s> World<'s> {
    pub fn new(settings: &'s Settings, partitions: Option<usize>) -> anyhow::Result<Self> {
        let events_per_record = events_per_record(settings);
        let mut world = Self {
            settings,
            reading: Reading {
                batch_records: settings.batch_records,
                batch_window_us: microseconds(settings.batch_window_s),
                poll_interval_us: microseconds(settings.poll_interval_s).max(1),
            },
            chance: Chance::new(settings, settings.calls_per_s / events_per_record)?,
            events: BinaryHeap::new(),
            happened: 0,
            shards: (0..settings.shards).map(|_| Shard::default()).collect(),
            shard_names: (0..settings.shards)
                .map(|shard| ShardName::from_stored(&format!("shardId-{shard:012}")))
                .collect(),
            key_ids: (0..settings.keys.count).map(|key| format!("key-{key:07}")).collect(),
            table: Table::new(partitions),
            pages: Pages::default(),
            records: 0,
            measuring: Measuring::new(settings),
        };
        world.at(0, Event::Deliver);
        // Shards are not in step: their windows begin at any time.
        let cycle_us = world.reading.batch_window_us + world.reading.poll_interval_us;
        for shard in 0..world.shards.len() {
            let begins_us = world.chance.within_us(cycle_us);
            world.at(begins_us, Event::Read { shard });
        }
        Ok(world)
    }

    fn at(&mut self, time_us: u64, event: Event) {
        // The number keeps events of one time in their order.
        self.happened += 1;
        self.events.push(Reverse((time_us, self.happened, event)));
    }

    /// Runs until all calls are made; what is not counted by then waits.
    pub fn run(mut self) -> Simulated {
        let ends_us = microseconds(self.settings.duration_s());
        while self.events.peek().is_some_and(|Reverse((at_us, ..))| *at_us <= ends_us) {
            let Some(Reverse((now_us, _, event))) = self.events.pop() else { break };
            match event {
                Event::Deliver => self.deliver(now_us),
                Event::Arrive { shard, record } => self.shards[shard].arrive(record),
                Event::Read { shard } => self.read(shard, now_us),
            }
        }
        let on_their_way = self.events.iter().filter_map(|Reverse((_, _, event))| match event {
            Event::Arrive { record, .. } => Some(record),
            Event::Deliver | Event::Read { .. } => None,
        });
        let waiting = self.shards.iter().flat_map(Shard::waiting).chain(on_their_way);
        self.measuring.end(waiting, ends_us, &self.table)
    }

    fn deliver(&mut self, now_us: u64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
        let events = events_per_record(self.settings).round() as usize;
        let keys: Vec<u32> = (0..events).map(|_| self.chance.key()).collect();
        let collecting_us = microseconds(self.settings.collecting_s);
        let arrives_us = now_us + self.chance.lag_us();
        self.measuring.delivered(now_us, keys.len());
        let record = Record { keys, answered_us: (now_us.saturating_sub(collecting_us), now_us) };
        let shard = self.chance.shard();
        self.at(arrives_us, Event::Arrive { shard, record });
        let next_us = now_us + self.chance.until_next_record_us();
        self.at(next_us, Event::Deliver);
    }

    fn read(&mut self, shard: usize, now_us: u64) {
        match self.shards[shard].read(now_us, self.reading) {
            Next::ReadAt(at_us) => self.at(at_us, Event::Read { shard }),
            Next::Invoke(records) => {
                let batch = self.shards[shard].take(records);
                let committed_us = self.invoke(shard, &batch, now_us);
                self.at(committed_us, Event::Read { shard });
            }
        }
    }

    /// Plans a batch as the consumer does, writes it, and returns when that is done.
    fn invoke(&mut self, shard: usize, batch: &[Record], now_us: u64) -> u64 {
        let mut usage = BatchUsage::new();
        let window = CallWindow::at(NOON_MS).unwrap_or_else(|_| unreachable!("noon is a time"));
        let mut calls = 0.0;
        for record in batch {
            self.records += 1;
            let number = SequenceNumber::parse(&self.records.to_string());
            let number = number.unwrap_or_else(|_| unreachable!("digits are a sequence number"));
            usage.begin_record(number).unwrap_or_else(|_| unreachable!("numbers rise"));
            for (event, key) in (0..).zip(&record.keys) {
                let id = CallId::new(&self.key_ids[*key as usize], i64::from(event));
                usage.add_call(event, id, &self.key_ids[*key as usize], window, NOON_MS, true);
                calls += 1.0;
            }
        }
        let core_share = self.settings.memory_mib / MIB_PER_CORE;
        let core_us = microseconds(INVOCATION_MS / 1e3 + calls * self.settings.call_ns / 1e9 / core_share);
        let mut slots = Slots::new(self.settings, now_us + core_us);
        // The shard's head is read and judged, then each slice is read and claimed.
        let (pages, page_units) = self.pages.claim(batch, self.settings.claim_slice_s);
        for step in [1, 1, pages, pages] {
            (0..step).for_each(|_| slots.write(|asked_us| asked_us));
            slots.wait_for_all();
        }
        let mut written = 0;
        for row in &usage.rows(|_, _| true) {
            let update = plan_row(&usage, row, &self.shard_names[shard], |_| true, None);
            let Some(update) = update else { continue };
            written += 1;
            slots.write(|asked_us| self.table.write(&update.row.api_key_id, asked_us));
        }
        slots.wait_for_all();
        slots.write(|asked_us| asked_us);
        let committed_us = slots.wait_for_all();
        let claim_units = page_units + HEAD_WRITES;
        self.measuring.committed(batch, written, claim_units, now_us, committed_us);
        committed_us
    }
}

/// How many events a record has.
fn events_per_record(settings: &Settings) -> f64 {
    (settings.calls_per_s * settings.collecting_s).clamp(1.0, settings.events_per_record).round()
}

/// Writes of an invocation: only so many are under way at once.
struct Slots {
    free_us: BinaryHeap<Reverse<u64>>,
    write_us: u64,
}

impl Slots {
    fn new(settings: &Settings, from_us: u64) -> Self {
        let free_us = (0..settings.concurrent_writes.max(1)).map(|_| Reverse(from_us)).collect();
        Self { free_us, write_us: microseconds(settings.write_ms / 1e3) }
    }

    /// Makes a write; `begin` says when one that is asked for at a time is begun.
    fn write(&mut self, begin: impl FnOnce(u64) -> u64) {
        let Some(Reverse(asked_us)) = self.free_us.pop() else { return };
        self.free_us.push(Reverse(begin(asked_us) + self.write_us));
    }

    /// Waits for all writes and returns when the last is done.
    fn wait_for_all(&mut self) -> u64 {
        let last_us = self.free_us.iter().map(|Reverse(free_us)| *free_us).max().unwrap_or(0);
        let count = self.free_us.len();
        self.free_us = std::iter::repeat_n(Reverse(last_us), count).collect();
        last_us
    }
}
