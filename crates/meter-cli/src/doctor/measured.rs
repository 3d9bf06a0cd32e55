//! What the cost model assumes of traffic, beside what is measured.

use cost_model::{Capacity, Workload, capacity::MONTH_S};

use super::CONSUMER;
use super::check::{Check, Finding};
use super::subject::Subject;

const METRICS: &str = "cloudwatch:GetMetricData";
/// With fewer calls, nothing is told of what is usual.
const FEWEST: f64 = 1_000.0;
/// By how much a number may differ from what is assumed.
const FACTOR: f64 = 1.5;
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

/// What the consumer took.
struct Taken {
    events: f64,
    records: f64,
    /// The same rate all month.
    workload: Workload,
}

impl Taken {
    async fn of(subject: &Subject) -> anyhow::Result<Self> {
        let by_minute = subject.of_function(CONSUMER, "Events", "Sum").await?;
        let records = subject.sum_of_function(CONSUMER, "Records").await?;
        let events: f64 = by_minute.iter().sum();
        // How deliveries are filled depends on the rate while there are calls.
        let minutes = by_minute.iter().filter(|events| **events > 0.0).map(|_| 1.0).sum::<f64>().max(1.0);
        let workload = Workload::new((events / (minutes * MINUTE_S) * MONTH_S).max(1.0), 1.0);
        Ok(Self { events, records, workload })
    }
}

async fn events_per_record(subject: &Subject) -> anyhow::Result<Finding> {
    let taken = Taken::of(subject).await?;
    let capacity = Capacity::from_workload(&taken.workload);
    let measured = Measured {
        what: "events a record",
        is: taken.events / taken.records,
        assumed: capacity.calls / capacity.records,
        of: taken.events,
        option: Some("--events-per-record"),
    };
    Ok(measured.judged(subject.target.is_local()))
}

async fn stream_bytes(subject: &Subject) -> anyhow::Result<Finding> {
    let taken = Taken::of(subject).await?;
    let stream = ("StreamName", subject.target.stream.as_str());
    let bytes = subject.sum(("AWS/Kinesis", "IncomingBytes"), stream).await?;
    let events = taken.events / taken.records;
    let measured = Measured {
        what: "bytes an event in the stream",
        is: bytes / taken.events,
        assumed: taken.workload.record_bytes(events) / events,
        of: taken.events,
        option: None,
    };
    Ok(measured.judged(subject.target.is_local()))
}

async fn line_bytes(subject: &Subject) -> anyhow::Result<Finding> {
    let lines = subject.lines("LoggedLines", subject.from_ms).await?;
    let mut bytes = 0.0;
    for log_group in subject.log.log_groups() {
        bytes += subject.sum(("AWS/Logs", "IncomingBytes"), ("LogGroupName", log_group)).await?;
    }
    let assumed = Workload::new(1.0, 1.0).line_bytes;
    let option = Some("--line-bytes");
    let measured = Measured { what: "bytes a line", is: bytes / lines, assumed, of: lines, option };
    Ok(measured.judged(subject.target.is_local()))
}

/// A number that was measured.
struct Measured {
    what: &'static str,
    is: f64,
    assumed: f64,
    /// How many events it is the mean of.
    of: f64,
    /// The option of `meter cost` that takes it.
    option: Option<&'static str>,
}

impl Measured {
    fn judged(&self, is_local: bool) -> Finding {
        let Self { what, is, assumed, of, option } = self;
        if *of < FEWEST || !is.is_finite() {
            return Finding::unknown(
                format!("{of:.0} events are too few to say how many {what} are usual"),
                format!("make {FEWEST:.0} calls at a usual rate, or look at more --hours"),
            );
        }
        let found = format!("{is:.1} {what}, {assumed:.1} assumed");
        if is_local {
            let why = "a local stack delivers as its settings say";
            return Finding::skipped(format!("{found}; {why}"), "");
        }
        let times = is / assumed;
        if (1.0 / FACTOR..=FACTOR).contains(&times) {
            return Finding::ok(found);
        }
        let advice = match option {
            Some(option) => format!("work out the cost with `meter cost {option} {is:.1}`"),
            None => {
                format!("take the part `stream` of `meter cost` times {times:.1} where it is paid by bytes")
            }
        };
        Finding::is_false(format!("{found}: the cost page is wrong by a factor of {times:.2}"), advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn judged(is: f64, of: f64, is_local: bool) -> Finding {
        Measured { what: "events a record", is, assumed: 30.0, of, option: Some("--events-per-record") }
            .judged(is_local)
    }

    #[test]
    fn what_differs_by_half_makes_the_cost_page_wrong_and_names_the_option() {
        for is in [20.1, 30.0, 44.9] {
            assert_eq!(judged(is, 5_000.0, false).verdict, Verdict::Ok, "{is}");
        }
        let more = judged(3.0, 5_000.0, false);
        assert_eq!(more.verdict, Verdict::False);
        assert!(more.found.ends_with("the cost page is wrong by a factor of 0.10"), "{more:?}");
        assert_eq!(more.advice, "work out the cost with `meter cost --events-per-record 3.0`");
        assert_eq!(judged(46.0, 5_000.0, false).verdict, Verdict::False);
    }

    #[test]
    fn too_few_events_and_a_local_stack_tell_nothing() {
        assert_eq!(judged(3.0, 999.0, false).verdict, Verdict::Unknown);
        assert_eq!(judged(f64::NAN, 5_000.0, false).verdict, Verdict::Unknown);
        let local = judged(3.0, 5_000.0, true);
        assert!(
            local.verdict == Verdict::Skipped && local.found.contains("3.0 events a record"),
            "{local:?}"
        );
    }
}
