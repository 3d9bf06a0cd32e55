//! Checks that the deployed filters have the patterns of this version.

use access_log::log_format::{ALL_LINES_PATTERN, READABLE_LINES_PATTERN, subscription_filter_pattern};
use anyhow::Context;
use aws_sdk_cloudwatchlogs::types::SubscriptionFilter;
use deployment::names::METRIC_NAMESPACE;

use super::check::{Check, Finding};
use super::subject::Subject;

const ADVICE: &str = "deploy the stack again, or set the filter as docs/OPERATION.md describes";

pub const CHECKS: &[Check] = &[
    Check {
        name: "deployed_subscription_filter",
        assumption: "each log group has a subscription filter to the stream, with the pattern of this version",
        permissions: "logs:DescribeSubscriptionFilters",
        run: |subject| Box::pin(subscription_filters(subject)),
    },
    Check {
        name: "deployed_metric_filters",
        assumption: "each log group has the metric filters that count its lines, with the patterns of this version",
        permissions: "logs:DescribeMetricFilters",
        run: |subject| Box::pin(metric_filters(subject)),
    },
];

/// Builds the finding from the list of problems, and the text for no problems.
fn finding(wrong: &[String], right: String) -> Finding {
    if wrong.is_empty() { Finding::ok(right) } else { Finding::is_false(wrong.join("; "), ADVICE) }
}

async fn subscription_filters(subject: &Subject) -> anyhow::Result<Finding> {
    let stream = format!(":stream/{}", subject.target.stream());
    let wanted = subscription_filter_pattern(&subject.log.rules().billed_statuses);
    let mut wrong = Vec::new();
    for log_group in subject.log.log_groups() {
        // A log group has at most two subscription filters, so that one page has all.
        let reply =
            subject.target.logs.describe_subscription_filters().log_group_name(log_group).send().await;
        let reply =
            reply.with_context(|| format!("the subscription filters of {log_group} cannot be read"))?;
        let is_to_stream =
            |filter: &&SubscriptionFilter| filter.destination_arn().is_some_and(|arn| arn.ends_with(&stream));
        let patterns: Vec<&str> = reply
            .subscription_filters()
            .iter()
            .filter(is_to_stream)
            .map(|filter| filter.filter_pattern().unwrap_or_default())
            .collect();
        match patterns.as_slice() {
            [] => {
                wrong.push(format!("{log_group} has no subscription filter to {}", subject.target.stream()));
            }
            [pattern] if *pattern == wanted => {}
            [pattern] => {
                wrong.push(format!("{log_group} has the subscription filter `{pattern}`, not `{wanted}`"));
            }
            patterns => wrong.push(format!("{log_group} is delivered {} times", patterns.len())),
        }
    }
    let groups = subject.log.log_groups().len();
    Ok(finding(&wrong, format!("{groups} log group(s) with `{wanted}`")))
}

async fn metric_filters(subject: &Subject) -> anyhow::Result<Finding> {
    let mut wrong = Vec::new();
    for log_group in subject.log.log_groups() {
        for (metric, wanted) in
            [("LoggedLines", ALL_LINES_PATTERN), ("ReadableLines", READABLE_LINES_PATTERN)]
        {
            let metric = format!("{metric}-{}", subject.target.meter.names.environment);
            let request = subject.target.logs.describe_metric_filters().metric_namespace(METRIC_NAMESPACE);
            let mut filters = request.metric_name(&metric).into_paginator().items().send();
            let mut patterns = Vec::new();
            while let Some(filter) = filters.next().await {
                let filter = filter.context("the metric filters cannot be read")?;
                if filter.log_group_name() == Some(log_group) {
                    patterns.push(filter.filter_pattern.unwrap_or_default());
                }
            }
            if patterns != [wanted] {
                let patterns = patterns.join("` and `");
                wrong.push(format!("{metric} is counted from {log_group} by `{patterns}`, not `{wanted}`"));
            }
        }
    }
    Ok(finding(
        &wrong,
        format!("LoggedLines and ReadableLines of {} log group(s)", subject.log.log_groups().len()),
    ))
}
