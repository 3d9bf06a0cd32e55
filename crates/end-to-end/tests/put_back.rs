//! `meter` puts back records that could not be counted, and records that Lambda gave up.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use deployment::environment::variables;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Output;

use aws_sdk_kinesis::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use end_to_end::calls::options;
use end_to_end::calls::usage_by_key_id;
use end_to_end::meter::{documented, meter, stdout};
use flate2::Compression;
use flate2::write::GzEncoder;
use local_stack::stack::{LocalStack, STREAM};
use metering_core::usage_history::DayUsage;
use metering_core::window::DAY_MS;
use serde_json::{Value, json};
use system_clock::now_ms;

fn gzip(data: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn envelope(name: &str, lines: &[Value]) -> Vec<u8> {
    let event = |(index, line): (usize, &Value)| json!({"id": format!("{name}-{index:050}"), "timestamp": 1, "message": line.to_string()});
    let events: Vec<Value> = lines.iter().enumerate().map(event).collect();
    let envelope =
        json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": name, "logEvents": events});
    gzip(&envelope.to_string())
}

fn call(number: usize, key: &Value, requested_at_ms: i64) -> Value {
    json!({
        "extendedRequestId": format!("Jk3fGhX1iYcFWAQ={number}"), "apiKeyId": key, "status": "200",
        "requestTimeEpoch": requested_at_ms.to_string(), "requestTime": "24/Nov/2026:08:34:30 +0000",
        "responseLatency": "12", "httpMethod": "GET", "resourcePath": "/orders/{id}", "stage": "prod", "apiId": "abc",
    })
}

async fn put(stack: &LocalStack, data: Vec<u8>) {
    let put = stack.kinesis_client.put_record().stream_name(STREAM).partition_key("p").data(Blob::new(data));
    put.send().await.unwrap();
}

async fn totals(stack: &LocalStack) -> BTreeMap<String, u64> {
    let usage = usage_by_key_id(&stack.ledger_client).await;
    usage.into_iter().map(|(key, days)| (key, days.values().map(DayUsage::total).sum())).collect()
}

/// Runs `meter` on the running stack of a folder.
async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let data = folder.join("data").to_str().unwrap().to_owned();
    let arguments: Vec<String> =
        arguments.iter().map(|argument| (*argument).to_owned()).chain(["--data".to_owned(), data]).collect();
    let command = move || meter(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(command).await.unwrap()
}

async fn meter_output(folder: &Path, arguments: &[&str]) -> String {
    stdout(&run(folder, arguments).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_partly_bad_and_larger_than_a_record_is_put_back_with_what_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut strict = options(folder, 1);
    strict.consumer_environment.push((variables::CLAIM_RETENTION_DAYS.name.to_owned(), "15".to_owned()));
    let stack = LocalStack::start(strict).await.unwrap();
    // A faulty authorizer: nine in ten calls have a number as the key id.
    let key = |number: usize| if number.is_multiple_of(10) { json!("good") } else { json!(7) };
    let large: Vec<Value> = (0..4_000).map(|number| call(number, &key(number), now_ms())).collect();
    put(&stack, envelope("large", &large)).await;
    put(&stack, envelope("late", &[call(4_000, &json!("late"), now_ms() - 20 * DAY_MS)])).await;
    stack.settled().await.unwrap();
    assert_eq!(totals(&stack).await, BTreeMap::from([("good".to_owned(), 400)]));
    let list = meter_output(folder, &["quarantine", "list"]).await;
    assert!(list.contains("too-old: 1 record") && list.contains("bad-key-id: 2 records"), "{list}");
    assert!(list.contains("3 records in quarantine."), "{list}");
    stack.shut_down().await;

    // The cause of one of the problems is fixed.
    let stack = LocalStack::start(options(folder, 1)).await.unwrap();
    for _ in 0..2 {
        let back = meter_output(folder, &["quarantine", "put-back"]).await;
        assert!(back.contains(" records put back on the stream."), "{back}");
        stack.settled().await.unwrap();
        let counted = totals(&stack).await;
        assert_eq!(counted, BTreeMap::from([("good".to_owned(), 400), ("late".to_owned(), 1)]));
        // The records that are still wrong return to the quarantine, and none is lost.
        let list = meter_output(folder, &["quarantine", "list"]).await;
        assert!(list.contains("bad-key-id: 2 records") && !list.contains("too-old"), "{list}");
    }
    let all = meter_output(folder, &["quarantine", "list", "--json"]).await;
    let bad: Vec<Value> = all.lines().map(|line| documented("quarantine-list", line.as_bytes())).collect();
    let events = |record: &Value| {
        record["detail"].as_str().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(bad.iter().map(events).sum::<u64>(), 3_600);
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_quarantine_are_chosen_shown_and_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stack = LocalStack::start(options(folder, 1)).await.unwrap();
    put(&stack, b"no access log".to_vec()).await;
    put(&stack, envelope("e", &[call(0, &json!(7), now_ms()), call(1, &json!("good"), now_ms())])).await;
    stack.settled().await.unwrap();

    let list = meter_output(folder, &["quarantine", "list", "--json"]).await;
    let records: Vec<Value> =
        list.lines().map(|line| documented("quarantine-list", line.as_bytes())).collect();
    let of_reason = |reason: &str| records.iter().find(|record| record["reason"] == reason).unwrap();
    let number = of_reason("bad-key-id")["sequence_number"].as_str().unwrap();
    let shown = meter_output(folder, &["quarantine", "show", number]).await;
    assert!(
        shown.contains("/us-east-1/usage-local/shardId-") && shown.contains("bad-key-id: 1 of 2 events"),
        "{shown}"
    );
    assert!(
        shown.lines().any(|line| line.starts_with(r#"{"id":"e-0"#) && line.contains("Jk3fGhX1iYcFWAQ=0")),
        "{shown}"
    );
    let json: Value =
        serde_json::from_str(&meter_output(folder, &["quarantine", "show", "--json", number]).await).unwrap();
    assert!(STANDARD.decode(json["data"].as_str().unwrap()).unwrap().starts_with(&[0x1f, 0x8b]));

    let nothing = run(folder, &["quarantine", "put-back", "123"]).await;
    assert!(
        !nothing.status.success()
            && String::from_utf8_lossy(&nothing.stderr).contains("meter quarantine list")
    );
    let unasked = run(folder, &["quarantine", "discard"]).await;
    assert!(!unasked.status.success() && String::from_utf8_lossy(&unasked.stderr).contains("--yes"));
    let discarded =
        meter_output(folder, &["quarantine", "discard", "--yes", "--reason", "line-not-json"]).await;
    assert_eq!(discarded, "1 record discarded.\n");
    assert!(meter_output(folder, &["quarantine", "list"]).await.contains("1 record in quarantine."));
    let other = run(folder, &["quarantine", "show", "--reason", "line-not-json", number]).await;
    assert!(!other.status.success(), "a record with another reason was discarded");
    assert_eq!(
        meter_output(folder, &["quarantine", "discard", "--yes", number]).await,
        "1 record discarded.\n"
    );
    assert!(meter_output(folder, &["quarantine", "list"]).await.contains("0 records in quarantine."));
    stack.shut_down().await;
}

/// Returns the payloads of records in JSON lines.
fn payloads(lines: &str) -> Vec<Vec<u8>> {
    let payload = |line: &str| {
        let record = documented("quarantine-show", line.as_bytes());
        STANDARD.decode(record["data"].as_str().unwrap()).unwrap()
    };
    let mut payloads: Vec<_> = lines.lines().map(payload).collect();
    payloads.sort();
    payloads
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_shown_by_reason_and_saved_before_they_are_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stack = LocalStack::start(options(folder, 1)).await.unwrap();
    let both = [b"\xff, no text".to_vec(), b"\xff, nor is this".to_vec()];
    for payload in &both {
        put(&stack, payload.clone()).await;
    }
    put(&stack, envelope("e", &[call(0, &json!(7), now_ms())])).await;
    stack.settled().await.unwrap();
    let of_reason = ["--reason", "not-utf8"];
    let shown = meter_output(folder, &[&["quarantine", "show", "--json"], &of_reason[..]].concat()).await;
    assert_eq!(payloads(&shown), both);
    assert_eq!(
        payloads(&meter_output(folder, &["quarantine", "show", "--json"]).await).len(),
        3,
        "all records, because none is selected"
    );

    let discard = async |file: &str| {
        run(folder, &[&["quarantine", "discard", "--yes", "--save", file], &of_reason[..]].concat()).await
    };
    // A folder that does not exist, and a device without space.
    for (file, words) in
        [("/no/such/folder/file", "nothing was deleted"), ("/dev/full", "still in quarantine")]
    {
        let failed = discard(file).await;
        let text = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(!failed.status.success() && text.contains(words), "{text}");
        assert!(meter_output(folder, &["quarantine", "list"]).await.contains("3 records in quarantine."));
    }
    // An interrupted run has left half a line.
    let file = folder.join("discarded.jsonl");
    std::fs::write(&file, "{\"shard\":").unwrap();
    assert_eq!(stdout(&discard(file.to_str().unwrap()).await), "2 records discarded.\n");
    let saved = std::fs::read_to_string(&file).unwrap();
    let (torn, saved) = saved.split_once('\n').unwrap();
    assert_eq!((torn, payloads(saved)), ("{\"shard\":", both.to_vec()));
    assert!(meter_output(folder, &["quarantine", "list"]).await.contains("1 record in quarantine."));
    stack.shut_down().await;
}

/// Returns an invocation record as Lambda writes it, with the event as text.
fn invocation_record(records: &[(u32, Vec<u8>)]) -> String {
    let record = |(number, data): &(u32, Vec<u8>)| {
        json!({
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": number.to_string(),
                "data": STANDARD.encode(data), "approximateArrivalTimestamp": 1_795_000_100.123},
            "eventID": format!("shardId-000000000000:{number}"), "eventSource": "aws:kinesis",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/usage-local",
        })
    };
    let event = json!({"Records": records.iter().map(record).collect::<Vec<_>>()});
    json!({
        "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 7},
        "version": "1.0", "timestamp": "2026-11-18T12:30:00.000Z",
        "KinesisBatchInfo": {"shardId": "shardId-000000000000", "batchSize": records.len()},
        "payload": event.to_string(),
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_batch_that_was_given_up_is_put_back_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stack = LocalStack::start(options(folder, 1)).await.unwrap();
    // Lines without any id are identified by their first position in the stream.
    let line = json!({"apiKeyId": "lines", "status": 200, "requestTimeEpoch": now_ms()}).to_string();
    let records = [
        (7, envelope("a", &[call(1, &json!("a"), now_ms()), call(2, &json!("a"), now_ms())])),
        (9, format!("{line}\n{line}").into_bytes()),
    ];
    let file = folder.join("2026-11-18T12.30.00-0d8c");
    std::fs::write(&file, invocation_record(&records)).unwrap();
    let file = file.to_str().unwrap();
    let list = meter_output(folder, &["given-up", "list", file]).await;
    assert!(
        list.contains("RetryAttemptsExhausted")
            && list.contains("2 records of shardId-000000000000, from 7 to 9"),
        "{list}"
    );
    for _ in 0..2 {
        assert_eq!(
            meter_output(folder, &["given-up", "put-back", file]).await,
            "2 records put back on the stream.\n"
        );
        stack.settled().await.unwrap();
        let expected = [("a".to_owned(), 2), ("lines".to_owned(), 2)];
        assert_eq!(totals(&stack).await, BTreeMap::from(expected), "a second put-back changes nothing");
    }
    stack.shut_down().await;
}
