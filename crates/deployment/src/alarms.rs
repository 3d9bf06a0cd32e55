//! The deployed alarms, as data.
//!
//! `alarms.json` has the alarms of the environment `local`. `cargo run -p dev -- generate` writes it.

use serde::Deserialize;
use serde_json::Value;

/// An alarm. It goes off while more than its threshold was measured in enough of the last periods.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Alarm {
    /// The name without the environment, as in `freshness`.
    pub id: String,
    /// The condition under which the alarm goes off, as a sentence.
    pub description: String,
    /// Name of the runbook in `docs/runbooks`, without `.md`.
    pub runbook: String,
    pub threshold: f64,
    /// Length of a period, in seconds.
    pub period_s: i64,
    /// Number of the last periods that are evaluated.
    pub periods: usize,
    /// Number of these periods in which the threshold has to be exceeded.
    pub breaching_periods: usize,
    /// `true` if a period without data counts as one in which the threshold is exceeded.
    pub is_missing_data_breaching: bool,
    /// `true` if a percentile of too few samples is not evaluated.
    pub ignores_few_samples: bool,
    /// Queries in the form of `GetMetricData`, one of which returns data.
    pub queries: Vec<Value>,
}

/// Returns the alarms of the environment `local`.
pub fn alarms() -> Vec<Alarm> {
    serde_json::from_str(include_str!("alarms.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployed_alarms_are_understood() {
        let alarms = alarms();
        let freshness = alarms.iter().find(|alarm| alarm.id == "freshness").unwrap();
        assert_eq!(
            (freshness.threshold, freshness.period_s, freshness.periods, freshness.breaching_periods),
            (60_000.0, 60, 5, 2)
        );
        assert_eq!(freshness.queries[0]["MetricStat"]["Stat"], "p99");
        for alarm in &alarms {
            let returning = alarm.queries.iter().filter(|query| query["ReturnData"] != false);
            assert_eq!(returning.count(), 1, "{alarm:?}");
            let is_resolved =
                |query: &Value| !["\"Ref\":", "Fn::"].iter().any(|part| query.to_string().contains(part));
            assert!(alarm.queries.iter().all(is_resolved), "{alarm:?}");
        }
    }
}
