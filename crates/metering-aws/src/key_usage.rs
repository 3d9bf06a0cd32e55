//! Reads usage from the ledger, by hour and day.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use futures_util::{StreamExt, TryStreamExt};
use metering_core::fingerprint::{CountedCalls, Fingerprint};
use metering_core::metered_key::{Breakdown, MeteredKey};
use metering_core::ports::{LedgerCounts, PortError, UsageHistory};
use metering_core::reconciliation::{DailyIdentities, HourlyCalls, HourlyTotals};
use metering_core::row_key::RowKey;
use metering_core::usage_history::{DayUsage, KeyUsage};
use metering_core::window::{CallWindow, DAY_MS, HOUR_MS, UtcDay};

use crate::error::port_error;
use crate::key_items::Item;
use crate::ledger_items::{FINGERPRINT, LAST_CALL, LedgerItem, rows_of_days};

/// A malformed row of the ledger.
#[derive(Debug, thiserror::Error)]
#[error("the ledger row {sort_key:?} has no usable {attribute:?}")]
struct MalformedRow {
    sort_key: String,
    attribute: String,
}

/// Reads the usage of single keys.
#[derive(Debug, Clone)]
pub struct DynamoUsageHistory {
    client: Client,
    table: String,
}

impl DynamoUsageHistory {
    /// Returns the usage in the ledger in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl UsageHistory for DynamoUsageHistory {
    async fn usage_of_key(&self, key: &MeteredKey, from: UtcDay, to: UtcDay) -> Result<KeyUsage, PortError> {
        let mut usage = KeyUsage::new();
        for key in key.counted_as() {
            for (day, counted) in usage_of_key(&self.client, &self.table, &key, from, to).await? {
                *usage.entry(day).or_default() += counted;
            }
        }
        Ok(usage)
    }
}

/// Reads the usage of a key of one customer from `from` to `to`, both included, with strongly
/// consistent reads. The result contains all writes that were committed before.
///
/// # Errors
/// Fails if the ledger cannot be read or has a malformed row.
pub async fn usage_of_key(
    client: &Client,
    table: &str,
    key: &MeteredKey,
    from: UtcDay,
    to: UtcDay,
) -> Result<KeyUsage, PortError> {
    let mut usage = KeyUsage::new();
    for (breakdown, of_class) in usage_by_class(client, table, key, from, to).await? {
        *usage.entry(breakdown.day).or_default() += of_class;
    }
    Ok(usage)
}

/// Reads what [`usage_of_key`] reads, by route class and day.
async fn usage_by_class(
    client: &Client,
    table: &str,
    key: &MeteredKey,
    from: UtcDay,
    to: UtcDay,
) -> Result<BTreeMap<Breakdown, DayUsage>, PortError> {
    let operation = || format!("reading the usage of a key from table {table}");
    let mut usage = BTreeMap::new();
    for query in rows_of_days(client, table, key, [from, to]) {
        let mut rows = query.consistent_read(true).into_paginator().items().send();
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| port_error(operation(), error))?;
            let (RowKey { breakdown, .. }, row) = read(&row).map_err(|error| refused(operation(), error))?;
            if breakdown.key == *key {
                let day_usage = day_usage(row).map_err(|error| refused(operation(), error))?;
                *usage.entry(breakdown).or_default() += day_usage;
            }
        }
    }
    Ok(usage)
}

fn refused(operation: String, error: MalformedRow) -> PortError {
    PortError::Refused { operation, source: Box::new(error) }
}

/// Reads the primary key of a row.
fn read(item: &Item) -> Result<(RowKey, LedgerItem<'_>), MalformedRow> {
    let row = LedgerItem(item);
    row.row_key().map(|row_key| (row_key, row)).ok_or_else(|| malformed(row, "sk"))
}

fn malformed(row: LedgerItem, attribute: &str) -> MalformedRow {
    MalformedRow { sort_key: row.sort_key().unwrap_or_default().to_owned(), attribute: attribute.to_owned() }
}

/// Returns the calls of a row.
fn day_usage(row: LedgerItem) -> Result<DayUsage, MalformedRow> {
    let malformed = |attribute: &str| malformed(row, attribute);
    let hours = row.hours().map_err(|attribute| malformed(&attribute))?;
    let fingerprint = match row.0.contains_key(FINGERPRINT) {
        _ if hours.iter().all(|calls| *calls == 0) => Some(Fingerprint::default()),
        true => Some(row.fingerprint().ok_or_else(|| malformed(FINGERPRINT))?),
        false => None,
    };
    let last_call_ms = row.last_call_ms().ok_or_else(|| malformed(LAST_CALL))?;
    Ok(DayUsage { hours, fingerprint, last_call_ms })
}

/// Reads the usage of all keys by scanning the whole table. Only for tools that
/// compare or export the whole ledger.
///
/// # Errors
/// Fails if the ledger cannot be read or has a malformed row.
pub async fn usage_of_all_keys(
    client: &Client,
    table: &str,
) -> Result<BTreeMap<MeteredKey, KeyUsage>, PortError> {
    let operation = || format!("reading the usage of all keys from table {table}");
    let mut rows = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    let mut usage: BTreeMap<MeteredKey, KeyUsage> = BTreeMap::new();
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| port_error(operation(), error))?;
        let (RowKey { breakdown, .. }, row) = read(&row).map_err(|error| refused(operation(), error))?;
        if !breakdown.key.is_totals() {
            let day_usage = day_usage(row).map_err(|error| refused(operation(), error))?;
            *usage.entry(breakdown.key).or_default().entry(breakdown.day).or_default() += day_usage;
        }
    }
    Ok(usage)
}

/// Number of keys that are read concurrently.
const KEYS_AT_ONCE: usize = 64;

/// Reads hourly counts of a ledger for comparisons.
#[derive(Debug, Clone)]
pub struct DynamoLedgerCounts {
    client: Client,
    table: String,
}

impl DynamoLedgerCounts {
    /// Returns the counts of the ledger in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

/// The calls of keys on one day, in the ledger.
#[derive(Debug, Default)]
pub struct DayCalls {
    /// Number of calls by key and hour.
    pub by_hour: HourlyCalls,
    /// Calls by key with their fingerprints. Keys with a row that has none are left out.
    pub identities: DailyIdentities,
}

impl LedgerCounts for DynamoLedgerCounts {
    async fn totals_by_hour(&self, from_ms: i64, to_ms: i64) -> Result<HourlyTotals, PortError> {
        let (first, last) = days(from_ms, to_ms)?;
        let totals = MeteredKey::totals();
        let usage = usage_of_key(&self.client, &self.table, &totals, first, last).await?;
        let mut calls = HourlyCalls::new();
        add_hours(&mut calls, &totals, &usage, from_ms, to_ms);
        Ok(calls.into_iter().map(|((_, hour_ms), calls)| (hour_ms, calls)).collect())
    }

    async fn calls_for_keys_of(
        &self,
        count: &HourlyCalls,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<HourlyCalls, PortError> {
        let mut keys: Vec<MeteredKey> = count.keys().map(|(key, _)| key.clone()).collect();
        keys.dedup();
        let mut calls = HourlyCalls::new();
        let add = |key: &MeteredKey, usage: KeyUsage| add_hours(&mut calls, key, &usage, from_ms, to_ms);
        self.read_keys(keys, from_ms, to_ms, add).await?;
        Ok(calls)
    }
}

impl DynamoLedgerCounts {
    /// Reads the calls of keys on one day, each row once. Keys without usage are left out.
    ///
    /// # Errors
    /// Fails if the ledger cannot be read or has a malformed row.
    pub async fn calls_of_day(&self, keys: Vec<MeteredKey>, day: UtcDay) -> Result<DayCalls, PortError> {
        let (from_ms, to_ms) = (day.start_ms(), day.start_ms() + DAY_MS);
        let mut calls = DayCalls::default();
        let add = |key: &MeteredKey, usage: KeyUsage| {
            add_hours(&mut calls.by_hour, key, &usage, from_ms, to_ms);
            let counted = usage.get(&day).and_then(|usage| {
                Some(CountedCalls { calls: usage.total(), fingerprint: usage.fingerprint? })
            });
            calls.identities.extend(counted.map(|counted| ((key.clone(), day), counted)));
        };
        self.read_keys(keys, from_ms, to_ms, add).await?;
        Ok(calls)
    }

    /// Reads the usage of keys by route class, from the day `from` to the day `to`, both included.
    ///
    /// # Errors
    /// Fails if the ledger cannot be read or has a malformed row.
    pub async fn usage_by_class(
        &self,
        keys: Vec<MeteredKey>,
        from: UtcDay,
        to: UtcDay,
    ) -> Result<BTreeMap<Breakdown, DayUsage>, PortError> {
        let of_keys = futures_util::stream::iter(keys)
            .map(|key| async move { usage_by_class(&self.client, &self.table, &key, from, to).await });
        of_keys.buffer_unordered(KEYS_AT_ONCE).try_concat().await
    }

    /// Reads the usage of keys on the days of `from_ms..to_ms`.
    async fn read_keys(
        &self,
        keys: Vec<MeteredKey>,
        from_ms: i64,
        to_ms: i64,
        mut add: impl FnMut(&MeteredKey, KeyUsage),
    ) -> Result<(), PortError> {
        let (first, last) = days(from_ms, to_ms)?;
        let usage = futures_util::stream::iter(keys).map(|key| async move {
            let usage = usage_of_key(&self.client, &self.table, &key, first, last).await?;
            Ok::<_, PortError>((key, usage))
        });
        let mut usage = usage.buffer_unordered(KEYS_AT_ONCE);
        while let Some((key, usage)) = usage.try_next().await? {
            add(&key, usage);
        }
        Ok(())
    }
}

/// Returns the first and the last day of `from_ms..to_ms`.
fn days(from_ms: i64, to_ms: i64) -> Result<(UtcDay, UtcDay), PortError> {
    let day = |at_ms: i64| {
        let window = CallWindow::at(at_ms).map(|window| window.day);
        window.map_err(|error| PortError::Refused {
            operation: "finding the days".to_owned(),
            source: Box::new(error),
        })
    };
    Ok((day(from_ms)?, day(to_ms - 1)?))
}

/// Adds the hours of a key that begin in `from_ms..to_ms`.
pub fn add_hours(calls: &mut HourlyCalls, key: &MeteredKey, usage: &KeyUsage, from_ms: i64, to_ms: i64) {
    for (day, usage) in usage {
        for (start_ms, count) in
            (day.start_ms()..).step_by(usize::try_from(HOUR_MS).unwrap_or(1)).zip(usage.hours)
        {
            if count > 0 && (from_ms..to_ms).contains(&start_ms) {
                calls.insert((key.clone(), start_ms), count);
            }
        }
    }
}
