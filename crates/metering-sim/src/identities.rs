//! Checks which calls the ledger counts, by the fingerprints and the response bytes of its rows.

use std::collections::BTreeMap;
use std::ops::Add;

use memory_ports::{Row, Store};
use metering_core::claims::owner::ShardName;
use metering_core::row_key::RowKey;
use twox_hash::XxHash3_128;

use crate::api_log::{ApiLog, account};

/// An account, and the start of a day in milliseconds since 1970.
type KeyDay = (String, i64);

/// Maximum number of optional calls of a key and day whose combinations are tried. Of more, only
/// the number is checked, by the auditor.
const MAX_OPTIONAL: usize = 12;

/// The calls that a key made in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Indexes of the calls that have to be counted.
    pub due: Vec<usize>,
    /// Indexes of other calls that may be counted.
    pub optional: Vec<usize>,
}

/// The calls of a key and day that the ledger counts.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    calls: usize,
    sums: Sums,
}

/// Sums of the properties by which calls are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    /// Sum of the calls' hashes, modulo 2⁶⁴.
    hashes: u64,
    response_bytes: u64,
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hashes: self.hashes.wrapping_add(other.hashes),
            response_bytes: self.response_bytes + other.response_bytes,
        }
    }
}

/// Returns the account whose calls a row counts.
pub fn account_of(row: &RowKey) -> String {
    account(row.key().customer_id.as_deref(), &row.key().api_key_id, row.breakdown.route_class.as_deref())
}

/// Checks that each key and day has the calls that are due, and else only optional calls.
pub fn check_identities(
    log: &ApiLog,
    store: &Store,
    hours: impl Iterator<Item = (KeyDay, Expected)>,
) -> Result<(), String> {
    let mut days: BTreeMap<KeyDay, Expected> = BTreeMap::new();
    for (day, Expected { due, optional }) in hours {
        let day = days.entry(day).or_default();
        day.due.extend(due);
        day.optional.extend(optional);
    }
    let counted = counted(store);
    for (day, expected) in days.iter().filter(|(_, day)| day.optional.len() <= MAX_OPTIONAL) {
        let counted = counted.get(day).copied().unwrap_or_default();
        if !are_counted(log, expected, counted) {
            let (Expected { due, optional }, Counted { calls, .. }) = (expected, counted);
            return Err(format!(
                "{day:?}: the {calls} counted calls or their response bytes are others than of these: {due:?}, and some of these: {optional:?}"
            ));
        }
    }
    Ok(())
}

impl Counted {
    fn add(&mut self, row: &Row) {
        self.calls += usize::try_from(row.hours.iter().sum::<u64>()).unwrap_or(usize::MAX);
        let response_bytes = row.response_bytes.iter().sum();
        self.sums = self.sums + Sums { hashes: row.fingerprint.number(), response_bytes };
    }
}

fn counted(store: &Store) -> BTreeMap<KeyDay, Counted> {
    let mut days: BTreeMap<KeyDay, Counted> = BTreeMap::new();
    for (key, row) in store.rows_of_keys() {
        let day = days.entry((account_of(key), key.day().start_ms())).or_default();
        day.add(row);
    }
    days
}

/// Tries each choice of the optional calls.
fn are_counted(log: &ApiLog, expected: &Expected, counted: Counted) -> bool {
    let sum = |calls: &mut dyn Iterator<Item = Sums>| calls.fold(Sums::default(), Add::add);
    let due = sum(&mut expected.due.iter().map(|call| sums(log, *call)));
    let optional: Vec<Sums> = expected.optional.iter().map(|call| sums(log, *call)).collect();
    (0..1_u32 << optional.len()).any(|choice| {
        let is_chosen = |place: &usize| choice >> place & 1 == 1;
        let chosen = sum(&mut (0..optional.len()).filter(is_chosen).map(|place| optional[place]));
        expected.due.len() + choice.count_ones() as usize == counted.calls && due + chosen == counted.sums
    })
}

/// Checks that a row of totals with the right number of calls has the calls of its shard's keys.
pub fn check_totals(store: &Store) -> Result<(), String> {
    let mut days: BTreeMap<(&ShardName, i64), [Counted; 2]> = BTreeMap::new();
    for (key, row) in &store.rows {
        let is_total = key.key().is_totals();
        let day = days.entry((&key.shard, key.day().start_ms())).or_default();
        day[usize::from(is_total)].add(row);
    }
    for (day, [of_keys, total]) in days {
        if of_keys.calls == total.calls && of_keys.sums != total.sums {
            return Err(format!(
                "{day:?}: the total of {} calls has others than the keys, or other response bytes",
                total.calls
            ));
        }
    }
    Ok(())
}

/// Returns what a call adds to the fingerprint and the response bytes of its row. Computed apart from the
/// meter.
#[expect(clippy::cast_possible_truncation, reason = "the lower half of the hash")]
fn sums(log: &ApiLog, call: usize) -> Sums {
    let call = &log.calls[call];
    let seed = call.requested_at_ms.cast_unsigned();
    let hashes = XxHash3_128::oneshot_with_seed(seed, call.identity.as_bytes()) as u64;
    Sums { hashes, response_bytes: call.response_bytes }
}
