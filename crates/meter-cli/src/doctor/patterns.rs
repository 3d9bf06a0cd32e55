//! Tests the filter patterns on sample lines with CloudWatch Logs.

use access_log::log_format::{ALL_LINES_PATTERN, READABLE_LINES_PATTERN, subscription_filter_pattern};
use anyhow::Context;

use super::check::{Check, Finding};
use super::subject::Subject;

const PERMISSIONS: &str = "logs:TestMetricFilter";

pub const CHECKS: &[Check] = &[
    Check {
        name: "subscription_pattern",
        assumption: "the subscription delivers each line with the first digit of a billed status, in any JSON, and no other line",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(check_subscription(subject)),
    },
    Check {
        name: "all_lines_pattern",
        assumption: "an empty pattern matches every line",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(check(subject, ALL_LINES_PATTERN, |_| true)),
    },
    Check {
        name: "readable_lines_pattern",
        assumption: "a pattern on a member matches the lines that are JSON and have it",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(check(subject, READABLE_LINES_PATTERN, |line| line.is_readable)),
    },
];

/// A line with the expected results of the patterns.
struct Sample {
    line: &'static str,
    /// The first digit of the status, if there is one.
    status: Option<char>,
    is_readable: bool,
}

const fn sample(line: &'static str, status: Option<char>, is_readable: bool) -> Sample {
    Sample { line, status, is_readable }
}

const SAMPLES: [Sample; 12] = [
    // The documented format of both kinds of API.
    sample(
        r#"{"id":"a=","key":"k","time":"1764000000000","status":"200","ms":"3","method":"GET","route":"/pets","stage":"prod","api":"a"}"#,
        Some('2'),
        true,
    ),
    sample(
        r#"{"id":"a=","key":"k","time":"1764000000","status":"204","ms":"3","method":"GET","route":"GET /pets","stage":"$default","api":"a"}"#,
        Some('2'),
        true,
    ),
    sample(
        r#"{"id":"a=","key":"k","time":"1764000000000","status":"404","ms":"200","method":"GET","route":"/200","stage":"prod","api":"a"}"#,
        Some('4'),
        true,
    ),
    sample(
        r#"{"id":"a=","key":"-","time":"1764000000000","status":"-","ms":"-","method":"GET","route":"/pets","stage":"prod","api":"a"}"#,
        None,
        true,
    ),
    // The status as a number, alone, between spaces, and with long member names.
    sample(r#"{"status":201,"key":"k"}"#, Some('2'), true),
    sample(r#"{"status":"200"}"#, Some('2'), true),
    sample(r#"{ "status" : "299", "key" : "k" }"#, Some('2'), true),
    sample(
        r#"{"extendedRequestId":"a=","apiKeyId":"k","requestTimeEpoch":"1764000000000","status":"200","resourcePath":"/pets"}"#,
        Some('2'),
        true,
    ),
    sample(r#"{"status":500,"key":"k"}"#, Some('5'), true),
    // JSON that another member makes invalid, before and after the status.
    sample(r#"{"agent":"a "quoted" one","status":"200","key":"k"}"#, Some('2'), false),
    sample(r#"{"status":"200","key":"k","agent":"a "quoted" one"}"#, Some('2'), false),
    // No status at all.
    sample(r#"{"id":"a=","key":"k","time":"1764000000000"}"#, None, false),
];

async fn check_subscription(subject: &Subject) -> anyhow::Result<Finding> {
    let statuses = &subject.log.rules().billed_statuses;
    let digits = statuses.first_digits();
    let is_delivered = |sample: &Sample| sample.status.is_some_and(|status| digits.contains(status));
    check(subject, &subscription_filter_pattern(statuses), is_delivered).await
}

async fn check(
    subject: &Subject,
    pattern: &str,
    wanted: impl Fn(&Sample) -> bool,
) -> anyhow::Result<Finding> {
    let lines = SAMPLES.iter().map(|sample| sample.line.to_owned()).collect();
    let request = subject.target.logs.test_metric_filter().filter_pattern(pattern);
    let reply = request.set_log_event_messages(Some(lines)).send().await;
    let reply = reply.context("the pattern cannot be tested")?;
    // Events are numbered from 1.
    let matched: Vec<i64> = reply.matches().iter().map(|matched| matched.event_number).collect();
    Ok(finding(pattern, &matched, wanted))
}

fn finding(pattern: &str, matched: &[i64], wanted: impl Fn(&Sample) -> bool) -> Finding {
    let wrong: Vec<String> = SAMPLES
        .iter()
        .zip(1..)
        .filter(|(sample, number)| matched.contains(number) != wanted(sample))
        .map(|(sample, _)| {
            format!("{} {}", if wanted(sample) { "does not match" } else { "matches" }, sample.line)
        })
        .collect();
    if wrong.is_empty() {
        return Finding::ok(format!("`{pattern}` is right for {} sample lines", SAMPLES.len()));
    }
    Finding::is_false(
        format!("`{pattern}` {}", wrong.join("; it ")),
        "compare usage with `meter reconcile` and report this: the pattern has to be changed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn a_wrong_pattern_is_reported_with_its_lines() {
        let successful: Vec<i64> = SAMPLES
            .iter()
            .zip(1..)
            .filter(|(sample, _)| sample.status == Some('2'))
            .map(|(_, number)| number)
            .collect();
        assert_eq!(finding("p", &successful, |line| line.status == Some('2')).verdict, Verdict::Ok);
        let fewer = finding("p", &successful[1..], |line| line.status == Some('2'));
        assert!(
            fewer.verdict == Verdict::False && fewer.found.contains("does not match {\"id\""),
            "{fewer:?}"
        );
        let more = finding("p", &[successful.as_slice(), &[3]].concat(), |line| line.status == Some('2'));
        assert!(
            more.verdict == Verdict::False
                && more
                    .found
                    .contains(r#"matches {"id":"a=","key":"k","time":"1764000000000","status":"404""#),
            "{more:?}"
        );
    }
}
