//! The storage of metrics, minute by minute.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::sqlite;
use crate::sync::locked;

/// Resolution of the store, in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// Retention period, in milliseconds: 15 days.
///
/// Source: CloudWatch User Guide, "Metrics retention": data points with a
/// period of 60 seconds are available for 15 days.
const RETENTION_MS: i64 = 15 * 24 * 60 * MINUTE_MS;
/// Number of values of a metric in memory that triggers a write.
const MAX_WAITING: usize = 10_000;

/// A minute has each distinct value with its count. Few values occur often, so this is smaller than a
/// histogram, and exact.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS metrics (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL,
    UNIQUE (namespace, name, dimensions));
CREATE TABLE IF NOT EXISTS metric_values (
    metric INTEGER NOT NULL, minute_ms INTEGER NOT NULL, value INTEGER NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (metric, minute_ms, value)) WITHOUT ROWID;
";

/// The identity of a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricName {
    pub namespace: String,
    pub name: String,
    /// Values of the dimensions, by name.
    pub dimensions: BTreeMap<String, String>,
}

impl MetricName {
    pub fn new<const N: usize>(namespace: &str, name: &str, dimensions: [(&str, &str); N]) -> Self {
        let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }
}

/// The values of a period and their counts.
#[derive(Debug, Default)]
struct Period {
    values: BTreeMap<u64, u64>,
}

impl Period {
    fn record(&mut self, value: u64, times: u64) {
        *self.values.entry(value).or_default() += times;
    }

    fn count(&self) -> u64 {
        self.values.values().sum()
    }

    fn sum(&self) -> u64 {
        self.values.iter().map(|(value, times)| value * times).sum()
    }

    /// Returns a percentile, from 0 to 100: the lowest recorded value that is greater than or equal
    /// to this share of the values.
    #[expect(clippy::cast_precision_loss, reason = "counts of a period are small")]
    fn at_percentile(&self, percentile: f64) -> u64 {
        let wanted = self.count() as f64 * percentile / 100.0;
        let mut seen = 0;
        let found = self.values.iter().find(|(_, times)| {
            seen += **times;
            seen as f64 >= wanted
        });
        found.or(self.values.last_key_value()).map_or(0, |(value, _)| *value)
    }
}

/// Counts of values, by the start of their minute (milliseconds since 1970) and the value.
type Measurements = BTreeMap<MetricName, BTreeMap<(i64, u64), u64>>;

/// The metrics of a stack, on disk.
#[derive(Debug)]
pub struct MetricStore {
    connection: Mutex<Connection>,
    /// Measurements that are not written yet.
    waiting: Mutex<Measurements>,
}

impl Default for MetricStore {
    /// Returns a store in memory.
    fn default() -> Self {
        let connection = Connection::open_in_memory().expect("memory needs no file");
        Self::with_connection(connection).expect("the schema is valid")
    }
}

impl MetricStore {
    /// Opens the file, which is created if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        Self::with_connection(sqlite::open(path)?)
    }

    fn with_connection(connection: Connection) -> rusqlite::Result<Self> {
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection), waiting: Mutex::default() })
    }

    /// Records values that were measured at `at_ms`, in milliseconds since 1970.
    pub fn record(&self, metric: MetricName, at_ms: i64, values: impl IntoIterator<Item = u64>) {
        let start_ms = at_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let mut waiting = locked(&self.waiting);
        let of_metric = waiting.entry(metric).or_default();
        for value in values {
            *of_metric.entry((start_ms, value)).or_default() += 1;
        }
        let is_full = of_metric.len() > MAX_WAITING;
        drop(waiting);
        if is_full {
            self.write_logged();
        }
    }

    /// Writes the measurements in memory, and deletes those of a metric that are older than its latest
    /// one by more than the retention period.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written. The measurements then stay in memory.
    pub fn write(&self) -> rusqlite::Result<()> {
        let mut connection = locked(&self.connection);
        let taken = std::mem::take(&mut *locked(&self.waiting));
        if taken.is_empty() {
            return Ok(());
        }
        let written = insert(&mut connection, &taken);
        if written.is_err() {
            let mut waiting = locked(&self.waiting);
            for (metric, values) in taken {
                let of_metric = waiting.entry(metric).or_default();
                for (value, times) in values {
                    *of_metric.entry(value).or_default() += times;
                }
            }
        }
        written
    }

    /// Writes the measurements in memory, and logs an error.
    pub fn write_logged(&self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, "could not write metrics; they stay in memory until the next write");
        }
    }

    /// Records the metrics of a line in embedded metric format.
    pub fn record_line(&self, line: &Value) {
        let at_ms = line["_aws"]["Timestamp"].as_i64().unwrap_or_default();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let namespace = directive["Namespace"].as_str().unwrap_or_default().to_owned();
            let names = directive["Dimensions"][0].as_array().into_iter().flatten().filter_map(Value::as_str);
            let dimensions: BTreeMap<String, String> = names
                .map(|name| (name.to_owned(), line[name].as_str().unwrap_or_default().to_owned()))
                .collect();
            for definition in directive["Metrics"].as_array().into_iter().flatten() {
                let Some(name) = definition["Name"].as_str() else { continue };
                let values: Vec<u64> = match &line[name] {
                    Value::Array(values) => values.iter().filter_map(Value::as_u64).collect(),
                    value => value.as_u64().into_iter().collect(),
                };
                let metric = MetricName {
                    namespace: namespace.clone(),
                    name: name.to_owned(),
                    dimensions: dimensions.clone(),
                };
                self.record(metric, at_ms, values);
            }
        }
    }

    /// Returns a statistic for each period that begins in `from_ms..to_ms` and has values. The statistic
    /// is `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p99`; for any
    /// other, the result is `None`.
    pub fn statistic(
        &self,
        metric: &MetricName,
        statistic: &str,
        period_ms: i64,
        from_ms: i64,
        to_ms: i64,
    ) -> Option<BTreeMap<i64, f64>> {
        let statistic = Statistic::parse(statistic)?;
        self.write_logged();
        let mut periods: BTreeMap<i64, Period> = BTreeMap::new();
        match self.values(metric, from_ms, to_ms.saturating_add(period_ms)) {
            Ok(values) => {
                for (minute_ms, value, times) in values {
                    let period = minute_ms.div_euclid(period_ms) * period_ms;
                    if (from_ms..to_ms).contains(&period) {
                        periods.entry(period).or_default().record(value, times);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not read metrics"),
        }
        Some(periods.into_iter().map(|(start_ms, period)| (start_ms, statistic.value(&period))).collect())
    }

    /// Returns (minute, value, count) of a metric in the minutes that begin in `from_ms..to_ms`.
    fn values(
        &self,
        metric: &MetricName,
        from_ms: i64,
        to_ms: i64,
    ) -> rusqlite::Result<Vec<(i64, u64, u64)>> {
        let connection = locked(&self.connection);
        let mut statement = connection.prepare_cached(
            "SELECT minute_ms, value, times FROM metric_values JOIN metrics ON id = metric
             WHERE namespace = ? AND name = ? AND dimensions = ? AND minute_ms >= ? AND minute_ms < ?",
        )?;
        let wanted = params![metric.namespace, metric.name, dimensions_text(metric), from_ms, to_ms];
        statement.query_map(wanted, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    }

    /// Returns the names of all metrics, sorted.
    pub fn names(&self) -> Vec<MetricName> {
        self.write_logged();
        let connection = locked(&self.connection);
        let read = || -> rusqlite::Result<Vec<MetricName>> {
            let query =
                "SELECT namespace, name, dimensions FROM metrics ORDER BY namespace, name, dimensions";
            let mut statement = connection.prepare_cached(query)?;
            let names = statement.query_map([], |row| {
                let dimensions = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
                Ok(MetricName { namespace: row.get(0)?, name: row.get(1)?, dimensions })
            })?;
            names.collect()
        };
        read().unwrap_or_else(|error| {
            tracing::warn!(%error, "could not read metrics");
            Vec::new()
        })
    }
}

fn dimensions_text(metric: &MetricName) -> String {
    serde_json::to_string(&metric.dimensions).unwrap_or_default()
}

fn insert(connection: &mut Connection, taken: &Measurements) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (metric, values) in taken {
        let dimensions = dimensions_text(metric);
        let name = params![metric.namespace, metric.name, dimensions];
        transaction
            .prepare_cached("INSERT OR IGNORE INTO metrics (namespace, name, dimensions) VALUES (?, ?, ?)")?
            .execute(name)?;
        let id: i64 = transaction
            .prepare_cached("SELECT id FROM metrics WHERE namespace = ? AND name = ? AND dimensions = ?")?
            .query_row(name, |row| row.get(0))?;
        let mut statement = transaction.prepare_cached(
            "INSERT INTO metric_values VALUES (?, ?, ?, ?)
             ON CONFLICT (metric, minute_ms, value) DO UPDATE SET times = times + excluded.times",
        )?;
        for ((minute_ms, value), times) in values {
            let value = i64::try_from(*value).unwrap_or(i64::MAX);
            statement.execute(params![id, minute_ms, value, i64::try_from(*times).unwrap_or(i64::MAX)])?;
        }
        let newest_ms = values.last_key_value().map_or(0, |((minute_ms, _), _)| *minute_ms);
        transaction
            .prepare_cached("DELETE FROM metric_values WHERE metric = ? AND minute_ms < ?")?
            .execute(params![id, newest_ms - RETENTION_MS])?;
    }
    transaction.commit()
}

#[derive(Clone, Copy)]
enum Statistic {
    Sum,
    SampleCount,
    Average,
    Minimum,
    Maximum,
    Percentile(f64),
}

impl Statistic {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Sum" => Self::Sum,
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => Self::Percentile(text.strip_prefix('p')?.parse().ok()?),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a double is what CloudWatch answers with")]
    fn value(self, period: &Period) -> f64 {
        match self {
            Self::Sum => period.sum() as f64,
            Self::SampleCount => period.count() as f64,
            Self::Average => period.sum() as f64 / period.count().max(1) as f64,
            Self::Minimum => period.values.first_key_value().map_or(0, |(value, _)| *value) as f64,
            Self::Maximum => period.values.last_key_value().map_or(0, |(value, _)| *value) as f64,
            Self::Percentile(percentile) => period.at_percentile(percentile) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn minutes_are_told_apart_and_put_together() {
        let store = MetricStore::default();
        let metric = MetricName::new("N", "Wait", [("Service", "x")]);
        store.record(metric.clone(), 60_001, 1..=100);
        store.record(metric.clone(), 125_000, [1_000]);
        let by =
            |statistic: &str, period_ms| store.statistic(&metric, statistic, period_ms, 0, 600_000).unwrap();
        assert_eq!(by("Sum", 60_000), BTreeMap::from([(60_000, 5_050.0), (120_000, 1_000.0)]));
        assert_eq!(by("p99", 60_000), BTreeMap::from([(60_000, 99.0), (120_000, 1_000.0)]));
        assert_eq!(by("Maximum", 300_000), BTreeMap::from([(0, 1_000.0)]));
        assert_eq!(by("SampleCount", 300_000), BTreeMap::from([(0, 101.0)]));
        assert!(store.statistic(&metric, "median", 60_000, 0, 1).is_none());
    }

    #[test]
    fn a_line_of_a_function_becomes_metrics() {
        let store = MetricStore::default();
        store.record_line(&json!({"_aws": {"Timestamp": 60_000, "CloudWatchMetrics": [{"Namespace": "UsageMeter", "Dimensions": [["Service"]],
            "Metrics": [{"Name": "Calls"}, {"Name": "Wait"}]}]}, "Service": "s", "Calls": 7, "Wait": [1, 3]}));
        let value = |name: &str, statistic: &str| {
            let metric = MetricName::new("UsageMeter", name, [("Service", "s")]);
            store.statistic(&metric, statistic, MINUTE_MS, 0, 600_000).unwrap()[&60_000]
        };
        assert_eq!((value("Calls", "Sum"), value("Wait", "Average")), (7.0, 2.0));
    }

    #[test]
    fn metrics_are_there_again_after_a_restart_for_fifteen_days() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sqlite");
        let metric = MetricName::new("N", "Wait", [("Service", "x")]);
        let open = || MetricStore::open(&path).unwrap();
        let sums = |store: &MetricStore| store.statistic(&metric, "Sum", MINUTE_MS, 0, i64::MAX / 2).unwrap();
        let store = open();
        store.record(metric.clone(), 60_000, [2, 2, 3]);
        store.write().unwrap();
        store.record(metric.clone(), 60_000, [2]);
        store.write().unwrap();
        drop(store);
        let store = open();
        assert_eq!(sums(&store), BTreeMap::from([(60_000, 9.0)]));
        assert_eq!(store.names(), std::slice::from_ref(&metric));
        let later_ms = 60_000 + RETENTION_MS;
        store.record(metric.clone(), later_ms, [1]);
        assert_eq!(sums(&store).len(), 2, "fifteen days are kept");
        store.record(metric.clone(), later_ms + MINUTE_MS, [1]);
        assert_eq!(sums(&store).into_keys().collect::<Vec<_>>(), [later_ms, later_ms + MINUTE_MS]);
    }

    #[test]
    fn much_is_written_before_it_fills_the_memory() {
        let store = MetricStore::default();
        let metric = MetricName::new("N", "Wait", [("Service", "x")]);
        store.record(metric.clone(), 0, 0..=MAX_WAITING as u64);
        assert!(store.waiting.lock().unwrap().is_empty());
        let counts = store.statistic(&metric, "SampleCount", MINUTE_MS, 0, 1).unwrap();
        assert_eq!(counts, BTreeMap::from([(0, 10_001.0)]));
    }
}
