//! Checks the ledger against the calls that the API logged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use flate2::read::GzDecoder;
use memory_ports::Store;
use metering_core::claims::owner::ShardName;
use metering_core::row_key::RowKey;

use crate::api_log::{ApiLog, DAY_MS, HOUR_MS};
use crate::identities::{Expected, account_of, check_identities, check_totals};

/// An account, the start of a day in milliseconds since 1970, and an hour of the day.
pub type KeyHour = (String, i64, usize);

/// Compares the ledger with the logged calls.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    billable: BTreeMap<KeyHour, Made>,
    known_calls: usize,
}

/// The billable calls of an hour.
#[derive(Debug, Clone, Copy, Default)]
struct Made {
    calls: u64,
    response_bytes: u64,
}

/// Returns the account and hour to which a call belongs.
pub fn key_hour(account: String, requested_at_ms: i64) -> KeyHour {
    let of_day = requested_at_ms.rem_euclid(DAY_MS);
    let hour = usize::try_from(of_day / HOUR_MS).unwrap_or(0);
    (account, requested_at_ms - of_day, hour)
}

impl Auditor {
    /// Adds the calls that were logged since the last use.
    pub fn add_new_calls(&mut self, log: &ApiLog) {
        for call in log.calls[self.known_calls..].iter().filter(|call| call.is_billable) {
            let made = self.billable.entry(key_hour(call.account(), call.requested_at_ms)).or_default();
            made.calls += 1;
            made.response_bytes += call.response_bytes;
        }
        self.known_calls = log.calls.len();
    }

    /// Checks the rows of a key and day after one of them was written. No more
    /// calls may be counted than were made, and the total may not exceed the
    /// sum of the keys. If a batch was given up between its writes, totals may
    /// differ in either direction: a later batch may have fenced off its rows
    /// before its total is written, or after.
    pub fn check_after_write(&self, store: &Store, row: &RowKey, was_given_up: bool) -> Result<(), String> {
        if row.key().is_totals() {
            return totals(store, |total, by_key| total <= by_key || was_given_up);
        }
        let (account, day_ms) = (account_of(row), row.day().start_ms());
        let rows = store.rows.iter().filter(|(other, _)| other.day() == row.day());
        let of_account: Vec<_> = rows.filter(|(other, _)| account_of(other) == account).collect();
        for hour in 0..24 {
            let counted: u64 = of_account.iter().map(|(_, row)| row.hours[hour]).sum();
            let key_hour = (account.clone(), day_ms, hour);
            let made = self.billable.get(&key_hour).copied().unwrap_or_default();
            if counted > made.calls {
                return Err(format!("{key_hour:?}: {counted} calls are counted, {} were made", made.calls));
            }
            let bytes: u64 = of_account.iter().map(|(_, row)| row.response_bytes[hour]).sum();
            if bytes > made.response_bytes {
                let sent = made.response_bytes;
                return Err(format!("{key_hour:?}: {bytes} response bytes are counted, {sent} were sent"));
            }
        }
        Ok(())
    }

    /// Returns the number of calls from `from_ms` on that the ledger lacks.
    pub fn lacking(&self, store: &Store, from_ms: i64) -> u64 {
        let counted = counted(store);
        let hours = self.billable.iter().filter(|((_, day_ms, hour), _)| {
            let of_day = i64::try_from(*hour).unwrap_or(0) * HOUR_MS;
            day_ms + of_day >= from_ms
        });
        hours.map(|(hour, made)| made.calls - counted.get(hour).copied().unwrap_or(0).min(made.calls)).sum()
    }

    /// Checks all rows after all work is done. Calls from `countable_from_ms` on
    /// have to be counted, and each earlier call has to be counted or in
    /// quarantine. If a batch was given up between its writes, totals may differ.
    pub fn check_at_rest(
        &self,
        log: &ApiLog,
        store: &Store,
        countable_from_ms: i64,
        was_given_up: bool,
    ) -> Result<(), String> {
        let kept = QuarantineReader::default().read(store);
        counts(log, store, countable_from_ms, &kept)?;
        totals(store, |total, by_key| total == by_key || was_given_up)?;
        if !was_given_up {
            check_totals(store)?;
        }
        last_calls(log, store)?;
        for (number, _) in log.unreadable.iter().enumerate().filter(|(_, was_delivered)| **was_delivered) {
            if !kept.lines.contains(&number) {
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
        let is_total = row.key().is_totals();
        for (hour, calls) in counters.hours.iter().enumerate() {
            let shard_hour = (&row.shard, row.day().start_ms(), hour);
            sums.entry(shard_hour).or_default()[usize::from(is_total)] += calls;
        }
    }
    for (shard_hour, [by_key, total]) in sums {
        if !is_right(total, by_key) {
            return Err(format!(
                "{shard_hour:?}: the total is {total}, and {by_key} calls are counted by key"
            ));
        }
    }
    Ok(())
}

fn counts(log: &ApiLog, store: &Store, countable_from_ms: i64, kept: &Quarantined) -> Result<(), String> {
    let mut expected: BTreeMap<KeyHour, Expected> = BTreeMap::new();
    for (number, call) in log.calls.iter().enumerate().filter(|(_, call)| call.is_billable) {
        let expected = expected.entry(key_hour(call.account(), call.requested_at_ms)).or_default();
        let is_countable = call.requested_at_ms >= countable_from_ms;
        let is_due = is_countable || (call.has_request_id && !kept.calls.contains(&number));
        if is_due { &mut expected.due } else { &mut expected.optional }.push(number);
    }
    let counted = counted(store);
    for key_hour in expected.keys().chain(counted.keys()) {
        let Expected { due, optional } = expected.get(key_hour).cloned().unwrap_or_default();
        let counted = counted.get(key_hour).copied().unwrap_or(0);
        if counted < due.len() as u64 || counted > (due.len() + optional.len()) as u64 {
            return Err(format!(
                "{key_hour:?}: {counted} calls are counted; these have to be: {due:?}, and these may be: {optional:?}"
            ));
        }
    }
    let days = expected.into_iter().map(|((key, day_ms, _), calls)| ((key, day_ms), calls));
    check_identities(log, store, days)
}

/// Compares the latest call of each row with its counters, and that of each key and day with the
/// log. A row names a call that was made, in the last hour in which it counts calls. If all calls
/// of a key and day are counted, the latest of them is named.
fn last_calls(log: &ApiLog, store: &Store) -> Result<(), String> {
    let mut made: BTreeMap<(String, i64), BTreeSet<i64>> = BTreeMap::new();
    let mut calls_of_day: BTreeMap<(String, i64), u64> = BTreeMap::new();
    for call in log.calls.iter().filter(|call| call.is_billable) {
        let day = (call.account(), call.requested_at_ms - call.requested_at_ms.rem_euclid(DAY_MS));
        made.entry(day.clone()).or_default().insert(call.requested_at_ms);
        *calls_of_day.entry(day).or_default() += 1;
    }
    let mut named: BTreeMap<(String, i64), (u64, i64)> = BTreeMap::new();
    for (key, row) in store.rows_of_keys() {
        let Some(last_hour) = row.hours.iter().rposition(|calls| *calls > 0) else { continue };
        let day = (account_of(key), key.day().start_ms());
        let (_, _, hour) = key_hour(String::new(), row.last_call_ms);
        let is_made = made.get(&day).is_some_and(|times| times.contains(&row.last_call_ms));
        if !is_made || hour != last_hour {
            return Err(format!("{day:?}: the latest call of a row is said to be at {}", row.last_call_ms));
        }
        let (calls, last_ms) = named.entry(day).or_default();
        *calls += row.hours.iter().sum::<u64>();
        *last_ms = (*last_ms).max(row.last_call_ms);
    }
    for (day, (calls, last_ms)) in named {
        let latest_ms = made.get(&day).and_then(|times| times.last().copied());
        if calls_of_day.get(&day) == Some(&calls) && latest_ms != Some(last_ms) {
            return Err(format!(
                "{day:?}: the latest call is said to be at {last_ms}, and was at {latest_ms:?}"
            ));
        }
    }
    Ok(())
}

/// Returns the numbers of calls that the ledger counts.
pub fn counted(store: &Store) -> BTreeMap<KeyHour, u64> {
    let mut counted = BTreeMap::new();
    for (key, row) in store.rows_of_keys() {
        for (hour, calls) in row.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
            let key_hour = (account_of(key), key.day().start_ms(), hour);
            *counted.entry(key_hour).or_default() += calls;
        }
    }
    counted
}

/// The calls with a request id and the unreadable lines in quarantine, by their numbers.
#[derive(Debug, Clone, Default)]
pub struct Quarantined {
    pub calls: BTreeSet<usize>,
    lines: BTreeSet<usize>,
}

impl Quarantined {
    fn of(payload: &[u8]) -> Self {
        let text = text_of(payload);
        Self {
            calls: numbers_after(&text, "call-").collect(),
            lines: numbers_after(&text, "line-").collect(),
        }
    }
}

/// Finds the calls and lines in the texts of the quarantined records. Inflates each payload once.
#[derive(Debug, Clone, Default)]
pub struct QuarantineReader {
    read: HashMap<Vec<u8>, Quarantined>,
}

impl QuarantineReader {
    pub fn read(&mut self, store: &Store) -> Quarantined {
        let mut all = Quarantined::default();
        for record in &store.quarantine {
            if !self.read.contains_key(&record.payload) {
                self.read.insert(record.payload.clone(), Quarantined::of(&record.payload));
            }
            let found = &self.read[&record.payload];
            all.calls.extend(&found.calls);
            all.lines.extend(&found.lines);
        }
        all
    }
}

/// Returns the numbers of the calls with a request id in the data of a record.
pub fn calls_in(data: &[u8]) -> BTreeSet<usize> {
    numbers_after(&text_of(data), "call-").collect()
}

/// Returns the text of a record, inflated if it is gzipped.
fn text_of(data: &[u8]) -> String {
    let mut inflated = Vec::new();
    let is_inflated = GzDecoder::new(data).read_to_end(&mut inflated).is_ok();
    String::from_utf8_lossy(if is_inflated { &inflated } else { data }).into_owned()
}

/// Returns the numbers that follow a word in a text.
fn numbers_after<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.split(word).skip(1).filter_map(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    })
}
