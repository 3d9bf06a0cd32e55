//! `meter reconcile`, `status` and `stream`, against a stack that loses log events or counts wrongly.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::meter::{Local, documented, meter, stdout};
use local_stack::stack::{ACCESS_LOG_GROUP, USAGE_TABLE};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::ledger_items::{FINGERPRINT, rows_of_partition};
use metering_core::call_id::CallId;
use metering_core::fingerprint::Fingerprint;
use metering_core::metered_key::MeteredKey;
use serde_json::{Value, json};
use system_clock::now_ms;

/// Runs a command on a stack and returns whether it succeeded and its output.
fn run(local: &Local, arguments: &[&str]) -> (bool, String) {
    let output = meter(&[arguments, &["--data", local.data.to_str().unwrap()]].concat());
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

/// Compares the ledger with the access log in this and the previous hour.
fn compared(local: &Local) -> Value {
    let data = local.data.to_str().unwrap();
    let arguments =
        ["reconcile", "--hours", "2", "--with-this-hour", "--whole-ledger", "--json", "--data", data];
    let output = meter(&arguments);
    let found = documented("reconcile", &output.stdout);
    assert_eq!(output.status.success(), found["differences"] == json!([]), "{found}");
    found
}

#[test]
fn what_never_arrived_on_the_stream_is_found_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let traffic = |calls| stdout(&meter(&["traffic", "--calls", calls, "--data", data.to_str().unwrap()]));
    let backfill = ["reconcile", "--hours", "2", "--with-this-hour", "--backfill", "--settle-minutes", "0"];
    // No delivery arrives, so no call can be in transit during the comparison.
    let losing = Local::start_with(&data, &["--lose-deliveries", "100"]);
    traffic("2000");
    assert_eq!(compared(&losing)["missing"], 1_400);
    let (succeeded, printed) = run(&losing, &["reconcile", "--hours", "2", "--with-this-hour"]);
    assert!(!succeeded && printed.contains("drift-and-backfill"), "{printed}");
    let (_, printed) = run(&losing, &backfill[..5]);
    assert!(printed.contains("1400 calls of the last 15 minutes were skipped"), "{printed}");
    let (succeeded, printed) = run(&losing, &backfill);
    assert!(succeeded && printed.contains("1400 of 1400 calls have no owner; 1400 were put"), "{printed}");
    // Another operator does the same while the first backfill is in transit.
    let (succeeded, printed) = run(&losing, &backfill);
    assert!(succeeded, "{printed}");
    while compared(&losing)["missing"] != 0 {}
    let (_, printed) = run(&losing, &backfill);
    assert!(printed.contains("0 of 1400 calls have no owner"), "{printed}");
    drop(losing);
    // Calls that were delivered have owners and are not backfilled.
    let local = Local::start(&data);
    traffic("100");
    while compared(&local)["missing"] != 0 {}
    let (_, printed) = run(&local, &backfill);
    assert!(printed.contains("0 of 1470 calls have no owner"), "{printed}");
    let found = compared(&local);
    assert_eq!((&found["logged"], &found["counted"]), (&1_470.into(), &1_470.into()));
}

/// Counts the first call in the place of the second: the ledger keeps its numbers.
///
/// The stored sum grows by the difference of the hashes modulo 2⁶⁴, because the ledger holds no negative sum.
async fn count_twice_in_the_place_of_another(local: &Local, key: &str, calls: [CallId; 2]) {
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let rows = rows_of_partition(&client, USAGE_TABLE, &MeteredKey::without_customer(key))
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    let [first, second] = calls.map(|call| Fingerprint::of(call).number());
    client
        .update_item()
        .table_name(USAGE_TABLE)
        .set_key(Some(["pk", "sk"].map(|name| (name.to_owned(), rows[0][name].clone())).into()))
        .update_expression(format!("ADD {FINGERPRINT} :other"))
        .expression_attribute_values(":other", AttributeValue::N(first.wrapping_sub(second).to_string()))
        .send()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_counted_twice_in_the_place_of_a_lost_one_is_found_by_identity() {
    let folder = tempfile::tempdir().unwrap();
    // One shard, so that one row counts both calls.
    let local = Local::start_with(folder.path(), &["--shards", "1"]);
    let time_ms = now_ms();
    let events = ["a", "b"].map(|id| {
        let line = json!({"id": id, "key": "k", "time": time_ms, "status": "200", "route": "/orders"});
        InputLogEvent::builder().message(line.to_string()).timestamp(time_ms).build().unwrap()
    });
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    logs.create_log_stream().log_group_name(ACCESS_LOG_GROUP).log_stream_name("s").send().await.unwrap();
    let lines = logs.put_log_events().log_group_name(ACCESS_LOG_GROUP).log_stream_name("s");
    lines.set_log_events(Some(events.into())).send().await.unwrap();
    while compared(&local)["counted"] != 2 {}

    let by_identity = ["reconcile", "--hours", "2", "--with-this-hour", "--by-identity"];
    let (succeeded, printed) = run(&local, &by_identity);
    assert!(succeeded && printed.contains("with other calls: 0."), "{printed}");
    let calls = ["a", "b"].map(|id| CallId::new(id, time_ms));
    count_twice_in_the_place_of_another(&local, "k", calls).await;
    let (succeeded, printed) = run(&local, &[&by_identity[..4], &["--by-key"]].concat());
    assert!(succeeded && printed.contains("They agree"), "the numbers are right: {printed}");
    let (succeeded, printed) = run(&local, &by_identity);
    assert!(!succeeded && printed.contains("with other calls: 1."), "{printed}");
    assert!(printed.contains("keys and days with other calls than those of the access log: 1"), "{printed}");
    let data = local.data.to_str().unwrap();
    let output = meter(&[&by_identity[..], &["--json", "--data", data]].concat());
    let found = documented("reconcile", &output.stdout);
    assert_eq!((&found["counted"], &found["differences"]), (&json!(2), &json!([])), "{found}");
    assert_eq!(found["identities"]["other_calls"][0]["api_key_id"], json!("k"), "{found}");
}

#[test]
fn the_dashboard_and_the_stream_are_printed_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    stdout(&meter(&["traffic", "--calls", "100", "--data", local.data.to_str().unwrap()]));
    let counted = || {
        let (_, printed) = run(&local, &["status", "--only", "billable", "--json"]);
        let printed = documented("status", printed.as_bytes());
        printed[0]["lines"][0]["latest"].as_f64()
    };
    while counted().is_none() {}
    let (succeeded, printed) = run(&local, &["status", "--only", "freshness"]);
    assert!(succeeded && printed.contains("Freshness p99") && !printed.contains("Quarantine"), "{printed}");
    assert!(!printed.contains("above the limit"), "{printed}");
    let (succeeded, printed) = run(&local, &["status", "--only", "weather"]);
    assert!(!succeeded && printed.contains("no graph of the dashboard"), "{printed}");
    let (succeeded, printed) = run(&local, &["stream", "reshard", "--shards", "4"]);
    assert!(succeeded && printed.contains("From 2 to 4"), "{printed}");
    assert!(run(&local, &["stream", "show"]).1.contains("open shards  4"));
    let (succeeded, printed) = run(&local, &["stream", "reshard", "--shards", "9"]);
    assert!(!succeeded && printed.contains("cannot have 9 shards"), "{printed}");
}
