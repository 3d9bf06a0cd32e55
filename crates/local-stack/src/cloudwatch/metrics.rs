//! The output of the functions: log lines, and metrics in embedded metric format.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::cloudwatch::MetricStore;
use crate::sync::locked;

/// Upper bound of the histograms: a day in milliseconds, or 86 seconds in microseconds.
const MAX_DURATION: u64 = 24 * 3_600_000;

/// Collects the log lines and metrics of the functions.
#[derive(Debug)]
pub struct MetricSink {
    state: Mutex<State>,
    store: Arc<MetricStore>,
}

#[derive(Debug)]
struct State {
    log: File,
    metrics: File,
    counts: BTreeMap<String, u64>,
    durations: BTreeMap<String, Histogram<u64>>,
}

impl MetricSink {
    /// Opens the files `functions.log`, `metrics.jsonl` and `metrics.sqlite` of a folder.
    ///
    /// # Errors
    /// Returns an error if a file cannot be opened.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let append = |name: &str| OpenOptions::new().create(true).append(true).open(folder.join(name));
        let state = State {
            log: append("functions.log")?,
            metrics: append("metrics.jsonl")?,
            counts: BTreeMap::new(),
            durations: BTreeMap::new(),
        };
        let store = MetricStore::open(&folder.join("metrics.sqlite")).map_err(std::io::Error::other)?;
        Ok(Self { state: Mutex::new(state), store: Arc::new(store) })
    }

    /// Returns the metrics, minute by minute.
    pub fn store(&self) -> &Arc<MetricStore> {
        &self.store
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Processes a line that a function has printed.
    pub fn line(&self, function: &str, line: &str) {
        let mut state = self.lock();
        match serde_json::from_str::<Value>(line) {
            Ok(metrics) if metrics["_aws"]["CloudWatchMetrics"].is_array() => {
                let _ = writeln!(state.metrics, "{line}");
                state.add(&metrics);
                self.store.record_line(&metrics);
            }
            _ => {
                let _ = writeln!(state.log, "{function}: {line}");
            }
        }
    }

    /// Returns the sum of a metric since the start.
    pub fn count(&self, metric: &str) -> u64 {
        self.lock().counts.get(metric).copied().unwrap_or(0)
    }

    /// Returns the sums of all metrics since the start, by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    /// Returns a percentile (0 to 100) of a duration since the start, in the unit of the metric, or `None`
    /// if there is no value.
    pub fn percentile(&self, metric: &str, percentile: f64) -> Option<u64> {
        self.lock().durations.get(metric).map(|histogram| histogram.value_at_percentile(percentile))
    }
}

impl State {
    fn add(&mut self, line: &Value) {
        // The members of a line that are not metrics to CloudWatch are values as well, if they are named like metrics.
        let members = line.as_object().into_iter().flatten();
        for (name, value) in
            members.filter(|(name, _)| name.starts_with(|first: char| first.is_ascii_uppercase()))
        {
            match value {
                Value::Array(values) => {
                    let histogram = self.durations.entry(name.clone()).or_insert_with(duration_histogram);
                    for value in values.iter().filter_map(Value::as_u64) {
                        histogram.saturating_record(value);
                    }
                }
                Value::Number(count) => {
                    *self.counts.entry(name.clone()).or_default() += count.as_u64().unwrap_or(0);
                }
                _ => {}
            }
        }
    }
}

fn duration_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_DURATION, 3).expect("the bounds are valid")
}
