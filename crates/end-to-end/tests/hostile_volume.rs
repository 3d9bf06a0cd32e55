//! The deployed consumer on events as large as Lambda delivers them, with the worst content:
//! every call is counted or quarantined, within the function's memory and time.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use end_to_end::calls::options;
use flate2::Compression;
use flate2::write::GzEncoder;
use local_stack::stack::{LocalStack, USAGE_TABLE};
use metering_aws::key_usage::usage_of_key;
use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT, LogStreamHash};
use metering_core::metered_key::MeteredKey;
use metering_core::usage_history::DayUsage;
use metering_core::window::{CallWindow, DAY_MS};
use serde_json::{Value, json};
use system_clock::now_ms;

/// Maximum size of an event of an event source mapping, in bytes.
///
/// Source: Lambda Developer Guide, "Lambda quotas", invocation payload.
const MAX_EVENT_BYTES: usize = 6 << 20;
/// Maximum number of records in an event.
///
/// Source: Lambda API Reference, `CreateEventSourceMapping`, `BatchSize`.
const MAX_RECORDS: usize = 10_000;
/// Number of records of an event of which each needs a write to the queue or to a row. The local
/// services carry out far fewer writes a second than AWS, and the function has 60 seconds.
const WRITTEN_RECORDS: usize = 500;
/// Maximum size of a stream record, in bytes.
const MAX_RECORD_BYTES: usize = 1 << 20;
/// Maximum size of an inflated record, in bytes.
const MAX_INFLATED_BYTES: usize = access_log::decoder::DEFAULT_MAX_INFLATED_BYTES;
/// Maximum number of events in a record.
const MAX_EVENTS: usize = access_log::decoder::DEFAULT_MAX_EVENTS as usize;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Returns the JSON of a record as Lambda delivers it.
fn record(shard: usize, number: usize, data: &[u8]) -> String {
    let sequence_number = format!("49{number:054}");
    json!({
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": sequence_number,
            "data": STANDARD.encode(data), "approximateArrivalTimestamp": now_ms() / 1_000},
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
        "eventID": format!("shardId-{shard:012}:{sequence_number}"), "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/s",
    })
    .to_string()
}

/// Returns an event of these records.
fn event(records: &[String]) -> Bytes {
    let text = format!("{{\"Records\":[{}]}}", records.join(","));
    assert!(text.len() <= MAX_EVENT_BYTES, "Lambda delivers no event of {} bytes", text.len());
    Bytes::from(text)
}

/// Returns the records that fit into an event, from an endless supply.
fn fill(shard: usize, mut data: impl FnMut(usize) -> Vec<u8>) -> Vec<String> {
    let (mut records, mut bytes) = (Vec::new(), 32);
    while records.len() < MAX_RECORDS {
        let data = data(records.len());
        assert!(data.len() <= MAX_RECORD_BYTES, "the stream accepts no record of {} bytes", data.len());
        let record = record(shard, records.len() + 1, &data);
        bytes += record.len() + 1;
        if bytes > MAX_EVENT_BYTES {
            break;
        }
        records.push(record);
    }
    records
}

fn line(key: &str, id: &str, time_ms: i64) -> String {
    format!(r#"{{"id":"{id}","key":"{key}","time":{time_ms},"status":200}}"#)
}

/// The numbers of calls, records and events that an input adds to the ledger and the quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Outcome {
    /// Calls that are counted.
    calls: u64,
    /// Records that are in quarantine, as a whole or in part.
    records: u64,
    /// Events that are in quarantine, of records that could be read.
    events: u64,
}

struct Meter {
    stack: LocalStack,
    outcome: Outcome,
}

impl Meter {
    /// Delivers records as the event source mapping does, until the consumer has processed all.
    async fn deliver(&self, name: &str, records: &[String]) {
        let mut first = 0;
        while first < records.len() {
            let answer = self.stack.consumer.invoke(event(&records[first..])).await;
            let answer = answer.unwrap_or_else(|error| panic!("{name}, from record {first} on: {error}"));
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let failed = answer["batchItemFailures"][0]["itemIdentifier"].as_str();
            let resume = failed.map_or(records.len(), |number| number[2..].parse::<usize>().unwrap() - 1);
            assert!(resume > first, "{name}: the record {first} is not processed");
            first = resume;
        }
    }

    /// Returns the calls in the ledger.
    async fn counted(&self) -> u64 {
        let day = |ago_ms| CallWindow::at(now_ms() - ago_ms).unwrap().day;
        let client = &self.stack.ledger_client;
        let usage = usage_of_key(client, USAGE_TABLE, &MeteredKey::totals(), day(DAY_MS), day(0)).await;
        usage.unwrap().values().map(DayUsage::total).sum()
    }

    /// Delivers records, and checks that what becomes of them is what is expected.
    async fn check(&mut self, name: &str, records: &[String], expected: Outcome) {
        self.deliver(name, records).await;
        let sum = &mut self.outcome;
        sum.calls += expected.calls;
        sum.records += expected.records;
        sum.events += expected.events;
        // The metrics of an invocation arrive beside its answer.
        while self.quarantined().0 < self.outcome.records {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.quarantined(), (self.outcome.records, self.outcome.events), "{name}");
        assert_eq!(self.counted().await, self.outcome.calls, "{name}");
    }

    /// Returns the numbers of records and events in quarantine.
    fn quarantined(&self) -> (u64, u64) {
        let count = |metric| self.stack.metrics.count(metric);
        (count("QuarantinedRecords"), count("QuarantinedEvents"))
    }
}

/// Returns the beginning of a slice of claims, counted backwards from the present one.
fn slice_start_ms(ago: usize) -> i64 {
    let layout: ClaimLayout = DEFAULT_LAYOUT.parse().unwrap();
    let start_ms = |time_ms| layout.slice_of(time_ms, LogStreamHash::new("", "")).start_ms;
    (0..ago).fold(start_ms(now_ms()), |later_ms, _| start_ms(later_ms - 1))
}

/// Returns gzipped lines of this number of calls, each with its key. The calls of a record are in
/// a slice of their own, because a slice has room for fewer calls than an event.
fn calls(record: usize, calls: usize, key: impl Fn(usize) -> String) -> Vec<u8> {
    let time_ms = slice_start_ms(record);
    let mut text = String::new();
    for number in 0..calls {
        writeln!(text, "{}", line(&key(number), &format!("{number:x}.{record}"), time_ms)).unwrap();
    }
    gzip(text.as_bytes())
}

/// Number of events in [`longest_members`].
const LONGEST_MEMBERS: u64 = 17;

/// Returns a gzipped envelope that inflates nearly to the limit, of lines with the longest key ids. All their
/// characters are escaped in the line, and again in the event.
fn longest_members(record: usize) -> Vec<u8> {
    let line = json!({"key": "\n".repeat(600_000), "status": 200, "time": now_ms()}).to_string();
    let event =
        |number| json!({"id": format!("{record}.{number}"), "timestamp": 1, "message": line}).to_string();
    let events: Vec<String> = (0..LONGEST_MEMBERS).map(event).collect();
    let text = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}]}}"#, events.join(","));
    assert!(text.len() < MAX_INFLATED_BYTES && text.len() > MAX_INFLATED_BYTES * 9 / 10, "{}", text.len());
    gzip(text.as_bytes())
}

/// Records that cannot be read, or whose lines cannot.
async fn deliver_bad_records(meter: &mut Meter) {
    let mut brackets = br#"{"messageType":"DATA_MESSAGE","logEvents":"#.to_vec();
    brackets.resize(MAX_INFLATED_BYTES, b'[');
    let bomb = gzip(&brackets);
    let records = fill(2, |_| bomb.clone());
    let whole = records.len() as u64;
    let expected = Outcome { records: whole, ..Outcome::default() };
    meter.check("brackets that inflate to the limit", &records, expected).await;

    let name = gzip(format!("{{\"{}\":1}}", "\\u0061".repeat(MAX_INFLATED_BYTES / 6 - 2)).as_bytes());
    let records: Vec<String> = (1..=9).map(|number| record(3, number, &name)).collect();
    let expected = Outcome { records: 9, events: 9, ..Outcome::default() };
    meter.check("a line that inflates to the limit", &records, expected).await;

    let records: Vec<String> = (1..=9).map(|number| record(4, number, &longest_members(number))).collect();
    let expected = Outcome { records: 9, events: 9 * LONGEST_MEMBERS, ..Outcome::default() };
    meter.check("the longest members, escaped twice", &records, expected).await;

    let bad = gzip(&b"x\n".repeat(MAX_EVENTS));
    let records: Vec<String> = (1..=4).map(|number| record(5, number, &bad)).collect();
    let expected = Outcome { records: 4, events: 4 * MAX_EVENTS as u64, ..Outcome::default() };
    meter.check("bad lines alone", &records, expected).await;

    let records: Vec<String> = (1..=WRITTEN_RECORDS).map(|number| record(6, number, b"x")).collect();
    let written = WRITTEN_RECORDS as u64;
    let expected = Outcome { records: written, events: written, ..Outcome::default() };
    meter.check("a bad line in each record", &records, expected).await;
}

/// Records whose calls can be counted, or are too many.
async fn deliver_many_calls(meter: &mut Meter) {
    let records = fill(7, |number| line("key", &format!("{number:x}"), now_ms()).into_bytes());
    assert_eq!(records.len(), MAX_RECORDS);
    let expected = Outcome { calls: MAX_RECORDS as u64, ..Outcome::default() };
    meter.check("a call in each of the most records", &records, expected).await;

    let call = |number: usize| line(&format!("k{number}"), &format!("k.{number:x}"), now_ms());
    let records: Vec<String> =
        (1..=WRITTEN_RECORDS).map(|number| record(10, number, call(number).as_bytes())).collect();
    let expected = Outcome { calls: WRITTEN_RECORDS as u64, ..Outcome::default() };
    meter.check("a call of another key in each record", &records, expected).await;

    let records = fill(8, |record| calls(record, 90_000, |number| format!("{record}-{number:x}")));
    let expected = Outcome { records: records.len() as u64, ..Outcome::default() };
    meter.check("calls of another key each", &records, expected).await;

    let nested = format!("k\",\"x\":{}{},\"y\":\"", "[".repeat(64), "]".repeat(64));
    let records = fill(9, |record| calls(record, 100_000, |_| nested.clone()));
    let expected = Outcome { calls: 100_000 * records.len() as u64, ..Outcome::default() };
    meter.check("calls with the deepest members", &records, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_events_are_counted_or_quarantined_within_memory_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), 0);
    options.max_environments = 1;
    let stack = LocalStack::start(options).await.unwrap();
    let mut meter = Meter { stack, outcome: Outcome::default() };
    meter.stack.consumer.invoke(event(&[])).await.unwrap();
    let process = meter.stack.consumer.process_ids();
    deliver_bad_records(&mut meter).await;
    deliver_many_calls(&mut meter).await;
    assert_eq!(meter.stack.consumer.process_ids(), process, "the same process answered every event");
    let peak = loadtest::harness::memory::peak_resident_kib(process[0].try_into().unwrap()).unwrap();
    println!("peak resident memory of the consumer: {peak} KiB");
    meter.stack.shut_down().await;
}
