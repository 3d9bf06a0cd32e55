//! `meter --aws ENVIRONMENT` with a local stack in place of AWS: resource names are derived from the environment's name,
//! and endpoint, region and credentials come from the shell.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;
use std::process::{Command, Output};

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use bytes::Bytes;
use end_to_end::binaries;
use end_to_end::caller::Caller;
use end_to_end::calls::options;
use end_to_end::meter::{documented, has_row, stdout};
use local_stack::stack::{ACCESS_LOG_GROUP, CLAIMS_TABLE, LocalStack};
use metering_aws::ReconciliationStore;
use metering_aws::connection::{COMMAND_RETRY_POLICY, LOCAL_REGION, load_local};
use metering_core::billing_rules::BillingRules;
use metering_core::ports::ComparedHours;
use serde_json::{Value, json};
use system_clock::now_ms;

/// The access log of an API that the gateway does not serve.
const SECOND_GROUP: &str = "/aws/api-gateway/second-api";
/// The bucket of given-up records, whose name contains the account and the region of the stream.
const GIVEN_UP_BUCKET: &str = "usage-given-up-local-123456789012-us-east-1";

/// Runs `meter` with environment variables that point to the stack.
async fn run(stack: &LocalStack, arguments: &[&str]) -> Output {
    let mut command = Command::new(binaries().join("meter"));
    command
        .args(arguments)
        .args(["--aws", "local"])
        .env("AWS_ENDPOINT_URL", &stack.endpoints.aws_endpoint_url)
        .env("AWS_REGION", LOCAL_REGION)
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn meter_output(stack: &LocalStack, arguments: &[&str]) -> String {
    stdout(&run(stack, arguments).await)
}

async fn refused(stack: &LocalStack, arguments: &[&str], words: &str) {
    let output = run(stack, arguments).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(words), "{arguments:?}: {text}");
}

/// Runs `meter reconcile` for this and the previous hour.
async fn compared(stack: &LocalStack, more: &[&str]) -> Value {
    let arguments = [&["reconcile", "--json", "--with-this-hour", "--hours", "2"], more].concat();
    documented("reconcile", &run(stack, &arguments).await.stdout)
}

/// Calls the gateway with a demo key, and waits until the calls are counted.
async fn make_calls(stack: &LocalStack, calls: usize) {
    let caller = Caller::new(stack);
    for _ in 0..calls {
        assert_eq!(caller.call(&stack.keys[0].api_key).await.0, 200);
    }
    stack.settled().await.unwrap();
}

/// Puts lines into a log group that no subscription delivers.
async fn log_elsewhere(stack: &LocalStack, lines: &[Value]) {
    let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    logs.create_log_group().log_group_name(SECOND_GROUP).send().await.unwrap();
    logs.create_log_stream().log_group_name(SECOND_GROUP).log_stream_name("s").send().await.unwrap();
    let event = |line: &Value| InputLogEvent::builder().message(line.to_string()).timestamp(now_ms()).build();
    let events = lines.iter().map(|line| event(line).unwrap()).collect();
    let request = logs.put_log_events().log_group_name(SECOND_GROUP).log_stream_name("s");
    request.set_log_events(Some(events)).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_compared_as_its_reconciler_compares_it() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path(), 1)).await.unwrap();
    make_calls(&stack, 3).await;
    for command in ["reconcile", "doctor"] {
        refused(&stack, &[command], "the reconciler of local has not run yet").await;
        refused(
            &stack,
            &[command, "--access-log-group", ACCESS_LOG_GROUP],
            "with --access-log-group, --billed-statuses and --unbilled",
        )
        .await;
    }
    stack.reconciler.invoke(Bytes::from_static(b"{}")).await.unwrap();
    let found = compared(&stack, &[]).await;
    assert_eq!((&found["logged"], &found["counted"]), (&json!(3), &json!(3)), "{found}");

    // A later version has another log group, another unbilled route and another billed status.
    let line = |id: &str, status: u16, route: &str| json!({"id": id, "key": "k", "time": now_ms(), "status": status.to_string(), "route": route});
    log_elsewhere(&stack, &[line("a", 200, "/orders"), line("b", 200, "/free"), line("c", 304, "/orders")])
        .await;
    let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let store = ReconciliationStore::new(aws_sdk_dynamodb::Client::new(&config), CLAIMS_TABLE);
    let groups = [ACCESS_LOG_GROUP, SECOND_GROUP].map(str::to_owned);
    let rules =
        BillingRules { billed_statuses: "200-299,304".parse().unwrap(), unbilled: "/free".parse().unwrap() };
    store.start_run(&groups, &rules, now_ms()).await.unwrap();
    let found = compared(&stack, &[]).await;
    assert_eq!((&found["logged"], &found["missing"]), (&json!(5), &json!(2)), "{found}");
    // Options take precedence over the reconciler's notes.
    let found = compared(&stack, &["--access-log-group", SECOND_GROUP, "--unbilled", "/orders"]).await;
    assert_eq!((&found["logged"], &found["missing"]), (&json!(1), &json!(1)), "{found}");
    let found = compared(&stack, &["--billed-statuses", "304"]).await;
    assert_eq!(found["logged"], json!(1), "{found}");
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resources_of_an_environment_are_found_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path(), 1)).await.unwrap();
    make_calls(&stack, 2).await;
    let key = stack.keys[0].api_key_id.as_str();
    assert!(has_row(&meter_output(&stack, &["usage", key]).await, &["total", "2"]));
    assert!(meter_output(&stack, &["keys", "list"]).await.ends_with("1 key\n"));
    // The rotation is in the table, in the invalidation log and on the topic.
    let rotated = meter_output(&stack, &["keys", "rotate", key, "--json"]).await;
    let rotated = documented("keys-rotate", rotated.as_bytes());
    assert_eq!(rotated["message_published"], true, "{rotated}");
    let log = meter_output(&stack, &["keys", "check-log", "--json"]).await;
    assert_eq!(documented("keys-check-log", log.as_bytes())["is_behind"], false);
    assert!(meter_output(&stack, &["keys", "check-log"]).await.contains("Nothing needs to be done"));
    assert!(meter_output(&stack, &["stream", "show"]).await.contains("usage-local"));
    assert!(meter_output(&stack, &["status"]).await.contains("latest"));
    assert_eq!(meter_output(&stack, &["quarantine", "list"]).await, "0 records in quarantine.\n");
    stack.reconciler.invoke(Bytes::from_static(b"{}")).await.unwrap();
    let doctor = meter_output(&stack, &["doctor", "--only", "deployed"]).await;
    assert!(doctor.ends_with("2 ok, 0 false, 0 unknown, 0 skipped.\n"), "{doctor}");
    let backfill = compared(&stack, &["--backfill", "--settle-minutes", "0"]).await;
    assert_eq!(backfill["backfill"]["missing"], 0, "meter reads the claims of the environment: {backfill}");
    stack.shut_down().await;
}

/// Returns the invocation record of a batch of one record, as Lambda writes it.
fn invocation_record() -> String {
    let record = json!({
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": "7", "data": "e30=",
            "approximateArrivalTimestamp": 1_795_000_100.123},
        "eventID": "shardId-000000000000:7", "eventSource": "aws:kinesis",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/usage-local",
    });
    json!({
        "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 7},
        "version": "1.0", "timestamp": "2026-11-18T12:30:00.000Z",
        "KinesisBatchInfo": {"shardId": "shardId-000000000000", "batchSize": 1},
        "payload": json!({"Records": [record]}).to_string(),
    })
    .to_string()
}

/// Creates an object in a bucket of a local stack, where each object is a file.
fn make_object(buckets: &Path, bucket: &str, key: &str, content: &str) {
    let file = buckets.join(bucket).join(key);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_found_in_the_bucket_of_account_and_region() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), 1);
    let buckets = options.data_folder.join("s3");
    let stack = LocalStack::start(options).await.unwrap();
    make_object(&buckets, GIVEN_UP_BUCKET, "aws/lambda/mapping/batch", &invocation_record());
    let list = meter_output(&stack, &["given-up", "list"]).await;
    assert!(list.ends_with("1 batch with 1 record given up.\n"), "{list}");
    assert_eq!(meter_output(&stack, &["given-up", "put-back"]).await, "1 record put back on the stream.\n");
    assert_eq!(meter_output(&stack, &["given-up", "list"]).await, "0 batches with 0 records given up.\n");
    stack.shut_down().await;
}
