//! Metrics, minute by minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One period of the store, in milliseconds.
pub const MINUTE_MS: i64 = 60_000;
/// How long minutes are kept, in milliseconds.
const RETENTION_MS: i64 = 6 * 60 * MINUTE_MS;

/// What names a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricName {
    /// Who emits it.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions, by name.
    pub dimensions: BTreeMap<String, String>,
}

impl MetricName {
    /// A metric with dimensions.
    pub fn new<const N: usize>(namespace: &str, name: &str, dimensions: [(&str, &str); N]) -> Self {
        let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }
}

/// How often each value was seen in a minute: few values come again and again,
/// so this is smaller than a histogram, and exact.
#[derive(Debug, Default)]
struct Minute {
    values: BTreeMap<u64, u64>,
}

impl Minute {
    fn record(&mut self, value: u64, times: u64) {
        *self.values.entry(value).or_default() += times;
    }

    fn count(&self) -> u64 {
        self.values.values().sum()
    }

    fn sum(&self) -> u64 {
        self.values.iter().map(|(value, times)| value * times).sum()
    }

    /// The lowest value that this share of all values does not exceed, from 0 to 100.
    #[expect(clippy::cast_precision_loss, reason = "counts of a minute are small")]
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

/// The metrics of a stack.
#[derive(Debug, Default)]
pub struct MetricStore {
    series: Mutex<BTreeMap<MetricName, BTreeMap<i64, Minute>>>,
}

impl MetricStore {
    /// Takes values that were measured at a time.
    pub fn record(&self, metric: MetricName, at_ms: i64, values: impl IntoIterator<Item = u64>) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = series.entry(metric).or_default();
        let start_ms = at_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        minutes.retain(|&minute_ms, _| minute_ms >= start_ms - RETENTION_MS);
        let minute = minutes.entry(start_ms).or_default();
        for value in values {
            minute.record(value, 1);
        }
    }

    /// Takes a line in embedded metric format.
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

    /// A statistic of a metric in each period that begins in `from_ms..to_ms`
    /// and has values: `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`
    /// or a percentile as `p99`. `None` where the statistic is none of these.
    pub fn statistic(
        &self,
        metric: &MetricName,
        statistic: &str,
        period_ms: i64,
        from_ms: i64,
        to_ms: i64,
    ) -> Option<BTreeMap<i64, f64>> {
        let statistic = Statistic::parse(statistic)?;
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut periods: BTreeMap<i64, Minute> = BTreeMap::new();
        for (&start_ms, minute) in series.get(metric).into_iter().flatten() {
            let period = start_ms.div_euclid(period_ms) * period_ms;
            if !(from_ms..to_ms).contains(&period) {
                continue;
            }
            let into = periods.entry(period).or_default();
            for (&value, &times) in &minute.values {
                into.record(value, times);
            }
        }
        Some(periods.into_iter().map(|(start_ms, minute)| (start_ms, statistic.of(&minute))).collect())
    }

    /// The names of all metrics.
    pub fn names(&self) -> Vec<MetricName> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
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
    fn of(self, minute: &Minute) -> f64 {
        match self {
            Self::Sum => minute.sum() as f64,
            Self::SampleCount => minute.count() as f64,
            Self::Average => minute.sum() as f64 / minute.count().max(1) as f64,
            Self::Minimum => minute.values.first_key_value().map_or(0, |(value, _)| *value) as f64,
            Self::Maximum => minute.values.last_key_value().map_or(0, |(value, _)| *value) as f64,
            Self::Percentile(percentile) => minute.at_percentile(percentile) as f64,
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
}
