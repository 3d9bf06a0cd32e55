//! Compares independent counts of the calls on their way to the consumer.

use deployment::functions::{CANARY, CONSUMER};
use metering_aws::call_log::LOGGING_DELAY_MS;

use super::check::{Check, Finding};
use super::subject::Subject;

const METRICS: &str = "cloudwatch:GetMetricData";
/// Promised time from a call until the ledger shows it, in milliseconds.
const FRESHNESS_MS: f64 = 60_000.0;
#[expect(clippy::cast_precision_loss, reason = "the delay is a few minutes")]
const DELAY_BOUND_MS: f64 = LOGGING_DELAY_MS as f64;

pub const CHECKS: &[Check] = &[
    Check {
        name: "subscription_delivers",
        assumption: "CloudWatch Logs delivers what the subscription filter matches",
        permissions: "logs:StartQuery, logs:GetQueryResults and cloudwatch:GetMetricData",
        run: |subject| Box::pin(deliveries(subject)),
    },
    Check {
        name: "function_metrics_arrive",
        assumption: "CloudWatch extracts metrics from the lines in embedded metric format that a function with JSON logging writes",
        permissions: METRICS,
        run: |subject| Box::pin(function_metrics(subject)),
    },
    Check {
        name: "delivery_delay",
        assumption: "a line is delivered within the time after which its hour is compared, 15 minutes",
        permissions: METRICS,
        run: |subject| Box::pin(delivery_delay(subject)),
    },
    Check {
        name: "lines_readable",
        assumption: "each line of the last day is JSON with a status",
        permissions: METRICS,
        run: |subject| Box::pin(readable(subject)),
    },
    Check {
        name: "canary_freshness",
        assumption: "the ledger shows a call within 60 seconds",
        permissions: METRICS,
        run: |subject| Box::pin(canary(subject)),
    },
];

/// Compares roughly, to a factor of two: the metric includes whole minutes that only overlap with the span.
/// `meter reconcile` compares exactly.
async fn deliveries(subject: &Subject) -> anyhow::Result<Finding> {
    #[expect(clippy::cast_precision_loss, reason = "the comparison is rough")]
    let logged = subject.counted_twice().await?.plainly as f64;
    let mut read = 0.0;
    for metric in ["BillableCalls", "SkippedNoApiKey", "DuplicateCalls"] {
        read += subject.sum_of_function(CONSUMER, metric).await?;
    }
    let found = format!("{logged} calls with a billed status in the access log, {read} read by the consumer");
    if logged == 0.0 {
        return Ok(Finding::unknown(found, "make some calls, or check more --hours"));
    }
    if read * 2.0 >= logged {
        return Ok(Finding::ok(found));
    }
    Ok(Finding::is_false(
        found,
        "see the check deployed_subscription_filter and docs/runbooks/delivery-failed.md; then `meter reconcile --backfill` puts the calls on the stream",
    ))
}

async fn function_metrics(subject: &Subject) -> anyhow::Result<Finding> {
    let stream = ("StreamName", subject.target.stream());
    let put = subject.sum(("AWS/Kinesis", "IncomingRecords"), stream).await?;
    let batches: f64 = subject.of_function(CONSUMER, "BillableCalls", "SampleCount").await?.iter().sum();
    let found = format!("{put} records on the stream, {batches} batches in the metrics of the consumer");
    Ok(if batches > 0.0 {
        Finding::ok(found)
    } else if put == 0.0 {
        Finding::unknown(found, "make some calls, or check more --hours")
    } else {
        Finding::is_false(
            found,
            "search the log of the consumer for lines with _aws; if there are any, CloudWatch does not extract metrics from them, and no alarm can work",
        )
    })
}

async fn delivery_delay(subject: &Subject) -> anyhow::Result<Finding> {
    let delays = subject.of_function(CONSUMER, "LogDeliveryDelay", "Maximum").await?;
    Ok(delay(delays.into_iter().reduce(f64::max)))
}

fn delay(longest_ms: Option<f64>) -> Finding {
    let Some(longest_ms) = longest_ms else {
        return Finding::unknown("no delivery was measured", "make some calls, or check more --hours");
    };
    let found = format!("{:.1} s at most", longest_ms / 1e3);
    if longest_ms > DELAY_BOUND_MS {
        return Finding::is_false(
            found,
            "the reconciler compares hours too soon: a difference may disappear later",
        );
    }
    if longest_ms > FRESHNESS_MS {
        return Finding {
            advice: "usage takes more than 60 seconds to appear when CloudWatch Logs is this late".to_owned(),
            ..Finding::ok(found)
        };
    }
    Finding::ok(found)
}

async fn readable(subject: &Subject) -> anyhow::Result<Finding> {
    let logged = subject.lines("LoggedLines", subject.day_ago_ms()).await?;
    let readable = subject.lines("ReadableLines", subject.day_ago_ms()).await?;
    let found = format!("{readable} of {logged} lines of the last day");
    Ok(if logged == 0.0 {
        Finding::unknown(found, "make some calls; if there were calls, see the check deployed_metric_filters")
    } else if readable < logged {
        Finding::is_false(
            found,
            "set the access-log format of docs/OPERATION.md for the stage, and see `meter quarantine list`",
        )
    } else {
        Finding::ok(found)
    })
}

async fn canary(subject: &Subject) -> anyhow::Result<Finding> {
    let calls: f64 = subject.of_function(CANARY, "CanaryMisses", "SampleCount").await?.iter().sum();
    let misses = subject.sum_of_function(CANARY, "CanaryMisses").await?;
    let failures = subject.sum_of_function(CANARY, "CanaryFailures").await?;
    let slowest_ms =
        subject.of_function(CANARY, "CanaryFreshness", "Maximum").await?.into_iter().reduce(f64::max);
    Ok(fresh(calls, misses, failures, slowest_ms))
}

fn fresh(calls: f64, misses: f64, failures: f64, slowest_ms: Option<f64>) -> Finding {
    if calls == 0.0 {
        return Finding::skipped(
            "no canary has called",
            "deploy the canary to measure freshness from outside",
        );
    }
    let slowest_s = slowest_ms.map_or_else(|| "none".to_owned(), |ms| format!("{:.1} s", ms / 1e3));
    let found =
        format!("{calls} calls, {misses} not shown in time, {failures} refused, the slowest {slowest_s}");
    match slowest_ms {
        _ if misses > 0.0 => Finding::is_false(found, "see docs/runbooks/canary.md"),
        Some(slowest_ms) if slowest_ms > FRESHNESS_MS => {
            Finding::is_false(found, "find the slow part with `meter status --only freshness`")
        }
        None => Finding::unknown(found, "read the log of the canary"),
        Some(_) => Finding::ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn a_delay_counts_from_when_hours_are_compared() {
        assert_eq!(delay(None).verdict, Verdict::Unknown);
        assert_eq!(delay(Some(3_000.0)), Finding::ok("3.0 s at most"));
        let late = delay(Some(61_000.0));
        assert!(late.verdict == Verdict::Ok && !late.advice.is_empty());
        assert_eq!(delay(Some(DELAY_BOUND_MS + 1.0)).verdict, Verdict::False);
    }

    #[test]
    fn a_canary_that_misses_or_is_slow_makes_freshness_false() {
        assert_eq!(fresh(0.0, 0.0, 0.0, None).verdict, Verdict::Skipped);
        assert_eq!(fresh(60.0, 0.0, 0.0, Some(20_000.0)).verdict, Verdict::Ok);
        assert_eq!(fresh(60.0, 1.0, 0.0, Some(20_000.0)).verdict, Verdict::False);
        assert_eq!(fresh(60.0, 0.0, 0.0, Some(60_001.0)).verdict, Verdict::False);
        assert_eq!(fresh(60.0, 0.0, 60.0, None).verdict, Verdict::Unknown);
    }
}
