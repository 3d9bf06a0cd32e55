//! The copy of the lists of route classes that an instance keeps.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use common::{DAY, HOUR, MemoryConsumer, NOW_MS, STREAM, call, consumer, envelope, record, shard_id};
use memory_ports::MemoryPorts;
use memory_ports::delivery::{StreamRecord, kinesis_event};
use metering_core::class_lists::{CLASS_COPY_MS, CLASS_LIST_LEAD_MS, ClassLists};
use usage_consumer::metrics::{BatchMetrics, ConsumerMetric};

/// Returns the number of calls of a key in a class.
fn calls_in(ports: &MemoryPorts, class: Option<&str>) -> u64 {
    let store = ports.store();
    let rows = store.rows_of_keys().filter(|(row, _)| row.breakdown.route_class.as_deref() == class);
    rows.flat_map(|(_, row)| row.hours).sum()
}

/// A record that arrives at `arrived_at_ms` with these lines.
fn record_at(number: u64, arrived_at_ms: i64, lines: &[String]) -> StreamRecord {
    StreamRecord { arrived_at_ms, ..record(number, envelope(number * 10, lines)) }
}

/// Delivers records when the last of them has arrived.
async fn deliver(consumer: &MemoryConsumer, records: &[StreamRecord]) {
    let event = kinesis_event(STREAM, &shard_id(0), records);
    let now_ms = records.last().unwrap().arrived_at_ms;
    let response = consumer.count(&event, now_ms, || now_ms, &mut BatchMetrics::default()).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
}

#[tokio::test]
async fn a_call_is_counted_in_the_class_of_its_request_time_whenever_its_record_is_delivered() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    deliver(&consumer, &[record_at(1, NOW_MS, &[call("k", NOW_MS)])]).await;
    assert_eq!(calls_in(&ports, None), 1);

    let from_ms = NOW_MS + 1 + CLASS_LIST_LEAD_MS;
    let lists = ClassLists::default().with(from_ms, "all *".parse().unwrap(), NOW_MS + 1).unwrap();
    ports.store().class_lists = lists;
    // The copy of the first batch is old, and no list that it lacks applies to these calls.
    let soon_ms = NOW_MS + CLASS_COPY_MS - 1;
    deliver(&consumer, &[record_at(2, soon_ms, &[call("k", soon_ms)])]).await;
    assert_eq!(calls_in(&ports, None), 2);
    // Calls of both sides of the change, in one record.
    let lines = [call("k", from_ms - 1), call("k", from_ms), call("k", from_ms + 1)];
    deliver(&consumer, &[record_at(3, from_ms + 1, &lines)]).await;
    assert_eq!((calls_in(&ports, None), calls_in(&ports, Some("all"))), (3, 2));
    // Another instance, days later: the calls are known, and those before the change have no class.
    let other = common::consumer(&ports);
    let late = [record_at(4, from_ms + DAY, &lines), record_at(5, from_ms + DAY, &[call("k", from_ms - 2)])];
    deliver(&other, &late).await;
    assert_eq!((calls_in(&ports, None), calls_in(&ports, Some("all"))), (4, 2));
}

#[tokio::test]
async fn nothing_is_counted_while_the_classes_cannot_be_read() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    ports.store().are_class_lists_failing = true;
    let records =
        [record_at(1, NOW_MS, &[call("k", NOW_MS)]), record_at(2, NOW_MS, &[call("k", NOW_MS - 1)])];
    let (resume, metrics) = common::deliver(&consumer, 0, &records).await;
    assert_eq!((resume, common::count(&metrics, ConsumerMetric::FailedRecords)), (Some(1), 2));
    assert!(ports.store().rows.is_empty());
    ports.store().are_class_lists_failing = false;
    assert_eq!(common::deliver(&consumer, 0, &records).await.0, None);
    assert_eq!(calls_in(&ports, None), 2);
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_prolong_a_copy() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    // The instance's clock is two hours ahead when it reads the lists.
    let first = [record_at(1, NOW_MS, &[call("k", NOW_MS)])];
    let event = kinesis_event(STREAM, &shard_id(0), &first);
    let ahead_ms = NOW_MS + 2 * HOUR;
    consumer.count(&event, ahead_ms, || ahead_ms, &mut BatchMetrics::default()).await.unwrap();
    let from_ms = NOW_MS + CLASS_LIST_LEAD_MS;
    ports.store().class_lists = ClassLists::from_stored(vec![(from_ms, "all *".parse().unwrap())]);
    deliver(&consumer, &[record_at(2, from_ms, &[call("k", from_ms)])]).await;
    assert_eq!(calls_in(&ports, Some("all")), 1);
}
