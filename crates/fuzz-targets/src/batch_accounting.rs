//! The accounting of a batch: nothing is lost, and nothing counts twice.
//!
//! - A batch is counted, or refused as one that Lambda never delivers.
//! - Each event of a readable record is counted, skipped for a stated reason, in quarantine, or a
//!   call that another record of the batch owns. A record that cannot be read is in quarantine, with
//!   its bytes.
//! - The ledger has exactly the counted calls, by key and in total.
//! - A second delivery of the batch, also to another instance, changes nothing.
//! - Records that are delivered one by one count the same calls.

use std::collections::BTreeMap;
use std::sync::Mutex;

use access_log::{Decoder, Form, Origin};
use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord};
use memory_ports::{MemoryPorts, Store};
use metering_core::batch_run::RunSettings;
use metering_core::billing_rules::BillingRules;
use metering_core::metered_key::TOTALS_KEY_ID;
use metering_core::window::{DAY_MS, UtcDay};
use tokio::runtime::Runtime;
use usage_consumer::batch::{DecodeSettings, arrival_ms};
use usage_consumer::classes::ClassCopy;
use usage_consumer::consumer::Consumer;
use usage_consumer::executor::Executor;
use usage_consumer::metrics::{BatchMetrics, ConsumerMetric};

use crate::readings::LIMITS;

/// The time of every invocation: 2026-11-24T08:34:30Z.
pub const NOW_MS: i64 = 1_795_509_270_000;
const MAX_CALL_AGE_DAYS: u32 = 35;
/// The reason of a record on which the decoder panicked.
const PANICKED: &str = "decoder-panicked";

type MemoryConsumer = Consumer<MemoryPorts, MemoryPorts, MemoryPorts>;
/// Number of calls by key, day and hour.
type Counts = BTreeMap<(String, UtcDay, usize), u64>;

thread_local! {
    static RUNTIME: Runtime = runtime();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap_or_else(|error| panic!("a runtime without drivers starts: {error}"))
}

fn consumer(ports: &MemoryPorts) -> MemoryConsumer {
    let max_call_age_ms = i64::from(MAX_CALL_AGE_DAYS) * DAY_MS;
    Consumer {
        executor: Executor {
            ledger: ports.clone(),
            claims: ports.clone(),
            quarantine: ports.clone(),
            concurrency: 32,
            settings: RunSettings { max_call_age_ms },
        },
        decoder: Mutex::new(Decoder::new(LIMITS)),
        decode: DecodeSettings {
            max_call_age_days: MAX_CALL_AGE_DAYS,
            claim_layout: "0:10000:1".parse().unwrap_or_else(|error| panic!("{error}")),
            rules: BillingRules::except("OPTIONS *,/usage".parse().unwrap_or_else(|error| panic!("{error}"))),
        },
        classes: ClassCopy::default(),
    }
}

/// Delivers an event. `None` if it is refused as one that Lambda never delivers.
fn deliver(consumer: &MemoryConsumer, event: &KinesisEvent) -> Option<BatchMetrics> {
    let mut metrics = BatchMetrics::default();
    let counting = consumer.count(event, NOW_MS, || NOW_MS, &mut metrics);
    let response = RUNTIME.with(|runtime| runtime.block_on(counting)).ok()?;
    assert!(response.batch_item_failures.is_empty(), "ports that never fail leave no record behind");
    Some(metrics)
}

/// Checks the accounting of one event.
///
/// # Panics
/// If one of the statements is false.
pub fn check(event: &KinesisEvent) {
    let ports = MemoryPorts::default();
    let consumer_of_batch = consumer(&ports);
    let Some(metrics) = deliver(&consumer_of_batch, event) else {
        assert_eq!(state(&ports), (Counts::new(), 0), "nothing of a refused batch counts");
        return;
    };
    check_metrics(event, &metrics);
    check_ledger(&ports.store(), &metrics);
    check_quarantine(event, &ports.store());
    let before = state(&ports);
    for again in [&consumer_of_batch, &consumer(&ports)] {
        let metrics = deliver(again, event);
        let counted = metrics.map(|metrics| metrics.count(ConsumerMetric::BillableCalls));
        assert_eq!(counted, Some(0), "a second delivery counts nothing");
        assert_eq!(state(&ports), before, "a second delivery changes nothing");
    }
    assert_eq!(counted_one_by_one(event), before.0, "other batches count the same calls");
}

/// Returns the counts of the ledger, and the number of writes to the quarantine.
fn state(ports: &MemoryPorts) -> (Counts, u64) {
    let store = ports.store();
    (store.counts(), store.keeps)
}

fn counted_one_by_one(event: &KinesisEvent) -> Counts {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    for record in &event.records {
        let mut single = KinesisEvent::default();
        single.records = vec![record.clone()];
        assert!(deliver(&consumer, &single).is_some(), "a record of a good batch is a good batch");
    }
    ports.store().counts()
}

/// Returns the number of events of a record that is to be counted; `None` if it cannot be read.
fn events_of(record: &KinesisEventRecord) -> Option<u64> {
    let arrived_at_ms = arrival_ms(record);
    let origin = Origin { record_name: "a/b/c/d/1", arrived_at_ms };
    let decoded = Decoder::new(LIMITS).decode(&record.kinesis.data.0, origin, |_| {}).ok()?;
    Some(if decoded.form == Form::ControlMessage { 0 } else { u64::from(decoded.event_count) })
}

fn check_metrics(event: &KinesisEvent, metrics: &BatchMetrics) {
    let count = |metric| metrics.count(metric);
    let events: u64 = event.records.iter().filter_map(events_of).sum();
    let unreadable = event.records.iter().filter(|record| events_of(record).is_none()).count() as u64;
    assert_eq!(count(ConsumerMetric::Records), event.records.len() as u64);
    assert_eq!(count(ConsumerMetric::Events), events);
    let accounted = [
        ConsumerMetric::BillableCalls,
        ConsumerMetric::SkippedUnbilledStatus,
        ConsumerMetric::SkippedUnbilled,
        ConsumerMetric::SkippedNoApiKey,
        ConsumerMetric::QuarantinedEvents,
        ConsumerMetric::DuplicateCalls,
    ];
    let accounted = accounted.map(count);
    assert_eq!(
        accounted.iter().sum::<u64>(),
        events,
        "counted, unbilled status, unbilled route, without key, quarantined, duplicate: {accounted:?}"
    );
    assert!(count(ConsumerMetric::QuarantinedRecords) >= unreadable);
    assert_eq!(count(ConsumerMetric::UnreadableClaims), 0);
}

fn check_ledger(store: &Store, metrics: &BatchMetrics) {
    let counted = metrics.count(ConsumerMetric::BillableCalls);
    assert_eq!(store.counts().values().sum::<u64>(), counted, "the ledger has the counted calls");
    assert_eq!(store.total(TOTALS_KEY_ID), counted, "and the totals have them as well");
}

fn check_quarantine(event: &KinesisEvent, store: &Store) {
    assert!(store.quarantine.iter().all(|kept| kept.reason != PANICKED), "the decoder does not panic");
    for record in event.records.iter().filter(|record| events_of(record).is_none()) {
        let data = &record.kinesis.data.0;
        assert!(
            store.quarantine.iter().any(|kept| kept.payload == *data),
            "an unreadable record is kept whole"
        );
    }
}
