//! Runs of the reconciler, one after the other, on counts in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::sync::Mutex;

use memory_ports::reconciliation::{MemoryComparedHours, hourly_totals};
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{AccessLogCounts, LedgerCounts, PortError};
use metering_core::reconciliation::{HourlyCalls, HourlyTotals};
use metering_core::window::HOUR_MS;
use usage_reconciler::reconciler::{Found, Reconciler, Span};

/// An hour that is not a sample on this day or the next.
const FIRST_HOUR: i64 = 24 * 100 + 10;

/// Counts by key and hour, and how often they were asked for.
#[derive(Default)]
struct Counts {
    calls: Mutex<HourlyCalls>,
    by_hour: Mutex<Vec<(i64, i64)>>,
    per_key: Mutex<u64>,
}

impl Counts {
    fn add(&self, key: &str, hour: i64, calls: u64) {
        *self
            .calls
            .lock()
            .unwrap()
            .entry((MeteredKey::without_customer(key), hour * HOUR_MS))
            .or_default() += calls;
    }

    fn totals(&self, from_ms: i64, to_ms: i64) -> HourlyTotals {
        hourly_totals(&self.between(from_ms, to_ms))
    }

    fn between(&self, from_ms: i64, to_ms: i64) -> HourlyCalls {
        let calls = self.calls.lock().unwrap();
        let mut calls = calls.clone();
        calls.retain(|(_, hour_ms), _| (from_ms..to_ms).contains(hour_ms));
        calls
    }
}

impl AccessLogCounts for &Counts {
    fn scanned_bytes(&self) -> u64 {
        0
    }

    async fn calls_by_hour(&self, from_ms: i64, to_ms: i64) -> Result<HourlyTotals, PortError> {
        self.by_hour.lock().unwrap().push((from_ms / HOUR_MS, to_ms / HOUR_MS));
        Ok(self.totals(from_ms, to_ms))
    }

    async fn calls_per_key(&self, from_ms: i64, to_ms: i64) -> Result<HourlyCalls, PortError> {
        *self.per_key.lock().unwrap() += 1;
        Ok(self.between(from_ms, to_ms))
    }
}

impl LedgerCounts for &Counts {
    async fn totals_by_hour(&self, from_ms: i64, to_ms: i64) -> Result<HourlyTotals, PortError> {
        Ok(self.totals(from_ms, to_ms))
    }

    async fn calls_for_keys_of(
        &self,
        count: &HourlyCalls,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<HourlyCalls, PortError> {
        let mut calls = self.between(from_ms, to_ms);
        calls.retain(|(key, _), _| count.keys().any(|(known, _)| known == key));
        Ok(calls)
    }
}

#[derive(Default)]
struct World {
    log: Counts,
    ledger: Counts,
    memory: MemoryComparedHours,
}

impl World {
    /// The same calls in the log and the ledger.
    fn call(&self, key: &str, hour: i64, calls: u64) {
        self.log.add(key, hour, calls);
        self.ledger.add(key, hour, calls);
    }

    /// A run when the hour before `to` has settled.
    async fn run(&self, to: i64, has_time: bool) -> Found {
        let reconciler = Reconciler { log: &self.log, ledger: &self.ledger, compared: &self.memory };
        let [from_ms, to_ms, since_ms] = [to - 3, to, FIRST_HOUR].map(|hour| hour * HOUR_MS);
        reconciler.run(Span { from_ms, to_ms, since_ms }, || has_time).await.unwrap()
    }

    fn key_comparisons(&self) -> u64 {
        *self.log.per_key.lock().unwrap()
    }
}

#[tokio::test]
async fn the_log_is_counted_once_for_each_hour_and_no_key_is_read_where_totals_agree() {
    let world = World::default();
    for hour in FIRST_HOUR - 2..FIRST_HOUR + 6 {
        world.call("a", hour, 5);
        world.call("b", hour, 7);
    }
    let found = world.run(FIRST_HOUR + 3, true).await;
    assert_eq!((found.logged, found.counted, found.missing, found.surplus), (36, 36, 0, 0));
    world.run(FIRST_HOUR + 4, true).await;
    world.run(FIRST_HOUR + 5, true).await;
    let asked: Vec<(i64, i64)> = world
        .log
        .by_hour
        .lock()
        .unwrap()
        .iter()
        .map(|(from, to)| (from - FIRST_HOUR, to - FIRST_HOUR))
        .collect();
    assert_eq!((asked, world.key_comparisons()), (vec![(0, 3), (3, 4), (4, 5)], 0));
}

#[tokio::test]
async fn hours_before_the_first_run_are_not_compared() {
    let world = World::default();
    world.log.add("a", FIRST_HOUR - 1, 5);
    assert_eq!(world.run(FIRST_HOUR, true).await, Found::default());
    assert_eq!(world.run(FIRST_HOUR + 1, true).await, Found::default());
}

#[tokio::test]
async fn calls_that_are_given_up_are_drift_for_as_long_as_they_are_uncounted() {
    let world = World::default();
    world.call("a", FIRST_HOUR, 5);
    world.log.add("b", FIRST_HOUR, 3);
    let found = world.run(FIRST_HOUR + 1, true).await;
    assert_eq!((found.missing, found.open_hours, found.differences.len()), (3, 1, 1));
    assert_eq!(found.differences[0].key, MeteredKey::without_customer("b"));
    for hour in FIRST_HOUR + 2..FIRST_HOUR + 24 * 40 {
        world.call("a", hour - 1, 1);
        assert_eq!(world.run(hour, true).await.missing, 3, "{}", hour - FIRST_HOUR);
    }
    let before = world.key_comparisons();
    world.ledger.add("b", FIRST_HOUR, 2);
    assert_eq!(world.run(FIRST_HOUR + 24 * 40, true).await.missing, 1, "two were put back");
    world.ledger.add("b", FIRST_HOUR, 1);
    let mended = world.run(FIRST_HOUR + 24 * 40, true).await;
    assert_eq!((mended.missing, mended.open_hours, world.key_comparisons() - before), (0, 0, 2));
}

#[tokio::test]
async fn a_line_that_was_logged_late_is_no_surplus() {
    let world = World::default();
    world.call("a", FIRST_HOUR, 5);
    world.run(FIRST_HOUR + 1, true).await;
    world.call("a", FIRST_HOUR, 1);
    let found = world.run(FIRST_HOUR + 2, true).await;
    assert_eq!((found.surplus, found.logged, world.key_comparisons()), (0, 6, 0));
    world.ledger.add("a", FIRST_HOUR, 1);
    assert_eq!(world.run(FIRST_HOUR + 3, true).await.surplus, 1, "counted twice");
}

#[tokio::test]
async fn what_there_was_no_time_for_is_told_and_compared_by_a_later_run() {
    let world = World::default();
    world.call("a", FIRST_HOUR, 5);
    world.log.add("b", FIRST_HOUR, 3);
    let found = world.run(FIRST_HOUR + 1, false).await;
    assert_eq!((found.missing, found.postponed_hours, world.key_comparisons()), (3, 1, 0));
    for hours in 2..9 {
        assert_eq!(world.run(FIRST_HOUR + hours, false).await.missing, 3);
    }
    let found = world.run(FIRST_HOUR + 9, true).await;
    assert_eq!((found.missing, found.postponed_hours, found.differences.len()), (3, 0, 1));
}

/// Totals that agree by chance hide nothing for longer than a day.
#[tokio::test]
async fn one_hour_of_each_day_is_compared_key_by_key() {
    let world = World::default();
    for hour in FIRST_HOUR..FIRST_HOUR + 48 {
        world.call("a", hour, 5);
    }
    for hour in FIRST_HOUR..FIRST_HOUR + 48 {
        world.run(hour + 1, true).await;
    }
    assert_eq!(world.key_comparisons(), 2);
}

#[tokio::test]
async fn no_more_differences_are_logged_than_anybody_reads() {
    let world = World::default();
    for key in 0..21 {
        world.log.add(&format!("k{key}"), FIRST_HOUR, 1);
    }
    let found = world.run(FIRST_HOUR + 1, true).await;
    assert_eq!((found.missing, found.differences.len()), (21, 20));
}
