//! The metrics of a batch: what it counted, skipped and kept, and how long each stage took.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use common::*;
use memory_ports::MemoryPorts;
use serde_json::{Value, json};
use usage_consumer::metrics::{BatchMetrics, ConsumerMetric};

fn line(mut metrics: BatchMetrics) -> Value {
    serde_json::from_str(&metrics.line("test", NOW_MS).to_json()).unwrap()
}

#[tokio::test]
async fn each_call_that_is_not_counted_is_in_the_count_of_its_reason() {
    let ports = MemoryPorts::default();
    let without_key = |time: i64| call("-", NOW_MS + time);
    let unbilled = |time: i64| call("k", NOW_MS + time).replace('{', r#"{"resourcePath":"/usage","#);
    let mut lines = vec![call("k", NOW_MS)];
    lines.extend((1..=2).map(|time| call_with("k", NOW_MS + time, "404")));
    lines.extend((1..=3).map(unbilled));
    lines.extend((1..=4).map(without_key));
    lines.extend(["{", "}", r#"{"apiKeyId":"k","status":"200"}"#].map(str::to_owned));
    let (_, metrics) = deliver(&consumer(&ports), 0, &[record(10, envelope(1, &lines))]).await;
    let counts = [
        (ConsumerMetric::Events, 13),
        (ConsumerMetric::BillableCalls, 1),
        (ConsumerMetric::SkippedUnbilledStatus, 2),
        (ConsumerMetric::SkippedUnbilled, 3),
        (ConsumerMetric::SkippedNoApiKey, 4),
        (ConsumerMetric::QuarantinedEvents, 3),
    ];
    for (metric, calls) in counts {
        assert_eq!(count(&metrics, metric), calls, "{metric:?}");
    }
    assert_eq!(line(metrics)["quarantine_reasons"], json!({"line-not-json": 2, "no-request-time": 1}));
}

#[tokio::test]
async fn the_freshness_of_committed_records_is_the_sum_of_the_times_of_the_stages() {
    let ports = MemoryPorts::default();
    ports.store().failing_keys.insert("blocked".to_owned());
    // Each call is answered 5 ms after its request.
    let lines = [call("k", NOW_MS - 705), call("k", NOW_MS - 1_005), call("k", NOW_MS - 905)];
    let without_calls = [call_with("k", NOW_MS, "500")];
    let records = [
        record(10, envelope(1, &lines)),
        record(11, envelope(4, &without_calls)),
        record(12, envelope(5, &[call("blocked", NOW_MS - 5)])),
    ];
    let event = kinesis_event(STREAM, &shard_id(0), &records);
    let mut metrics = BatchMetrics::default();
    consumer(&ports).count(&event, NOW_MS + 2_000, || NOW_MS + 2_300, &mut metrics).await.unwrap();
    let line = line(metrics);
    let times = ["LogDeliveryDelay", "StreamWait", "CommitDuration", "Freshness"].map(|stage| &line[stage]);
    assert_eq!(times, [&json!([1_000]), &json!([2_000]), &json!([300]), &json!([3_300])]);
}
