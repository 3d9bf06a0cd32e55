//! The states of the deployed alarms, from the metrics of a running stack.

use std::collections::BTreeSet;

use deployment::alarms::Alarm;
use deployment::names::METRIC_NAMESPACE;
use serde::Serialize;
use serde_json::Value;

use super::expression::Series;
use super::{MetricName, MetricStore, QueryError, metric_data, metric_name};

/// Number of periods in which the latest value is looked for, beside those that are evaluated.
const EARLIER_PERIODS: i64 = 24;

/// The state of an alarm, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    Ok,
    Alarm,
    /// This machine does not measure what the alarm is about, or has not yet.
    InsufficientData,
}

/// An alarm with its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluatedAlarm {
    pub id: String,
    pub description: String,
    /// Name of the runbook, without `.md`.
    pub runbook: String,
    pub state: AlarmState,
    pub threshold: f64,
    /// The latest value that was measured.
    pub value: Option<f64>,
    /// Start of its period, in milliseconds since 1970.
    pub at_ms: Option<i64>,
}

/// The range of the metrics that this machine records.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Time from which values count as missing, in milliseconds since 1970.
    pub since_ms: i64,
    /// The services that do not run. An earlier run may have left values of theirs.
    pub absent_services: &'static [&'static str],
}

/// Returns the alarms with their states at `now_ms`, in milliseconds since 1970.
pub fn evaluate(
    store: &MetricStore,
    alarms: Vec<Alarm>,
    measured: Measured,
    now_ms: i64,
) -> Vec<EvaluatedAlarm> {
    let known: BTreeSet<MetricName> = store.names().into_iter().collect();
    let evaluate = |alarm: Alarm| {
        // What cannot be evaluated has no values and no state.
        let found = values(store, &alarm, now_ms).ok();
        let evaluated = found.as_ref().filter(|_| is_measured(&alarm, &known, measured.absent_services));
        let state = evaluated
            .map_or(AlarmState::InsufficientData, |values| state(&alarm, values, measured.since_ms, now_ms));
        let latest = found.as_ref().and_then(Series::last_key_value).map(|(at_ms, value)| (*at_ms, *value));
        EvaluatedAlarm {
            id: alarm.id,
            description: alarm.description,
            runbook: alarm.runbook,
            state,
            threshold: alarm.threshold,
            value: latest.map(|(_, value)| value),
            at_ms: latest.map(|(at_ms, _)| at_ms),
        }
    };
    alarms.into_iter().map(evaluate).collect()
}

/// Returns `true` if missing values of the alarm's metrics mean that there was nothing to measure. A function
/// emits its metrics only when they have values. The services emit theirs from the first use on. Where missing
/// values set off the alarm, what emits them has to run.
fn is_measured(alarm: &Alarm, known: &BTreeSet<MetricName>, absent_services: &[&str]) -> bool {
    let mut metrics = alarm.queries.iter().filter(|query| query["MetricStat"].is_object());
    let is_known = |query: &Value| {
        let name = metric_name(&query["MetricStat"]["Metric"]);
        let is_of_function = name.namespace == METRIC_NAMESPACE && !alarm.is_missing_data_breaching;
        let service = name.dimensions.get("Service");
        let is_absent = service.is_some_and(|service| absent_services.contains(&service.as_str()));
        is_of_function || (known.contains(&name) && !is_absent)
    };
    // A query in SQL names its metrics in its text. This machine has none of them.
    alarm.queries.iter().any(|query| query["MetricStat"].is_object()) && metrics.all(is_known)
}

/// Returns the values of the evaluated periods and of those before them.
///
/// # Errors
/// Returns an error when a query of the alarm is malformed or not supported.
fn values(store: &MetricStore, alarm: &Alarm, now_ms: i64) -> Result<Series, QueryError> {
    let period_ms = alarm.period_s * 1_000;
    let periods = i64::try_from(alarm.periods).unwrap_or(1) + EARLIER_PERIODS;
    let from_ms = (now_ms.div_euclid(period_ms) - periods) * period_ms;
    let data = metric_data(store, &alarm.queries, from_ms, now_ms)?;
    let mut values = data.into_iter().next().map(|data| data.values).unwrap_or_default();
    if alarm.ignores_few_samples {
        let stat = &alarm.queries[0]["MetricStat"];
        let name = metric_name(&stat["Metric"]);
        let samples = store.statistic(&name, "SampleCount", period_ms, from_ms, now_ms).unwrap_or_default();
        let least = least_samples(stat["Stat"].as_str().unwrap_or_default());
        values.retain(|at_ms, _| samples.get(at_ms).is_some_and(|samples| *samples >= least));
    }
    Ok(values)
}

/// Returns the number of samples from which a percentile is evaluated.
///
/// Source: CloudWatch User Guide, "Percentile-based alarms and low data samples": 10/(1-percentile) for
/// percentiles between 0.5 and 1.
fn least_samples(statistic: &str) -> f64 {
    let percentile = statistic.strip_prefix('p').and_then(|text| text.parse::<f64>().ok());
    percentile.map_or(0.0, |percentile| 10.0 / (1.0 - percentile / 100.0))
}

/// Returns the state from the last periods: those that are over, and the present one once it has a value.
fn state(alarm: &Alarm, values: &Series, since_ms: i64, now_ms: i64) -> AlarmState {
    let period_ms = alarm.period_s * 1_000;
    let present_ms = now_ms.div_euclid(period_ms) * period_ms;
    let last_ms = if values.contains_key(&present_ms) { present_ms } else { present_ms - period_ms };
    let periods = (0..).map(|before: i64| last_ms - before * period_ms).take(alarm.periods);
    let is_breaching = |at_ms: &i64| match values.get(at_ms) {
        Some(value) => *value > alarm.threshold,
        None => alarm.is_missing_data_breaching && *at_ms >= since_ms,
    };
    if periods.filter(is_breaching).count() >= alarm.breaching_periods {
        AlarmState::Alarm
    } else {
        AlarmState::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployment::alarms::alarms;
    use deployment::functions::CANARY;
    use deployment::names::local::QUARANTINE_QUEUE;

    const MINUTE_MS: i64 = 60_000;
    /// A full minute, an hour after the start of the epoch's day.
    const NOW_MS: i64 = 61 * MINUTE_MS;

    fn since(since_ms: i64) -> Measured {
        Measured { since_ms, absent_services: &[] }
    }

    fn state_of(store: &MetricStore, id: &str, since_ms: i64) -> AlarmState {
        state_with(store, id, since(since_ms))
    }

    fn state_with(store: &MetricStore, id: &str, measured: Measured) -> AlarmState {
        let evaluated = evaluate(store, alarms(), measured, NOW_MS);
        evaluated.into_iter().find(|alarm| alarm.id == id).unwrap().state
    }

    fn consumer(name: &str) -> MetricName {
        MetricName::new(METRIC_NAMESPACE, name, [("Environment", "local"), ("Service", "usage-consumer")])
    }

    #[test]
    fn an_alarm_is_on_while_enough_of_the_last_periods_are_above_the_threshold() {
        let store = MetricStore::default();
        assert_eq!(state_of(&store, "freshness", 0), AlarmState::Ok, "no calls, nothing is late");
        let late = |minutes_ago: i64| {
            store.record(consumer("Freshness"), NOW_MS - minutes_ago * MINUTE_MS, [60_001]);
        };
        late(6);
        late(5);
        assert_eq!(state_of(&store, "freshness", 0), AlarmState::Ok, "six minutes ago is past");
        late(1);
        assert_eq!(state_of(&store, "freshness", 0), AlarmState::Alarm);
        let evaluated = evaluate(&store, alarms(), since(0), NOW_MS);
        let late = evaluated.into_iter().find(|alarm| alarm.id == "freshness");
        assert_eq!(
            late.map(|alarm| (alarm.value, alarm.at_ms)),
            Some((Some(60_001.0), Some(NOW_MS - MINUTE_MS)))
        );
    }

    #[test]
    fn what_this_machine_does_not_measure_has_no_state() {
        let store = MetricStore::default();
        let is_unknown = |id| state_of(&store, id, 0) == AlarmState::InsufficientData;
        assert!(
            is_unknown("delivery-failed") && is_unknown("quarantine") && is_unknown("consumer-throttled")
        );
        let queue = [("QueueName", QUARANTINE_QUEUE)];
        let depth = MetricName::new("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue);
        store.record(depth.clone(), NOW_MS - MINUTE_MS, [0]);
        assert_eq!(state_of(&store, "quarantine", 0), AlarmState::Ok);
        store.record(depth, NOW_MS, [1]);
        assert_eq!(state_of(&store, "quarantine", 0), AlarmState::Ok, "the present period has not begun");
    }

    #[test]
    fn missing_data_sets_off_an_alarm_only_if_it_says_so_and_since_the_start() {
        let store = MetricStore::default();
        let canary = [("Environment", "local"), ("Service", CANARY)];
        for name in ["CanaryMisses", "CanaryFailures"] {
            store.record(MetricName::new(METRIC_NAMESPACE, name, canary), NOW_MS - 10 * MINUTE_MS, [0]);
        }
        assert_eq!(state_of(&store, "canary-missed", 0), AlarmState::Alarm);
        assert_eq!(state_of(&store, "canary-missed", NOW_MS - 2 * MINUTE_MS), AlarmState::Ok, "just started");
        let without_canary = Measured { since_ms: 0, absent_services: &[CANARY] };
        let state = state_with(&store, "canary-missed", without_canary);
        assert_eq!(state, AlarmState::InsufficientData, "an earlier run had the canary, this one has not");
    }

    #[test]
    fn an_alarm_that_cannot_be_evaluated_has_no_state() {
        let mut freshness = alarms();
        freshness.retain(|alarm| alarm.id == "freshness");
        freshness[0].queries[0]["MetricStat"]["Stat"] = "Mode".into();
        let evaluated = evaluate(&MetricStore::default(), freshness, since(0), NOW_MS);
        assert_eq!(evaluated[0].state, AlarmState::InsufficientData);
    }

    #[test]
    fn a_percentile_of_few_samples_is_not_evaluated() {
        let store = MetricStore::default();
        let decisions = [("Environment", "local"), ("Service", "api-authorizer")];
        let decisions = MetricName::new(METRIC_NAMESPACE, "DecisionDuration", decisions);
        let slow = |times| {
            for minute in 1..=3 {
                store.record(decisions.clone(), NOW_MS - minute * MINUTE_MS, vec![600_000; times]);
            }
            state_of(&store, "authorizer-latency", 0)
        };
        assert_eq!(slow(998), AlarmState::Ok);
        assert_eq!(slow(2), AlarmState::Alarm, "a thousand samples are enough");
    }

    #[test]
    fn every_alarm_can_be_evaluated() {
        let store = MetricStore::default();
        for alarm in alarms().iter().filter(|alarm| !alarm.queries[0].to_string().contains("SELECT")) {
            let evaluated = metric_data(&store, &alarm.queries, 0, NOW_MS);
            assert!(evaluated.is_ok(), "{}: {evaluated:?}", alarm.id);
        }
    }
}
