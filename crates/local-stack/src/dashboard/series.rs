//! The lines of a graph on common periods, with gaps where a period has no value.

use serde_json::{Value, json};

use crate::cloudwatch::MetricData;

/// The lines of a graph.
#[derive(Debug)]
pub struct Lines {
    /// Starts of the periods, in milliseconds since 1970.
    times_ms: Vec<i64>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    label: String,
    /// `true` if the values are sums, so that a period without a value has the sum 0.
    is_sum: bool,
    values: Vec<Option<f64>>,
}

impl Lines {
    /// Returns lines without values for the queries that return data. Their periods are those that overlap
    /// `from_ms..to_ms`.
    pub fn new(queries: &[Value], from_ms: i64, to_ms: i64) -> Self {
        let returned = || queries.iter().filter(|query| query["ReturnData"] != false);
        let period_ms = returned().filter_map(period_ms).min().unwrap_or(60_000);
        let start_ms = from_ms.div_euclid(period_ms) * period_ms;
        let step = usize::try_from(period_ms).unwrap_or(60_000);
        let times_ms: Vec<i64> = (start_ms..to_ms).step_by(step).collect();
        let line = |query: &Value| Line {
            label: String::new(),
            is_sum: query["MetricStat"]["Stat"] == "Sum",
            values: vec![None; times_ms.len()],
        };
        let lines = returned().map(line).collect();
        Self { times_ms, lines }
    }

    /// Returns the start of the first period, in milliseconds since 1970.
    pub fn start_ms(&self) -> i64 {
        self.times_ms.first().copied().unwrap_or_default()
    }

    /// Sets the values of the lines, in the order of the queries. A sum that has values is 0 in each other
    /// period that is over.
    pub fn fill(&mut self, data: &[MetricData]) {
        for (line, data) in self.lines.iter_mut().zip(data) {
            line.label.clone_from(&data.label);
            for (value, time_ms) in line.values.iter_mut().zip(&self.times_ms) {
                *value = data.values.get(time_ms).copied();
            }
            if line.is_sum
                && !data.values.is_empty()
                && let Some((_, over)) = line.values.split_last_mut()
            {
                for value in over {
                    *value = value.or(Some(0.0));
                }
            }
        }
    }

    /// Returns the data as the page reads it.
    pub fn document(&self) -> Value {
        let lines = self.lines.iter().map(
            |Line { label, is_sum, values }| json!({"label": label, "is_sum": is_sum, "values": values}),
        );
        json!({"times_ms": self.times_ms, "lines": lines.collect::<Vec<_>>()})
    }
}

fn period_ms(query: &Value) -> Option<i64> {
    let period_s = query["MetricStat"]["Period"].as_i64().or(query["Period"].as_i64())?;
    (period_s > 0).then_some(period_s * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudwatch::expression::Series;

    fn filled(query: &Value, values: impl IntoIterator<Item = (i64, f64)>) -> Value {
        let mut lines = Lines::new(std::slice::from_ref(query), 90_000, 300_001);
        let values: Series = values.into_iter().collect();
        lines.fill(&[MetricData { id: "a".to_owned(), label: "A".to_owned(), values }]);
        lines.document()
    }

    #[test]
    fn a_period_without_a_value_is_a_gap_in_a_level_and_zero_in_a_sum() {
        let query = |stat: &str| json!({"Id": "a", "MetricStat": {"Stat": stat, "Period": 60}});
        let values = [(120_000, 5.0), (240_000, 7.0)];
        let level = filled(&query("p99"), values);
        assert_eq!(level["times_ms"], json!([60_000, 120_000, 180_000, 240_000, 300_000]));
        assert_eq!(level["lines"][0]["values"], json!([null, 5.0, null, 7.0, null]));
        let sum = filled(&query("Sum"), values);
        assert_eq!(sum["lines"][0]["values"], json!([0.0, 5.0, 0.0, 7.0, null]), "the last is not over");
        assert_eq!(filled(&query("Sum"), [])["lines"][0]["values"], json!([null, null, null, null, null]));
    }

    #[test]
    fn queries_that_return_no_data_have_no_line() {
        let queries = [
            json!({"Id": "a", "ReturnData": false, "MetricStat": {"Stat": "Sum", "Period": 60}}),
            json!({"Id": "b", "Expression": "a / 2", "Period": 3_600}),
        ];
        let lines = Lines::new(&queries, 4_000_000, 4_000_001);
        assert_eq!((lines.start_ms(), lines.lines.len()), (3_600_000, 1));
        assert!(!lines.lines[0].is_sum);
    }
}
