//! Knows what must be counted, from what the API produced alone.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use memory_ports::Store;
use metering_core::claims::owner::ShardName;
use metering_core::update_plan::RowKey;
use metering_core::usage_record::TOTALS_KEY_ID;

use crate::api_log::{ApiLog, DAY_MS, HOUR_MS, unreadable_line};

/// A key, the start of a day in milliseconds since 1970, and an hour of it.
type Place = (String, i64, usize);

/// The calls of a place that must be counted, and how many may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Due {
    calls: Vec<usize>,
    at_most: u64,
}

/// The auditor.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    produced: BTreeMap<Place, u64>,
    known_calls: usize,
}

fn place_of(key: &str, requested_at_ms: i64) -> Place {
    let of_day = requested_at_ms.rem_euclid(DAY_MS);
    let hour = usize::try_from(of_day / HOUR_MS).unwrap_or(0);
    (key.to_owned(), requested_at_ms - of_day, hour)
}

impl Auditor {
    /// Takes note of the calls that were made since.
    pub fn note(&mut self, log: &ApiLog) {
        for call in log.calls[self.known_calls..].iter().filter(|call| call.is_billable) {
            *self.produced.entry(place_of(&call.api_key_id, call.requested_at_ms)).or_default() += 1;
        }
        self.known_calls = log.calls.len();
    }

    /// Looks at the rows of a key and day after one was written: never may
    /// more be counted than was made, nor in total than by key. The totals of a
    /// batch that was given up half-way may differ either way: its rows may be
    /// fenced by those of a later batch before its total is written, or after.
    pub fn after_write(&self, store: &Store, row: &RowKey, was_given_up: bool) -> Result<(), String> {
        if &*row.api_key_id == TOTALS_KEY_ID {
            return totals(store, |total, by_key| total <= by_key || was_given_up);
        }
        let day_ms = row.day.start_ms();
        for hour in 0..24 {
            let rows = store.rows.iter();
            let of_day = rows.filter(|(key, _)| key.api_key_id == row.api_key_id && key.day == row.day);
            let counted: u64 = of_day.map(|(_, row)| row.hours[hour]).sum();
            let place = (row.api_key_id.to_string(), day_ms, hour);
            let produced = self.produced.get(&place).copied().unwrap_or(0);
            if counted > produced {
                return Err(format!("{place:?}: {counted} calls are counted, {produced} were made"));
            }
        }
        Ok(())
    }

    /// Looks at everything when all is quiet. Calls from `countable_from_ms`
    /// on must be counted; of earlier ones, each has to be counted or kept.
    /// A batch that was given up half-way may differ in the totals.
    pub fn at_rest(
        &self,
        log: &ApiLog,
        store: &Store,
        countable_from_ms: i64,
        was_given_up: bool,
    ) -> Result<(), String> {
        let kept = texts(store);
        counts(log, store, countable_from_ms, &kept)?;
        totals(store, |total, by_key| total == by_key || was_given_up)?;
        for (number, _) in log.unreadable.iter().enumerate().filter(|(_, was_delivered)| **was_delivered) {
            let line = unreadable_line(number).replace('"', "\\\"");
            if !kept.iter().any(|text| text.contains(&line)) {
                return Err(format!("the unreadable line {number} is not in quarantine"));
            }
        }
        Ok(())
    }
}

/// Compares the totals of each shard with the sums of its keys.
fn totals(store: &Store, is_right: impl Fn(u64, u64) -> bool) -> Result<(), String> {
    let mut sums: BTreeMap<(&ShardName, i64, usize), [u64; 2]> = BTreeMap::new();
    for (row, counters) in &store.rows {
        let is_total = &*row.api_key_id == TOTALS_KEY_ID;
        for (hour, calls) in counters.hours.iter().enumerate() {
            let place = (&row.shard, row.day.start_ms(), hour);
            sums.entry(place).or_default()[usize::from(is_total)] += calls;
        }
    }
    for (place, [by_key, total]) in sums {
        if !is_right(total, by_key) {
            return Err(format!("{place:?}: the total is {total}, and {by_key} calls are counted by key"));
        }
    }
    Ok(())
}

fn counts(log: &ApiLog, store: &Store, countable_from_ms: i64, kept: &[String]) -> Result<(), String> {
    let mut due: BTreeMap<Place, Due> = BTreeMap::new();
    for (number, call) in log.calls.iter().enumerate().filter(|(_, call)| call.is_billable) {
        let due = due.entry(place_of(&call.api_key_id, call.requested_at_ms)).or_default();
        due.at_most += 1;
        let is_countable = call.requested_at_ms >= countable_from_ms;
        let is_kept = || kept.iter().any(|text| text.contains(&format!("call-{number}=")));
        if is_countable || (call.has_request_id && !is_kept()) {
            due.calls.push(number);
        }
    }
    let mut counted: BTreeMap<Place, u64> = BTreeMap::new();
    for (key, row) in store.rows_of_keys() {
        for (hour, calls) in row.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
            let place = (key.api_key_id.to_string(), key.day.start_ms(), hour);
            *counted.entry(place).or_default() += calls;
        }
    }
    for place in due.keys().chain(counted.keys()) {
        let Due { calls, at_most } = due.get(place).cloned().unwrap_or_default();
        let counted = counted.get(place).copied().unwrap_or(0);
        if counted < calls.len() as u64 || counted > at_most {
            return Err(format!(
                "{place:?}: {counted} calls are counted; at most {at_most} may be, and these are due: {calls:?}"
            ));
        }
    }
    Ok(())
}

/// The texts of what is in quarantine.
fn texts(store: &Store) -> Vec<String> {
    let text = |payload: &[u8]| {
        let mut inflated = Vec::new();
        let is_inflated = GzDecoder::new(payload).read_to_end(&mut inflated).is_ok();
        String::from_utf8_lossy(if is_inflated { &inflated } else { payload }).into_owned()
    };
    store.quarantine.iter().map(|record| text(&record.payload)).collect()
}
