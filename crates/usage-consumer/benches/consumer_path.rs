//! Benchmark of the consumer from the bytes of a Lambda event to the update plan,
//! as a whole and by stage, with an event of 100 records of 200 log events.
//!
//! `scripts/bench-consumer.sh` runs it together with Node.js doing the same work.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use access_log::decoder::DEFAULT_MAX_INFLATED_BYTES;
use access_log::log_format::ApiKind;
use access_log::{Decoder, Inflater, Limits, Origin};
use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metering_core::batch_run::{BatchRun, Reply, Request, RunSettings};
use metering_core::billing_rules::BillingRules;
use metering_core::claims::layout::DEFAULT_LAYOUT;
use metering_core::class_lists::ClassLists;
use metering_core::ports::{LedgerReply, WriteReply};
use metering_core::update_plan::CounterUpdate;
use metering_core::window::DAY_MS;
use serde_json::{Value, json};
use usage_consumer::batch::{DecodeSettings, DecodedBatch, decode_batch};
use usage_consumer::metrics::BatchMetrics;

const RECORDS: usize = 100;
const EVENTS_PER_RECORD: usize = 200;
const KEYS: usize = 200;
const CUSTOMERS: usize = 50;
const FIRST_CALL_MS: i64 = 1_795_509_270_000;

fn access_log_line(number: usize) -> String {
    let requested_at_ms = FIRST_CALL_MS + i64::try_from(number).unwrap() * 37;
    let mut line = ApiKind::Rest.access_log_format().to_owned();
    // A hash distributes keys and ids, so that the data compresses like real logs.
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let key = usize::try_from(mixed >> 40).unwrap() % KEYS;
    for (variable, value) in [
        ("extendedRequestId", format!("{mixed:016x}{number:08x}=")),
        ("authorizer.apiKeyId", format!("key-{key:06}")),
        ("authorizer.customerId", format!("customer-{:04}", key % CUSTOMERS)),
        ("requestTimeEpoch", requested_at_ms.to_string()),
        ("status", "200".to_owned()),
        ("responseLatency", (mixed % 90).to_string()),
        ("httpMethod", "GET".to_owned()),
        ("resourcePath", "/orders/{orderId}".to_owned()),
        ("stage", "prod".to_owned()),
        ("apiId", "a1b2c3d4e5".to_owned()),
    ] {
        line = line.replace(&format!("\"$context.{variable}\""), &format!("\"{value}\""));
    }
    line
}

fn record_data(record: usize) -> Vec<u8> {
    let events: Vec<Value> = (record * EVENTS_PER_RECORD..(record + 1) * EVENTS_PER_RECORD)
        .map(|number| json!({"id": format!("{number:056}"), "timestamp": FIRST_CALL_MS, "message": access_log_line(number)}))
        .collect();
    let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/aws/api-gateway/prod",
        "logStream": "0123456789abcdef0123456789abcdef", "subscriptionFilters": ["usage"], "logEvents": events});
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(envelope.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn lambda_event() -> Vec<u8> {
    let records: Vec<Value> = (0..RECORDS)
        .map(|record| {
            let sequence_number = format!("49{:054}", record + 1);
            json!({
                "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": format!("{record:032x}"), "sequenceNumber": sequence_number,
                    "data": STANDARD.encode(record_data(record)), "approximateArrivalTimestamp": 1_795_510_300.5},
                "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("shardId-000000000006:{sequence_number}"),
                "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda",
                "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/usage",
            })
        })
        .collect();
    serde_json::to_vec(&json!({"Records": records})).unwrap()
}

/// Runs a batch up to its updates, on an empty store on which every write succeeds.
fn plan(decoded: &DecodedBatch) -> Vec<CounterUpdate> {
    let mut run = BatchRun::new(&decoded.batch, RunSettings { max_call_age_ms: 35 * DAY_MS });
    let mut updates = Vec::new();
    while let Some((job, request)) = run.next() {
        let reply = match request {
            Request::ReadHead(_) => Reply::Head(None),
            Request::ReadSlice(_) => Reply::Slice(Vec::new()),
            Request::WritePage(write) => {
                black_box(write.page.encode());
                Reply::Write(WriteReply::Written)
            }
            Request::WriteHead(_) => Reply::Write(WriteReply::Written),
            Request::Apply(update) => {
                updates.push(update);
                Reply::Ledger(LedgerReply::Applied)
            }
            other => unreachable!("all events are valid: {other:?}"),
        };
        run.answer(job, reply);
    }
    updates
}

/// Classes of which the second one fits the calls of the benchmark.
const CLASSES: &str = "search GET /search\nreads GET *\nother *";

fn decode_settings() -> DecodeSettings {
    DecodeSettings {
        max_call_age_days: 35,
        claim_layout: DEFAULT_LAYOUT.parse().unwrap(),
        rules: BillingRules::except("OPTIONS *,/usage".parse().unwrap()),
    }
}

fn consumer_path(criterion: &mut Criterion) {
    let event = lambda_event();
    // Node.js reads the same bytes.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("event.json"), &event).unwrap();

    let parsed: KinesisEvent = serde_json::from_slice(&event).unwrap();
    let (settings, classes) =
        (decode_settings(), ClassLists::from_stored(vec![(0, CLASSES.parse().unwrap())]));
    let decode = |records: &[KinesisEventRecord], decoder: &mut Decoder| {
        decode_batch(records, decoder, &settings, &classes, &mut BatchMetrics::default()).unwrap()
    };
    let mut decoder = Decoder::new(Limits::default());
    let batch = decode(&parsed.records, &mut decoder);
    let updates = plan(&batch);
    // A row of totals contains the calls of all keys again.
    let of_keys = updates.iter().filter(|update| !update.row.key().is_totals());
    let calls: u64 = of_keys.map(CounterUpdate::total).sum();
    assert_eq!(calls, (RECORDS * EVENTS_PER_RECORD) as u64, "the benchmark counts every event");
    let is_attributed =
        |update: &CounterUpdate| update.row.key().is_totals() || update.row.key().customer_id.is_some();
    assert!(updates.iter().all(is_attributed), "each call has a customer");

    let mut group = criterion.benchmark_group("consumer_path");
    group.throughput(Throughput::Elements((RECORDS * EVENTS_PER_RECORD) as u64));
    group.bench_function("event_bytes_to_update_plan", |bencher| {
        bencher.iter(|| {
            let event: KinesisEvent = serde_json::from_slice(black_box(&event)).unwrap();
            plan(&decode(&event.records, &mut decoder))
        });
    });
    group.bench_function("stage_parse_event", |bencher| {
        bencher.iter(|| serde_json::from_slice::<KinesisEvent>(black_box(&event)).unwrap());
    });
    group.bench_function("stage_inflate_alone", |bencher| {
        let mut inflater = Inflater::new(DEFAULT_MAX_INFLATED_BYTES);
        bencher.iter(|| -> usize {
            parsed.records.iter().map(|record| inflater.inflate(&record.kinesis.data.0).unwrap().len()).sum()
        });
    });
    group.bench_function("stage_inflate_and_read_lines", |bencher| {
        bencher.iter(|| {
            let mut calls = 0;
            for record in &parsed.records {
                let origin = Origin { record_name: "", arrived_at_ms: FIRST_CALL_MS };
                decoder.decode(&record.kinesis.data.0, origin, |_| calls += 1).unwrap();
            }
            calls
        });
    });
    group.bench_function("stage_inflate_read_and_aggregate", |bencher| {
        bencher.iter(|| decode(&parsed.records, &mut decoder));
    });
    group.bench_function("stage_plan", |bencher| bencher.iter(|| plan(&batch)));
    group.finish();
}

criterion_group!(benches, consumer_path);
criterion_main!(benches);
