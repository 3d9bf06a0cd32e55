//! Tests the filter patterns on sample lines with CloudWatch Logs.

use access_log::log_format::{ALL_LINES_PATTERN, READABLE_LINES_PATTERN, SUBSCRIPTION_FILTER_PATTERN};
use anyhow::Context;

use super::check::{Check, Finding};
use super::subject::Subject;

const PERMISSIONS: &str = "logs:TestMetricFilter";

pub const CHECKS: &[Check] = &[
    Check {
        name: "subscription_pattern",
        assumption: "the subscription delivers each line with a status of 200 to 299, in any JSON, and no other line",
        permissions: PERMISSIONS,
        run: |subject| Box::pin(check(subject, SUBSCRIPTION_FILTER_PATTERN, |line| line.is_successful)),
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
    is_successful: bool,
    is_readable: bool,
}

const fn sample(line: &'static str, is_successful: bool, is_readable: bool) -> Sample {
    Sample { line, is_successful, is_readable }
}

const SAMPLES: [Sample; 12] = [
    // The documented format of both kinds of API.
    sample(
        r#"{"id":"a=","key":"k","time":"1764000000000","status":"200","ms":"3","method":"GET","route":"/pets","stage":"prod","api":"a"}"#,
        true,
        true,
    ),
    sample(
        r#"{"id":"a=","key":"k","time":"1764000000","status":"204","ms":"3","method":"GET","route":"GET /pets","stage":"$default","api":"a"}"#,
        true,
        true,
    ),
    sample(
        r#"{"id":"a=","key":"k","time":"1764000000000","status":"404","ms":"200","method":"GET","route":"/200","stage":"prod","api":"a"}"#,
        false,
        true,
    ),
    sample(
        r#"{"id":"a=","key":"-","time":"1764000000000","status":"-","ms":"-","method":"GET","route":"/pets","stage":"prod","api":"a"}"#,
        false,
        true,
    ),
    // The status as a number, alone, between spaces, and with long member names.
    sample(r#"{"status":201,"key":"k"}"#, true, true),
    sample(r#"{"status":"200"}"#, true, true),
    sample(r#"{ "status" : "299", "key" : "k" }"#, true, true),
    sample(
        r#"{"extendedRequestId":"a=","apiKeyId":"k","requestTimeEpoch":"1764000000000","status":"200","resourcePath":"/pets"}"#,
        true,
        true,
    ),
    sample(r#"{"status":500,"key":"k"}"#, false, true),
    // JSON that another member makes invalid, before and after the status.
    sample(r#"{"agent":"a "quoted" one","status":"200","key":"k"}"#, true, false),
    sample(r#"{"status":"200","key":"k","agent":"a "quoted" one"}"#, true, false),
    // No status at all.
    sample(r#"{"id":"a=","key":"k","time":"1764000000000"}"#, false, false),
];

async fn check(subject: &Subject, pattern: &str, wanted: fn(&Sample) -> bool) -> anyhow::Result<Finding> {
    let lines = SAMPLES.iter().map(|sample| sample.line.to_owned()).collect();
    let request = subject.target.logs.test_metric_filter().filter_pattern(pattern);
    let reply = request.set_log_event_messages(Some(lines)).send().await;
    let reply = reply.context("the pattern cannot be tested")?;
    // Events are numbered from 1.
    let matched: Vec<i64> = reply.matches().iter().map(|matched| matched.event_number).collect();
    Ok(finding(pattern, &matched, wanted))
}

fn finding(pattern: &str, matched: &[i64], wanted: fn(&Sample) -> bool) -> Finding {
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
            .filter(|(sample, _)| sample.is_successful)
            .map(|(_, number)| number)
            .collect();
        assert_eq!(finding("p", &successful, |line| line.is_successful).verdict, Verdict::Ok);
        let fewer = finding("p", &successful[1..], |line| line.is_successful);
        assert!(
            fewer.verdict == Verdict::False && fewer.found.contains("does not match {\"id\""),
            "{fewer:?}"
        );
        let more = finding("p", &[successful.as_slice(), &[3]].concat(), |line| line.is_successful);
        assert!(
            more.verdict == Verdict::False
                && more
                    .found
                    .contains(r#"matches {"id":"a=","key":"k","time":"1764000000000","status":"404""#),
            "{more:?}"
        );
    }
}
