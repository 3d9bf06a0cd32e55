//! Metrics in CloudWatch's embedded metric format: JSON lines on standard output
//! from which CloudWatch Logs extracts metrics.
//!
//! Source: CloudWatch User Guide, "Specification: Embedded metric format".

use std::collections::BTreeMap;

use deployment::names::METRIC_NAMESPACE;
use serde_json::{Map, Value, json};

/// Maximum number of values of a metric in a line.
pub const MAX_VALUES: usize = 100;

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    Milliseconds,
    Microseconds,
    Bytes,
}

impl Unit {
    /// Returns the name of the unit in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Microseconds => "Microseconds",
            Self::Bytes => "Bytes",
        }
    }
}

/// What CloudWatch does with the values of a metric. It charges each metric for every
/// hour in which the metric has a value.
///
/// Source: Amazon CloudWatch pricing, "Custom metrics": charges are prorated by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A widget or an alarm reads the metric, and it has values whenever the function runs.
    Usual,
    /// A widget or an alarm reads the metric, and it has values only while something is unusual.
    Exception,
    /// Nothing reads the metric. Its values are in the lines, where Logs Insights finds them,
    /// and CloudWatch does not extract them.
    Property,
}

/// The metrics of one function, as an enum.
pub trait Metric: Copy {
    /// Returns the name of the metric in CloudWatch.
    fn name(self) -> &'static str;
    /// Returns the unit in which its values are recorded.
    fn unit(self) -> Unit;
    /// Returns what CloudWatch does with its values.
    fn extraction(self) -> Use;
}

/// Declares the metrics of a function: an enum with the constant `ALL`, whose
/// variants have the metrics' names in CloudWatch. Each has a unit and a [`Use`],
/// `Usual` if none is given.
#[macro_export]
macro_rules! define_metrics {
    ($(#[$about:meta])* pub enum $metrics:ident { $($(#[$meaning:meta])* $metric:ident: $unit:ident $(as $use:ident)?,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $metrics {
            $($(#[$meaning])* $metric,)+
        }

        impl $metrics {
            /// All metrics, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$metric,)+];
        }

        impl $crate::telemetry::Metric for $metrics {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => stringify!($metric),)+
                }
            }

            fn unit(self) -> $crate::telemetry::Unit {
                match self {
                    $(Self::$metric => $crate::telemetry::Unit::$unit,)+
                }
            }

            fn extraction(self) -> $crate::telemetry::Use {
                match self {
                    $(Self::$metric => $crate::use_of!($($use)?),)+
                }
            }
        }
    };
}

/// Returns the [`Use`] that a metric is declared with.
#[doc(hidden)]
#[macro_export]
macro_rules! use_of {
    () => {
        $crate::telemetry::Use::Usual
    };
    ($use:ident) => {
        $crate::telemetry::Use::$use
    };
}

/// Metrics that are accumulated between two lines.
#[derive(Debug)]
pub struct Totals<M> {
    counts: BTreeMap<M, u64>,
    durations: BTreeMap<M, Vec<i64>>,
}

impl<M> Default for Totals<M> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), durations: BTreeMap::new() }
    }
}

impl<M: Metric + Ord> Totals<M> {
    /// Adds `count` to a counter.
    pub fn add(&mut self, metric: M, count: u64) {
        *self.counts.entry(metric).or_default() += count;
    }

    /// Returns the value of a counter.
    pub fn count(&self, metric: M) -> u64 {
        self.counts.get(&metric).copied().unwrap_or(0)
    }

    /// Records a duration in the metric's unit. A negative duration, which the
    /// clocks of two machines can yield, is recorded as 0.
    pub fn record_duration(&mut self, metric: M, duration: i64) {
        self.durations.entry(metric).or_default().push(duration.max(0));
    }

    /// Writes all counters and durations into a line.
    pub fn write(&mut self, line: &mut MetricLine) {
        for (&metric, &count) in &self.counts {
            line.value(metric, count);
        }
        for (&metric, values) in &mut self.durations {
            line.distribution(metric, values);
        }
    }
}

/// A line of metrics.
#[derive(Debug)]
pub struct MetricLine {
    timestamp_ms: i64,
    dimensions: Map<String, Value>,
    definitions: Vec<Value>,
    values: Map<String, Value>,
}

impl MetricLine {
    /// Returns a line of `service` in `environment`, with its time in milliseconds since 1970.
    pub fn new(service: &str, environment: &str, timestamp_ms: i64) -> Self {
        let mut dimensions = Map::new();
        dimensions.insert("Environment".to_owned(), json!(environment));
        dimensions.insert("Service".to_owned(), json!(service));
        Self { timestamp_ms, dimensions, definitions: Vec::new(), values: Map::new() }
    }

    /// Adds a metric with one value. Adds no zero of a metric whose use is not [`Use::Usual`]. An
    /// alarm on such a metric has to treat missing data as not breaching.
    pub fn value(&mut self, metric: impl Metric, value: u64) -> &mut Self {
        if value == 0 && metric.extraction() != Use::Usual {
            return self;
        }
        self.define(metric, json!(value))
    }

    /// Adds a metric with several values. Adds nothing if there are no values.
    pub fn distribution(&mut self, metric: impl Metric, values: &mut [i64]) -> &mut Self {
        if values.is_empty() {
            return self;
        }
        values.sort_unstable();
        self.define(metric, json!(representatives(values)))
    }

    /// Adds a property, which is searchable in the logs and not a metric.
    pub fn property(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    fn define(&mut self, metric: impl Metric, value: Value) -> &mut Self {
        if metric.extraction() != Use::Property {
            self.definitions.push(json!({"Name": metric.name(), "Unit": metric.unit().name()}));
        }
        self.values.insert(metric.name().to_owned(), value);
        self
    }

    /// Returns the line as JSON.
    pub fn to_json(&self) -> String {
        let dimension_names: Vec<&String> = self.dimensions.keys().collect();
        let mut line = Map::new();
        let directive = json!({"Namespace": METRIC_NAMESPACE, "Dimensions": [dimension_names], "Metrics": self.definitions});
        line.insert(
            "_aws".to_owned(),
            json!({"Timestamp": self.timestamp_ms, "CloudWatchMetrics": [directive]}),
        );
        line.extend(self.dimensions.clone());
        line.extend(self.values.clone());
        Value::Object(line).to_string()
    }

    /// Writes the line to standard output, which CloudWatch Logs reads.
    pub fn emit(&self) {
        use std::io::Write;
        let mut line = self.to_json();
        line.push('\n');
        // A single write keeps the line whole. A failure is ignored: counting
        // goes on without metrics.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}

/// Selects at most [`MAX_VALUES`] of the sorted values, evenly spaced and including both ends.
fn representatives(sorted: &[i64]) -> Vec<i64> {
    if sorted.len() <= MAX_VALUES {
        return sorted.to_vec();
    }
    (0..MAX_VALUES).map(|place| sorted[place * (sorted.len() - 1) / (MAX_VALUES - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    define_metrics! {
        /// Some metrics.
        pub enum Some {
            /// A count.
            Calls: Count,
            /// A duration.
            Wait: Milliseconds,
            /// A failure.
            Failures: Count as Exception,
            /// A detail.
            Details: Bytes as Property,
        }
    }

    #[test]
    fn a_metric_has_the_name_and_unit_that_it_is_declared_with() {
        let declared: Vec<_> =
            Some::ALL.iter().map(|metric| (metric.name(), metric.unit(), metric.extraction())).collect();
        assert_eq!(
            declared,
            [
                ("Calls", Unit::Count, Use::Usual),
                ("Wait", Unit::Milliseconds, Use::Usual),
                ("Failures", Unit::Count, Use::Exception),
                ("Details", Unit::Bytes, Use::Property),
            ]
        );
    }

    #[test]
    fn cloudwatch_extracts_neither_zeros_of_exceptions_nor_properties() {
        let mut totals = Totals::default();
        totals.add(Some::Calls, 2);
        totals.add(Some::Failures, 0);
        totals.add(Some::Details, 7);
        let mut line = MetricLine::new("consumer", "test", 5);
        totals.write(&mut line);
        let line: Value = serde_json::from_str(&line.to_json()).unwrap();
        let extracted = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(*extracted, json!([{"Name": "Calls", "Unit": "Count"}]));
        assert_eq!((&line["Calls"], &line["Details"], line.get("Failures")), (&json!(2), &json!(7), None));
    }

    #[test]
    fn a_line_has_the_form_that_cloudwatch_reads() {
        let mut line = MetricLine::new("consumer", "test", 5);
        line.value(Some::Calls, 3).property("reasons", json!({"bad": 1}));
        let line: Value = serde_json::from_str(&line.to_json()).unwrap();
        assert_eq!(
            line,
            json!({
                "_aws": {"Timestamp": 5, "CloudWatchMetrics": [{
                    "Namespace": "UsageMeter", "Dimensions": [["Environment", "Service"]],
                    "Metrics": [{"Name": "Calls", "Unit": "Count"}],
                }]},
                "Environment": "test", "Service": "consumer", "Calls": 3, "reasons": {"bad": 1},
            })
        );
    }

    #[test]
    fn what_has_to_be_escaped_is_and_distributions_stay_in_order() {
        let mut line = MetricLine::new("consumer", "a \"b\"", -5);
        line.distribution(Some::Wait, &mut []).distribution(Some::Wait, &mut [3, -1, 2]);
        line.value(Some::Calls, u64::MAX).property("a \"name\"", json!("one\ntwo"));
        let text = line.to_json();
        assert!(!text.contains('\n'), "one line: {text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["Environment"], "a \"b\"");
        assert_eq!(line["Wait"], json!([-1, 2, 3]));
        assert_eq!(line["Calls"], u64::MAX);
        assert_eq!(line["a \"name\""], "one\ntwo");
        let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(
            *metrics,
            json!([{"Name": "Wait", "Unit": "Milliseconds"}, {"Name": "Calls", "Unit": "Count"}])
        );
    }

    #[test]
    fn a_long_distribution_keeps_its_ends_and_its_shape() {
        let values: Vec<i64> = (0..1000).collect();
        let kept = representatives(&values);
        assert_eq!((kept.len(), kept[0], kept[99]), (MAX_VALUES, 0, 999));
        assert!(kept.is_sorted());
    }
}
