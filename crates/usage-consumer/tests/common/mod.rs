//! The consumer on ports in memory, and the events that Lambda hands to it.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::sync::Mutex;

use access_log::{Decoder, Limits};
use memory_ports::MemoryPorts;
pub use memory_ports::delivery::{StreamRecord, kinesis_event};
use metering_core::batch_run::RunSettings;
use metering_core::billing_rules::BillingRules;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::sequence_number::SequenceNumber;
use metering_core::window::{DAY_MS, HOUR_MS};
use serde_json::{Value, json};
use usage_consumer::batch::DecodeSettings;
use usage_consumer::classes::ClassCopy;
use usage_consumer::consumer::Consumer;
use usage_consumer::executor::Executor;
use usage_consumer::metrics::{BatchMetrics, ConsumerMetric};

/// 2026-11-24T08:34:30Z.
pub const NOW_MS: i64 = 1_795_509_270_000;
pub const HOUR: i64 = HOUR_MS;
pub const DAY: i64 = DAY_MS;
pub const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/usage";
pub const MAX_CALL_AGE_DAYS: i64 = 35;

pub type MemoryConsumer = Consumer<MemoryPorts, MemoryPorts, MemoryPorts>;

/// A consumer as it is deployed.
pub fn consumer(ports: &MemoryPorts) -> MemoryConsumer {
    consumer_that_counts(ports, 35)
}

/// A consumer that counts calls of this age at most, in days before their arrival.
pub fn consumer_that_counts(ports: &MemoryPorts, max_call_age_days: u32) -> MemoryConsumer {
    Consumer {
        executor: Executor {
            ledger: ports.clone(),
            claims: ports.clone(),
            quarantine: ports.clone(),
            concurrency: 32,
            settings: run_settings(),
        },
        decoder: Mutex::new(Decoder::new(Limits::default())),
        decode: decode_settings(max_call_age_days),
        classes: ClassCopy::default(),
    }
}

pub fn run_settings() -> RunSettings {
    RunSettings { max_call_age_ms: MAX_CALL_AGE_DAYS * DAY }
}

pub fn decode_settings(max_call_age_days: u32) -> DecodeSettings {
    DecodeSettings {
        max_call_age_days,
        claim_layout: "0:10000:1".parse().unwrap(),
        rules: BillingRules::except("OPTIONS *,/usage".parse().unwrap()),
    }
}

/// A record that arrives now.
pub fn record(sequence_number: u64, data: impl Into<Vec<u8>>) -> StreamRecord {
    StreamRecord { sequence_number, arrived_at_ms: NOW_MS, partition_key: "7".to_owned(), data: data.into() }
}

/// A record that puts back what the record `from` of a shard held.
pub fn put_back(sequence_number: u64, shard: u32, from: &StreamRecord) -> StreamRecord {
    let name = record_name(shard, from.sequence_number);
    let partition_key = PutBackFrom::from_partition_key(&from.partition_key).and(&name).partition_key("7");
    StreamRecord { partition_key, ..record(sequence_number, from.data.clone()) }
}

/// A record that puts back what is in quarantine, by its place there.
pub fn put_back_kept(sequence_number: u64, ports: &MemoryPorts, place: usize) -> StreamRecord {
    let kept = ports.store().quarantine[place].clone();
    let partition_key = kept.put_back_from.and(&kept.record).partition_key("7");
    StreamRecord { partition_key, ..record(sequence_number, kept.payload) }
}

pub fn record_name(shard: u32, sequence_number: u64) -> RecordName {
    RecordName {
        shard: ShardName::new(STREAM, &shard_id(shard)).unwrap(),
        sequence_number: SequenceNumber::parse(&sequence_number.to_string()).unwrap(),
    }
}

pub fn shard_id(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

/// Delivers a batch; returns the sequence number to resume from.
pub async fn deliver(
    consumer: &MemoryConsumer,
    shard: u32,
    records: &[StreamRecord],
) -> (Option<u64>, BatchMetrics) {
    let event = kinesis_event(STREAM, &shard_id(shard), records);
    let mut metrics = BatchMetrics::default();
    let response = consumer.count(&event, NOW_MS, || NOW_MS, &mut metrics).await.unwrap();
    let failed = response.batch_item_failures.first();
    let resume = failed.map(|failure| failure.item_identifier.as_ref().unwrap().parse().unwrap());
    (resume, metrics)
}

pub fn count(metrics: &BatchMetrics, metric: ConsumerMetric) -> u64 {
    metrics.count(metric)
}

/// A line of the access log; the request id goes by the key and the time of the call.
pub fn call(key: &str, requested_at_ms: i64) -> String {
    call_with(key, requested_at_ms, "200")
}

pub fn call_with(key: &str, requested_at_ms: i64, status: &str) -> String {
    json!({"extendedRequestId": format!("{key}@{requested_at_ms}"), "apiKeyId": key,
        "requestTimeEpoch": requested_at_ms.to_string(), "status": status, "responseLatency": "5"})
    .to_string()
}

/// What CloudWatch Logs puts on a stream: lines as events, with ids from `first_id` on.
pub fn envelope(first_id: u64, lines: &[String]) -> Vec<u8> {
    let events: Vec<Value> = (first_id..)
        .zip(lines)
        .map(|(id, line)| json!({"id": format!("{id:056}"), "timestamp": NOW_MS, "message": line}))
        .collect();
    json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/aws/api", "logStream": "s",
        "subscriptionFilters": ["f"], "logEvents": events})
    .to_string()
    .into_bytes()
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// The payloads in quarantine, oldest first.
pub fn kept(ports: &MemoryPorts) -> Vec<Vec<u8>> {
    ports.store().quarantine.iter().map(|record| record.payload.clone()).collect()
}
