//! `meter doctor`, on a stack whose assumptions are true, and on stacks that violate each.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{Distribution, InputLogEvent, MetricTransformation};
use end_to_end::meter::{Local, documented, meter, stdout};
use jiff::Timestamp;
use local_stack::stack::ACCESS_LOG_GROUP;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use serde_json::Value;
use system_clock::now_ms;

const STREAM: &str = "of-the-test";

fn make_calls(local: &Local, calls: &str) {
    stdout(&meter(&["traffic", "--calls", calls, "--data", local.data.to_str().unwrap()]));
}

/// Runs `meter doctor`, and returns whether it succeeded and each check's finding.
fn doctor(local: &Local) -> (bool, BTreeMap<String, Value>) {
    let data = local.data.to_str().unwrap();
    let output = meter(&["doctor", "--settle-minutes", "0", "--json", "--data", data]);
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let findings = documented("doctor", &output.stdout);
    let findings = findings.as_array().unwrap().iter();
    let by_name = findings.map(|finding| (finding["check"].as_str().unwrap().to_owned(), finding.clone()));
    (output.status.success(), by_name.collect())
}

/// Returns the names of the checks with this verdict.
fn with_verdict<'f>(findings: &'f BTreeMap<String, Value>, verdict: &str) -> Vec<&'f str> {
    findings
        .iter()
        .filter(|(_, finding)| finding["verdict"] == verdict)
        .map(|(name, _)| name.as_str())
        .collect()
}

async fn logs(local: &Local) -> (Client, String) {
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    (Client::new(&config), ACCESS_LOG_GROUP.to_owned())
}

/// Puts lines into the access log, as if API Gateway had written them.
async fn put_lines(local: &Local, lines: &[String]) {
    let (logs, group) = logs(local).await;
    logs.create_log_stream().log_group_name(&group).log_stream_name(STREAM).send().await.unwrap();
    let at_ms = now_ms();
    let events =
        lines.iter().map(|line| InputLogEvent::builder().timestamp(at_ms).message(line).build().unwrap());
    let request = logs.put_log_events().log_group_name(&group).log_stream_name(STREAM);
    request.set_log_events(Some(events.collect())).send().await.unwrap();
}

#[test]
fn on_a_stack_that_works_nothing_is_false_and_what_cannot_be_seen_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let (succeeded, idle) = doctor(&local);
    assert!(succeeded && with_verdict(&idle, "false").is_empty(), "{idle:#?}");
    for name in ["insights_hour_grouping", "unique_request_ids", "subscription_delivers", "line_bytes"] {
        assert_eq!(idle[name]["verdict"], "unknown", "{idle:#?}");
        assert_ne!(idle[name]["advice"], "", "{idle:#?}");
    }
    make_calls(&local, "2000");
    local.wait_for_calls(1);
    let findings = loop {
        let (succeeded, findings) = doctor(&local);
        // The metrics of the last deliveries arrive a little later.
        if with_verdict(&findings, "unknown").is_empty() && succeeded {
            break findings;
        }
        let allowed = ["subscription_delivers"];
        assert!(with_verdict(&findings, "false").iter().all(|name| allowed.contains(name)), "{findings:#?}");
    };
    let skipped = ["canary_freshness", "events_per_record", "line_bytes", "stream_bytes_per_event"];
    assert_eq!(with_verdict(&findings, "skipped"), skipped);
    assert_eq!(with_verdict(&findings, "ok").len() + skipped.len(), findings.len(), "{findings:#?}");
    // The measured value is printed with the assumption of the cost model.
    assert!(findings["line_bytes"]["found"].as_str().unwrap().contains("bytes per line, "), "{findings:#?}");
    let data = local.data.to_str().unwrap();
    let printed = stdout(&meter(&["doctor", "--only", "pattern", "--data", data]));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[1].starts_with("ok       subscription_pattern"), "{printed}");
    assert_eq!(lines.last().copied(), Some("3 ok, 0 false, 0 unknown, 0 skipped."), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_another_version_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let (logs, group) = logs(&local).await;
    let deployed = logs.describe_subscription_filters().log_group_name(&group).send().await.unwrap();
    let filter = &deployed.subscription_filters()[0];
    let request = logs.put_subscription_filter().log_group_name(&group).distribution(Distribution::Random);
    let request = request.filter_name(filter.filter_name().unwrap()).role_arn(filter.role_arn().unwrap());
    let request = request.destination_arn(filter.destination_arn().unwrap());
    request.filter_pattern("{ $.status = 2* }").send().await.unwrap();
    let (succeeded, findings) = doctor(&local);
    assert!(!succeeded);
    assert_eq!(with_verdict(&findings, "false"), ["deployed_subscription_filter"], "{findings:#?}");
    let finding = &findings["deployed_subscription_filter"];
    assert!(finding["found"].as_str().unwrap().contains("{ $.status = 2* }"), "{finding}");

    let metric =
        MetricTransformation::builder().metric_namespace("UsageMeter").metric_name("ReadableLines-local");
    let metric = metric.metric_value("1").default_value(0.0).build().unwrap();
    let request = logs.put_metric_filter().log_group_name(&group).filter_name("ReadableLines-local");
    request.filter_pattern("").metric_transformations(metric).send().await.unwrap();
    let (_, findings) = doctor(&local);
    let both = ["deployed_metric_filters", "deployed_subscription_filter"];
    assert_eq!(with_verdict(&findings, "false"), both, "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_share_an_identity_have_no_epoch_or_cannot_be_read_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let epoch = now_ms();
    let line = |id: &str| {
        format!(
            r#"{{"id":"{id}","key":"key-1","time":"{epoch}","status":"200","method":"GET","route":"/a"}}"#
        )
    };
    let mut lines = vec![line("one="), line("two="), line("one=")];
    let request_time = Timestamp::from_millisecond(epoch).unwrap().strftime("%d/%b/%Y:%H:%M:%S +0000");
    lines.push(format!(
        r#"{{"id":"three=","key":"key-1","requestTime":"{request_time}","status":"200","method":"GET","route":"/a"}}"#
    ));
    lines.push(r#"{"id":"four=","agent":"a "quoted" one","status":"200"}"#.to_owned());
    put_lines(&local, &lines).await;
    let wanted = ["insights_rows_without_hour", "lines_readable", "unique_request_ids"];
    let findings = loop {
        let (succeeded, findings) = doctor(&local);
        assert!(!succeeded);
        if wanted.iter().all(|name| findings[*name]["verdict"] == "false")
            && findings["subscription_delivers"]["verdict"] == "ok"
        {
            break findings;
        }
    };
    assert_eq!(with_verdict(&findings, "false"), wanted, "{findings:#?}");
    let found = |name: &str| findings[name]["found"].as_str().unwrap().to_owned();
    assert!(found("unique_request_ids").starts_with("2 lines have the request id one="), "{findings:#?}");
    assert_eq!(found("insights_rows_without_hour"), "1 of 4 calls have no epoch");
    assert_eq!(found("lines_readable"), "4 of 5 lines of the last day");
}

#[test]
fn deliveries_that_are_lost_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start_with(folder.path(), &["--lose-deliveries", "100"]);
    make_calls(&local, "200");
    let (succeeded, findings) = doctor(&local);
    assert!(!succeeded);
    assert_eq!(with_verdict(&findings, "false"), ["subscription_delivers"], "{findings:#?}");
    let advice = findings["subscription_delivers"]["advice"].as_str().unwrap();
    assert!(advice.contains("meter reconcile --backfill"), "{advice}");
}
