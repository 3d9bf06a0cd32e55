//! Compares measured traffic with the assumptions of the cost model.

use cost_model::{Capacity, Workload, capacity::MONTH_S};
use deployment::functions::CONSUMER;

use super::check::{Check, Finding};
use super::subject::Subject;

const METRICS: &str = "cloudwatch:GetMetricData";
/// Minimum number of events for a comparison.
const MIN_EVENTS: f64 = 1_000.0;
/// Factor by which a measured number may differ from the assumption.
const TOLERANCE_FACTOR: f64 = 1.5;
const MINUTE_S: f64 = 60.0;

pub const CHECKS: &[Check] = &[
    Check {
        name: "events_per_record",
        assumption: "CloudWatch Logs puts as many events into a record as the cost model assumes",
        permissions: METRICS,
        run: |subject| Box::pin(events_per_record(subject)),
    },
    Check {
        name: "stream_bytes_per_event",
        assumption: "an event has as many bytes in the stream, compressed, as the cost model assumes",
        permissions: METRICS,
        run: |subject| Box::pin(stream_bytes(subject)),
    },
    Check {
        name: "line_bytes",
        assumption: "a line of the access log has as many bytes as the cost model assumes",
        permissions: METRICS,
        run: |subject| Box::pin(line_bytes(subject)),
    },
];

/// Billed calls, each of which is a log event, and records on the stream.
struct Consumed {
    events: f64,
    records: f64,
    /// A month at the measured rate.
    workload: Workload,
}

impl Consumed {
    async fn read(subject: &Subject) -> anyhow::Result<Self> {
        let by_minute = subject.of_function(CONSUMER, "BillableCalls", "Sum").await?;
        let stream = ("StreamName", subject.target.stream());
        let records = subject.sum(("AWS/Kinesis", "IncomingRecords"), stream).await?;
        let events: f64 = by_minute.iter().sum();
        // The size of deliveries depends on the rate while there are calls, so idle minutes are not counted.
        let minutes = by_minute.iter().filter(|events| **events > 0.0).map(|_| 1.0).sum::<f64>().max(1.0);
        let workload = Workload::new((events / (minutes * MINUTE_S) * MONTH_S).max(1.0), 1.0);
        Ok(Self { events, records, workload })
    }
}

async fn events_per_record(subject: &Subject) -> anyhow::Result<Finding> {
    let consumed = Consumed::read(subject).await?;
    let capacity = Capacity::from_workload(&consumed.workload);
    let measured = Measured {
        noun: "events per record",
        value: consumed.events / consumed.records,
        assumed: capacity.calls / capacity.records,
        events: consumed.events,
        option: Some("--events-per-record"),
    };
    Ok(measured.finding(subject.target.is_local()))
}

async fn stream_bytes(subject: &Subject) -> anyhow::Result<Finding> {
    let consumed = Consumed::read(subject).await?;
    let stream = ("StreamName", subject.target.stream());
    let bytes = subject.sum(("AWS/Kinesis", "IncomingBytes"), stream).await?;
    let events = consumed.events / consumed.records;
    let measured = Measured {
        noun: "bytes per event in the stream",
        value: bytes / consumed.events,
        assumed: consumed.workload.record_bytes(events) / events,
        events: consumed.events,
        option: None,
    };
    Ok(measured.finding(subject.target.is_local()))
}

async fn line_bytes(subject: &Subject) -> anyhow::Result<Finding> {
    let lines = subject.lines("LoggedLines", subject.from_ms).await?;
    let mut bytes = 0.0;
    for log_group in subject.log.log_groups() {
        bytes += subject.sum(("AWS/Logs", "IncomingBytes"), ("LogGroupName", log_group)).await?;
    }
    let assumed = Workload::new(1.0, 1.0).line_bytes;
    let option = Some("--line-bytes");
    let measured = Measured { noun: "bytes per line", value: bytes / lines, assumed, events: lines, option };
    Ok(measured.finding(subject.target.is_local()))
}

/// A measured number with its assumption.
struct Measured {
    noun: &'static str,
    value: f64,
    assumed: f64,
    /// Number of events of which the value is the mean.
    events: f64,
    /// Option of `meter cost` that takes the value.
    option: Option<&'static str>,
}

impl Measured {
    fn finding(&self, is_local: bool) -> Finding {
        let Self { noun, value, assumed, events, option } = self;
        if *events < MIN_EVENTS || !value.is_finite() {
            return Finding::unknown(
                format!("{events:.0} events are too few to measure {noun}"),
                format!("make {MIN_EVENTS:.0} calls at a usual rate, or check more --hours"),
            );
        }
        let found = format!("{value:.1} {noun}, {assumed:.1} assumed");
        if is_local {
            let why = "the delivery of a local stack depends on its settings";
            return Finding::skipped(format!("{found}; {why}"), "");
        }
        let ratio = value / assumed;
        if (1.0 / TOLERANCE_FACTOR..=TOLERANCE_FACTOR).contains(&ratio) {
            return Finding::ok(found);
        }
        let advice = match option {
            Some(option) => format!("calculate the cost with `meter cost {option} {value:.1}`"),
            None => {
                format!(
                    "multiply the part `stream` of `meter cost` by {ratio:.1} if the stream is billed by bytes"
                )
            }
        };
        Finding::is_false(format!("{found}: the cost page is wrong by a factor of {ratio:.2}"), advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn finding(value: f64, events: f64, is_local: bool) -> Finding {
        let option = Some("--events-per-record");
        Measured { noun: "events per record", value, assumed: 30.0, events, option }.finding(is_local)
    }

    #[test]
    fn what_differs_by_half_makes_the_cost_page_wrong_and_names_the_option() {
        for value in [20.1, 30.0, 44.9] {
            assert_eq!(finding(value, 5_000.0, false).verdict, Verdict::Ok, "{value}");
        }
        let more = finding(3.0, 5_000.0, false);
        assert_eq!(more.verdict, Verdict::False);
        assert!(more.found.ends_with("the cost page is wrong by a factor of 0.10"), "{more:?}");
        assert_eq!(more.advice, "calculate the cost with `meter cost --events-per-record 3.0`");
        assert_eq!(finding(46.0, 5_000.0, false).verdict, Verdict::False);
    }

    #[test]
    fn too_few_events_and_a_local_stack_give_no_verdict() {
        assert_eq!(finding(3.0, 999.0, false).verdict, Verdict::Unknown);
        assert_eq!(finding(f64::NAN, 5_000.0, false).verdict, Verdict::Unknown);
        let local = finding(3.0, 5_000.0, true);
        assert!(
            local.verdict == Verdict::Skipped && local.found.contains("3.0 events per record"),
            "{local:?}"
        );
    }
}
