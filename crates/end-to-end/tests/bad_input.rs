//! Bad input through the real consumer: each record is counted correctly or
//! quarantined with its reason, and no other record of the batch is affected.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use aws_sdk_kinesis::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use end_to_end::calls::options;
use end_to_end::calls::usage_by_key_id;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use local_stack::stack::{LocalStack, STREAM};
use metering_aws::QuarantineQueue;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::quarantine_queue::{Fate, KeptRecord, Receiving};
use metering_core::usage_history::DayUsage;
use serde_json::{Value, json};
use system_clock::now_ms;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn inflated(data: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(data).read_to_string(&mut text).unwrap();
    text
}

fn line(key: &str, status: &Value, time: &Value) -> String {
    json!({"apiKeyId": key, "status": status, "requestTimeEpoch": time}).to_string()
}

fn good_line(key: &str) -> String {
    line(key, &json!("200"), &json!(now_ms()))
}

fn envelope(name: &str, lines: &[String]) -> String {
    let events: Vec<Value> = (0..lines.len())
        .map(|index| json!({"id": format!("{name}-{index}"), "timestamp": 1, "message": lines[index]}))
        .collect();
    json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": name, "logEvents": events})
        .to_string()
}

/// A record, the calls it adds for the key of its name, and the reason for
/// which it, or a part of it, is quarantined.
struct Case {
    name: &'static str,
    data: Vec<u8>,
    calls: u64,
    reason: Option<&'static str>,
    /// `true` if the record also has a good line of another key.
    has_neighbour: bool,
}

fn case(name: &'static str, data: impl Into<Vec<u8>>, calls: u64, reason: Option<&'static str>) -> Case {
    Case { name, data: data.into(), calls, reason, has_neighbour: false }
}

fn one_line(
    name: &'static str,
    status: &Value,
    time: &Value,
    calls: u64,
    reason: Option<&'static str>,
) -> Case {
    let data = gzip(envelope(name, &[line(name, status, time), good_line("good")]).as_bytes());
    Case { has_neighbour: true, ..case(name, data, calls, reason) }
}

fn cases() -> Vec<Case> {
    let now = json!(now_ms());
    let ok = json!("200");
    let whole = gzip(envelope("truncated", &vec![good_line("truncated"); 50]).as_bytes());
    let mut corrupt = gzip(envelope("corrupt", &vec![good_line("corrupt"); 50]).as_bytes());
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0xff;
    let two_members = {
        let text = envelope("members", &vec![good_line("members"); 50]);
        let (first, second) = text.split_at(700);
        [gzip(first.as_bytes()), gzip(second.as_bytes())].concat()
    };
    let padded_line = |bytes: usize| {
        json!({"apiKeyId": "mebibyte", "status": 200, "requestTimeEpoch": now_ms(), "pad": "p".repeat(bytes)})
            .to_string()
    };
    let mebibyte = padded_line((1 << 20) - 1 - padded_line(0).len());
    vec![
        case("truncated", &whole[..whole.len() - 9], 0, Some("truncated-gzip")),
        case("corrupt", corrupt, 0, Some("corrupt-gzip")),
        case("bomb", gzip(&vec![b'{'; 40 << 20]), 0, Some("inflates-too-large")),
        // 33 kB that inflate to the limit, with an event for every two bytes: so many events
        // would need more than the function's deployed memory.
        case("millions", gzip(&b"x\n".repeat(16 << 20)), 0, Some("too-many-events")),
        case("many-calls", gzip((good_line("many-calls") + "\n").repeat(50_000).as_bytes()), 50_000, None),
        case("long-names", long_names(), 2, None),
        case("members", two_members, 50, None),
        case(
            "utf8",
            [b"{\"apiKeyId\":\"utf8\",\"status\":200,\"x\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat(),
            0,
            Some("not-utf8"),
        ),
        case("not-an-access-log", r#"{"level":"info","message":"hello"}"#, 0, Some("no-status")),
        case("not-json", "GET / 200", 0, Some("line-not-json")),
        case(
            "cut-envelope",
            &envelope("cut", &[good_line("cut")]).as_bytes()[..150],
            0,
            Some("bad-envelope"),
        ),
        case("strange-envelope", r#"{"messageType":"NEWS","logEvents":[]}"#, 0, Some("bad-envelope")),
        case(
            "control",
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"check"}]}"#,
            0,
            None,
        ),
        one_line("status-2", &json!("2"), &now, 0, Some("bad-status")),
        one_line("status-20", &json!(20), &now, 0, Some("bad-status")),
        one_line("status-2xx", &json!("2xx"), &now, 0, Some("bad-status")),
        one_line("status-dash", &json!("-"), &now, 0, Some("no-status")),
        one_line("status-200", &json!(200), &now, 1, None),
        one_line("status-299", &json!("299"), &now, 1, None),
        one_line("status-300", &json!("300"), &now, 0, None),
        one_line("status-404", &json!(404), &now, 0, None),
        one_line("no-time", &ok, &json!("-"), 0, Some("no-request-time")),
        one_line("negative-time", &ok, &json!(-1), 0, Some("too-old")),
        one_line("far-future", &ok, &json!(now_ms() + 90_000_000_000_i64), 0, Some("in-the-future")),
        one_line("huge-time", &ok, &json!("99999999999999999999"), 0, Some("bad-request-time")),
        case("no-key", good_line("-"), 0, None),
        case(
            "plain-lines",
            [good_line("plain-lines"), good_line("plain-lines"), "oops".to_owned()].join("\n"),
            2,
            Some("line-not-json"),
        ),
        case("mebibyte", mebibyte, 1, None),
        case("mebibyte-of-nothing", vec![b'x'; (1 << 20) - 1], 0, Some("line-not-json")),
    ]
}

/// Returns an envelope whose names together are longer than a DynamoDB key may be.
fn long_names() -> String {
    let event =
        |digit: &str| json!({"id": digit.repeat(512), "timestamp": 1, "message": good_line("long-names")});
    json!({"messageType": "DATA_MESSAGE", "logGroup": "g".repeat(512), "logStream": "s".repeat(511),
        "logEvents": [event("1"), event("2")]})
    .to_string()
}

/// Reasons for which a whole record is quarantined, because it cannot be read at all.
const WHOLE: [&str; 6] =
    ["truncated-gzip", "corrupt-gzip", "inflates-too-large", "too-many-events", "not-utf8", "bad-envelope"];

async fn quarantine(stack: &LocalStack) -> Vec<KeptRecord> {
    let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let queue =
        QuarantineQueue::new(aws_sdk_sqs::Client::new(&config), &stack.endpoints.quarantine_queue_url);
    let mut records = Vec::new();
    let visit = async |record| {
        records.push(record);
        Fate::Leave
    };
    let odd = queue.pass(Receiving { wait_s: 1, visibility_timeout_s: 600 }, visit).await.unwrap();
    assert_eq!(odd, []);
    records
}

async fn totals(stack: &LocalStack) -> BTreeMap<String, u64> {
    let usage = usage_by_key_id(&stack.ledger_client).await;
    usage.into_iter().map(|(key, days)| (key, days.values().map(DayUsage::total).sum())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_record_is_counted_rightly_or_quarantined_and_spares_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), 1);
    options.shard_count = 1;
    let stack = LocalStack::start(options).await.unwrap();
    let cases = cases();
    let mut by_sequence = BTreeMap::new();
    for case in &cases {
        let reply = loop {
            let put = stack.kinesis_client.put_record().stream_name(STREAM).partition_key("p");
            match put.data(Blob::new(case.data.clone())).send().await {
                Ok(reply) => break reply,
                // The shard accepts more records after a while.
                Err(error) => {
                    let error = error.into_service_error();
                    assert!(error.is_provisioned_throughput_exceeded_exception(), "{error:?}");
                }
            }
        };
        by_sequence.insert(reply.sequence_number, case);
    }
    stack.settled().await.unwrap();

    let totals = totals(&stack).await;
    for case in &cases {
        assert_eq!(totals.get(case.name).copied().unwrap_or(0), case.calls, "the calls of {}", case.name);
    }
    let neighbours = cases.iter().filter(|case| case.has_neighbour).count();
    assert_eq!(totals["good"], neighbours as u64, "the good line beside each bad one");

    let mut kept: BTreeMap<&str, KeptRecord> = BTreeMap::new();
    for record in quarantine(&stack).await {
        kept.insert(by_sequence[record.record.sequence_number.digits()].name, record);
    }
    for case in &cases {
        let record = kept.remove(case.name);
        assert_eq!(record.as_ref().map(|record| record.reason.as_str()), case.reason, "{}", case.name);
        let Some(record) = record else { continue };
        assert!(!record.detail.is_empty());
        if WHOLE.contains(&record.reason.as_str()) {
            assert!(record.payload == case.data, "the bytes of {} are kept as they were", case.name);
        }
    }
    assert_eq!(stack.metrics.count("FailedRecords"), 0, "no bad record holds up the shard");
    stack.shut_down().await;
}

/// Invokes the consumer with an event, as Lambda does, and returns its response.
async fn invoke(stack: &LocalStack, records: &[(String, String)]) -> Value {
    let records: Vec<Value> = records
        .iter()
        .map(|(sequence_number, data)| {
            json!({
                "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": sequence_number,
                    "data": STANDARD.encode(data), "approximateArrivalTimestamp": now_ms() / 1000},
                "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("shardId-000000000077:{sequence_number}"),
                "eventName": "aws:kinesis:record", "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:kinesis:us-east-1:0:stream/s",
            })
        })
        .collect();
    let answer = stack.consumer.invoke(Bytes::from(json!({"Records": records}).to_string())).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_batch_and_a_sequence_number_of_128_digits_are_fine_and_129_digits_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path(), 1)).await.unwrap();
    assert_eq!(invoke(&stack, &[]).await["batchItemFailures"], json!([]));

    let longest = "9".repeat(128);
    for _ in 0..2 {
        let answer =
            invoke(&stack, &[("9".to_owned(), good_line("key")), (longest.clone(), good_line("key"))]).await;
        assert_eq!(answer["batchItemFailures"], json!([]));
    }
    assert_eq!(totals(&stack).await["key"], 2, "the second delivery is fenced");

    let event = json!({"Records": [{"kinesis": {"partitionKey": "p", "sequenceNumber": "9".repeat(129), "data": "", "kinesisSchemaVersion": "1.0",
        "approximateArrivalTimestamp": 1}, "eventID": "shardId-000000000077:9", "eventName": "", "eventSource": "", "eventSourceARN": "arn:aws:kinesis:us-east-1:0:stream/s", "eventVersion": "", "awsRegion": ""}]});
    let error = stack.consumer.invoke(Bytes::from(event.to_string())).await.unwrap_err().to_string();
    assert!(error.contains("record 0 of the batch has no usable sequence number"), "{error}");
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_put_back_twice_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path(), 1)).await.unwrap();
    let put = async |data: Vec<u8>| {
        let put =
            stack.kinesis_client.put_record().stream_name(STREAM).partition_key("p").data(Blob::new(data));
        put.send().await.unwrap();
    };
    // A later version with a fixed decoder would find the bad events of a record in quarantine
    // whose good events are counted.
    let lines = [good_line("key"), line("key", &json!("20"), &json!(now_ms())), good_line("key")];
    put(envelope("stream", &lines).into_bytes()).await;
    stack.settled().await.unwrap();
    let kept = quarantine(&stack).await;
    assert_eq!((totals(&stack).await["key"], kept.len()), (2, 1));
    let corrected = inflated(&kept[0].payload).replace(r#"\"20\""#, r#"\"200\""#);
    for _ in 0..2 {
        put(corrected.clone().into_bytes()).await;
    }
    put(envelope("stream", &lines).into_bytes()).await;
    stack.settled().await.unwrap();
    assert_eq!(totals(&stack).await["key"], 3, "two were counted, and one put back");
    assert_eq!(
        stack.metrics.count("DuplicateCalls"),
        1 + 3,
        "of the second put-back, and of the record again"
    );
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_free_consumer_keeps_its_process_through_all_of_this() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), 1);
    options.max_environments = 1;
    let stack = Arc::new(LocalStack::start(options).await.unwrap());
    invoke(&stack, &[]).await;
    let before = stack.consumer.process_ids();
    for (number, case) in cases().into_iter().enumerate() {
        let event = json!({"Records": [{"kinesis": {"partitionKey": "p", "sequenceNumber": (number + 1).to_string(), "data": STANDARD.encode(&case.data),
            "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1}, "eventID": "shardId-000000000001:1", "eventName": "", "eventSource": "",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:0:stream/s", "eventVersion": "", "awsRegion": ""}]});
        let answer = stack.consumer.invoke(Bytes::from(event.to_string())).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&answer).unwrap()["batchItemFailures"],
            json!([]),
            "{}",
            case.name
        );
    }
    assert_eq!(stack.consumer.process_ids(), before, "the same process answered every event");
}
