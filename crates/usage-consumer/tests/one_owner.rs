//! A call has one owner: whatever delivers it, it is counted once.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use access_log::{Decoder, Limits};
use common::*;
use memory_ports::MemoryPorts;
use metering_core::fingerprint::Fingerprint;
use metering_core::ports::{LedgerReply, PortError, RowRelease, UsageLedger};
use metering_core::update_plan::CounterUpdate;
use usage_consumer::consumer::Consumer;
use usage_consumer::executor::Executor;
use usage_consumer::metrics::{BatchMetrics, ConsumerMetric};

fn calls(key: &str, count: i64) -> Vec<String> {
    (0..count).map(|number| call(key, NOW_MS + number)).collect()
}

#[tokio::test]
async fn calls_that_are_delivered_again_in_another_cut_are_counted_once() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let lines = calls("k", 4);
    deliver(&consumer, 0, &[record(10, envelope(0, &lines))]).await;
    let again = [record(20, envelope(0, &lines[..3])), record(21, envelope(3, &lines[3..]))];
    let (_, metrics) = deliver(&consumer, 1, &again).await;
    assert_eq!((ports.total("k"), count(&metrics, ConsumerMetric::DuplicateCalls)), (4, 4));
}

#[tokio::test]
async fn backfills_that_overlap_are_counted_once() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let lines = calls("k", 500);
    let mut sequence_number = 10;
    for from in [0, 150] {
        for chunk in lines[from..].chunks(200) {
            deliver(&consumer, 0, &[record(sequence_number, envelope(sequence_number, chunk))]).await;
            sequence_number += 1;
        }
    }
    assert_eq!(ports.total("k"), 500);
}

#[tokio::test]
async fn a_call_that_was_logged_twice_is_counted_once() {
    let ports = MemoryPorts::default();
    let line = call("k", NOW_MS);
    deliver(&consumer(&ports), 0, &[record(10, envelope(1, &[line.clone(), line]))]).await;
    assert_eq!(ports.total("k"), 1);
}

#[tokio::test]
async fn a_retry_counts_a_call_that_was_logged_twice_once() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let line = call("k", NOW_MS);
    let batch = [record(10, envelope(1, &[line.clone(), line, call("blocked", NOW_MS + 1)]))];
    ports.store().failing_keys.insert("blocked".to_owned());
    assert_eq!(deliver(&consumer, 0, &batch).await.0, Some(10));
    ports.store().failing_keys.clear();
    assert_eq!(deliver(&consumer, 0, &batch).await.0, None);
    assert_eq!((ports.total("k"), ports.total("blocked")), (1, 1));
}

#[tokio::test]
async fn lines_of_a_producer_are_counted_once_also_where_the_first_is_cut() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let cut = call("k", NOW_MS)[..40].to_owned();
    let lines = [cut, call("k", NOW_MS), call("k", NOW_MS + 1)].join("\n");
    deliver(&consumer, 0, &[record(10, lines.clone())]).await;
    deliver(&consumer, 0, &[record(11, lines)]).await;
    assert_eq!(ports.total("k"), 2);
}

#[tokio::test]
async fn events_that_differ_by_nothing_but_their_id_are_counted_each() {
    let ports = MemoryPorts::default();
    let line = r#"{"apiKeyId":"k","status":"200","requestTimeEpoch":"1795509270000"}"#.to_owned();
    let batch = [record(10, envelope(1, &[line.clone(), line.clone()])), record(11, envelope(1, &[line]))];
    deliver(&consumer(&ports), 0, &batch).await;
    assert_eq!(ports.total("k"), 2, "the third is the first, delivered again");
}

#[tokio::test]
async fn two_streams_of_one_ledger_lose_nothing() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    for (stream, sequence_number) in [("new", 5_000), ("old", 100)] {
        let arn = format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{stream}");
        let line = call("k", NOW_MS + i64::try_from(sequence_number).unwrap());
        let event = kinesis_event(&arn, &shard_id(0), &[record(sequence_number, envelope(1, &[line]))]);
        let mut metrics = BatchMetrics::default();
        let response = consumer.count(&event, NOW_MS, || NOW_MS, &mut metrics).await.unwrap();
        assert!(response.batch_item_failures.is_empty());
        assert_eq!(count(&metrics, ConsumerMetric::FencedUpdates), 0);
    }
    assert_eq!(ports.total("k"), 2);
}

#[tokio::test]
async fn the_latest_call_does_not_go_back() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    deliver(&consumer, 0, &[record(10, envelope(1, &[call("k", NOW_MS)]))]).await;
    deliver(&consumer, 0, &[record(11, envelope(2, &[call("k", NOW_MS - 2 * HOUR)]))]).await;
    assert_eq!(ports.store().rows.values().next().unwrap().last_call_ms, NOW_MS);
}

/// The same record is judged by the version that met it first: one that counts
/// calls of ten days at most, and one that counts those of twenty days as well.
mod versions {
    use super::*;

    fn old_and_good() -> Vec<u8> {
        envelope(2, &[call("good", NOW_MS), call("old", NOW_MS - 20 * DAY)])
    }

    #[tokio::test]
    async fn a_retry_by_another_version_and_a_put_back_count_once() {
        let ports = MemoryPorts::default();
        let (strict, lenient) = (consumer_that_counts(&ports, 10), consumer(&ports));
        let batch = [record(5, envelope(1, &[call("blocked", NOW_MS)])), record(10, old_and_good())];
        ports.store().failing_keys.insert("blocked".to_owned());
        assert_eq!(deliver(&strict, 0, &batch).await.0, Some(5));
        ports.store().failing_keys.clear();
        assert_eq!(deliver(&lenient, 0, &batch).await.0, None);
        for payload in kept(&ports) {
            deliver(&lenient, 1, &[record(100, payload)]).await;
        }
        assert_eq!((ports.total("good"), ports.total("old")), (1, 1));
    }

    #[tokio::test]
    async fn a_version_that_would_quarantine_counts_what_another_has_claimed() {
        let ports = MemoryPorts::default();
        let (strict, lenient) = (consumer_that_counts(&ports, 10), consumer(&ports));
        let batch = [record(10, old_and_good())];
        ports.store().failing_keys.insert("old".to_owned());
        assert_eq!(deliver(&lenient, 0, &batch).await.0, Some(10));
        ports.store().failing_keys.clear();
        assert_eq!(deliver(&strict, 0, &batch).await.0, None);
        assert_eq!((ports.total("good"), ports.total("old")), (1, 1));
        assert_eq!(ports.store().quarantine.len(), 0);
    }

    #[tokio::test]
    async fn a_replay_after_an_upgrade_and_a_put_back_changes_nothing() {
        let ports = MemoryPorts::default();
        let (strict, lenient) = (consumer_that_counts(&ports, 10), consumer(&ports));
        let original = record(10, old_and_good());
        deliver(&strict, 0, std::slice::from_ref(&original)).await;
        let put_back = record(100, kept(&ports)[0].clone());
        deliver(&lenient, 1, std::slice::from_ref(&put_back)).await;
        assert_eq!(ports.total("old"), 1);
        deliver(&lenient, 0, &[original]).await;
        deliver(&lenient, 1, &[put_back]).await;
        assert_eq!((ports.total("good"), ports.total("old")), (1, 1));
    }

    #[tokio::test]
    async fn a_retry_with_a_raised_limit_and_a_put_back_lose_nothing() {
        let ports = MemoryPorts::default();
        let (before, after) = (consumer(&ports), consumer(&ports));
        let limits = Limits { max_inflated_bytes: 1 << 10, ..Limits::default() };
        *before.decoder.lock().unwrap() = Decoder::new(limits);
        let padding = format!("{{\"padding\":\"{}\",", "p".repeat(900));
        let padded = |key: &str, time: i64| call(key, time).replacen('{', &padding, 1);
        let batch = [
            record(5, envelope(1, &[call("blocked", NOW_MS)])),
            record(10, gzip(&envelope(2, &[padded("a", NOW_MS + 1), padded("b", NOW_MS + 2)]))),
            record(11, envelope(4, &[call("a", NOW_MS + 3)])),
        ];
        ports.store().failing_keys.insert("blocked".to_owned());
        assert_eq!(deliver(&before, 0, &batch).await.0, Some(5));
        ports.store().failing_keys.clear();
        assert_eq!(deliver(&after, 0, &batch).await.0, None);
        let reasons = ports.quarantine_reasons();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        deliver(&after, 1, &[record(100, kept(&ports)[0].clone())]).await;
        assert_eq!((ports.total("a"), ports.total("b")), (2, 1));
    }

    #[tokio::test]
    async fn a_duplicate_that_is_judged_otherwise_and_a_put_back_count_once() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        // The producer's clock is 90 minutes ahead; 40 minutes later the call is plausible.
        let data = envelope(1, &[call("k", NOW_MS + 90 * 60_000), call("-", NOW_MS)]);
        deliver(&consumer, 0, &[record(10, data.clone())]).await;
        let later = StreamRecord { arrived_at_ms: NOW_MS + 40 * 60_000, ..record(20, data) };
        deliver(&consumer, 1, &[later]).await;
        let put_back =
            StreamRecord { arrived_at_ms: NOW_MS + 2 * HOUR, ..record(30, kept(&ports)[0].clone()) };
        deliver(&consumer, 0, &[put_back]).await;
        assert_eq!(ports.total("k"), 1);
    }

    /// Another version claimed a call to be counted whose line this one cannot read.
    #[tokio::test]
    async fn calls_that_only_another_version_can_read_wait_for_it() {
        let ports = MemoryPorts::default();
        let (able, unable) = (consumer(&ports), consumer(&ports));
        let limits = Limits { max_inflated_bytes: 64, ..Limits::default() };
        *unable.decoder.lock().unwrap() = Decoder::new(limits);
        let batch = [record(9, envelope(1, &[call("first", NOW_MS)])), record(10, gzip(&old_and_good()))];
        ports.store().failing_keys.insert("old".to_owned());
        assert_eq!(deliver(&able, 0, &batch).await.0, Some(10));
        ports.store().failing_keys.clear();
        let (resume, metrics) = deliver(&unable, 0, &batch[1..]).await;
        assert_eq!((resume, count(&metrics, ConsumerMetric::UnreadableClaims)), (Some(10), 1));
        assert_eq!(deliver(&able, 0, &batch[1..]).await.0, None);
        // Once they are counted, a replay by the other version has nothing to wait for.
        assert_eq!(deliver(&unable, 0, &batch).await.0, None);
        assert_eq!(["first", "good", "old"].map(|key| ports.total(key)), [1, 1, 1]);
        assert_eq!(ports.store().quarantine.len(), 0);
    }
}

mod given_up {
    use super::*;
    use metering_core::ports::{LedgerReply, UsageLedger};

    #[tokio::test]
    async fn a_record_that_was_given_up_can_be_put_back_and_its_duplicate_counts() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        let data = envelope(1, &[call("k", NOW_MS), call("other", NOW_MS + 1)]);
        ports.store().failing_keys.insert("k".to_owned());
        assert_eq!(deliver(&consumer, 0, &[record(10, data.clone())]).await.0, Some(10));
        ports.store().failing_keys.clear();
        // The stream goes on behind it, with a call of the same key.
        deliver(&consumer, 0, &[record(11, envelope(3, &[call("k", NOW_MS + 2)]))]).await;
        // A duplicate does not count a call that another record has claimed.
        deliver(&consumer, 1, &[record(19, data.clone())]).await;
        assert_eq!((ports.total("k"), ports.total("other")), (1, 1));
        let given_up = record(10, data);
        deliver(&consumer, 1, &[put_back(20, 0, &given_up)]).await;
        let (_, metrics) = deliver(&consumer, 0, &[put_back(30, 0, &given_up)]).await;
        assert_eq!(count(&metrics, ConsumerMetric::DuplicateCalls), 2);
        assert_eq!((ports.total("k"), ports.total("other")), (2, 1));
    }

    #[tokio::test]
    async fn a_write_that_lands_after_the_record_was_given_up_counts_nothing() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        let data = envelope(1, &[call("k", NOW_MS)]);
        ports.store().failing_keys.insert("k".to_owned());
        deliver(&consumer, 0, &[record(10, data.clone())]).await;
        ports.store().failing_keys.clear();
        deliver(&consumer, 0, &[record(11, envelope(2, &[call("else", NOW_MS)]))]).await;
        deliver(&consumer, 1, &[put_back(20, 0, &record(10, data))]).await;
        let late = {
            let store = ports.store();
            let (row, _) = store.rows.iter().find(|(row, _)| &*row.key().api_key_id == "k").unwrap();
            let number = metering_core::sequence_number::SequenceNumber::parse("10").unwrap();
            let mut hours = [0; 24];
            hours[8] = 1;
            let row = metering_core::row_key::RowKey {
                shard: store.rows.keys().find(|row| &*row.key().api_key_id == "else").unwrap().shard.clone(),
                ..row.clone()
            };
            let mut usage = metering_core::aggregate::BatchUsage::new();
            metering_core::update_plan::CounterUpdate {
                row,
                first: number.clone(),
                last: number.clone(),
                first_record: usage.begin_record(number).unwrap(),
                hours,
                response_bytes: Box::default(),
                fingerprint: Fingerprint::default(),
                last_call_ms: NOW_MS,
                gaps: Vec::new(),
            }
        };
        assert!(matches!(ports.apply(&late).await.unwrap(), LedgerReply::Fenced(_)));
        assert_eq!(ports.total("k"), 1);
    }

    #[tokio::test]
    async fn a_given_up_record_that_is_read_again_goes_to_quarantine() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        let batch = [
            record(10, envelope(1, &[call("k", NOW_MS)])),
            record(11, envelope(2, &[call("k", NOW_MS + 1)])),
        ];
        ports.store().failing_keys.insert("k".to_owned());
        deliver(&consumer, 0, &batch[..1]).await;
        ports.store().failing_keys.clear();
        deliver(&consumer, 0, &batch[1..]).await;
        // The mapping is made anew and reads from the beginning.
        let (resume, metrics) = deliver(&consumer, 0, &batch).await;
        assert_eq!((resume, count(&metrics, ConsumerMetric::GivenUpRecords)), (None, 1));
        deliver(&consumer, 0, &batch).await;
        assert_eq!(ports.keeps(), 1);
        deliver(&consumer, 1, &[put_back_kept(20, &ports, 0)]).await;
        assert_eq!(ports.total("k"), 2);
    }
}

mod expiry {
    use super::*;

    #[tokio::test]
    async fn putting_back_twice_counts_once_as_long_as_the_quarantine_keeps_it() {
        let ports = MemoryPorts::default();
        let (strict, lenient) = (consumer_that_counts(&ports, 10), consumer(&ports));
        deliver(&strict, 0, &[record(10, envelope(1, &[call("k", NOW_MS - 15 * DAY)]))]).await;
        let payload = kept(&ports)[0].clone();
        for (sequence_number, days_later) in [(20, 0), (30, 4), (40, 14)] {
            let arrived_at_ms = NOW_MS + days_later * DAY;
            ports.store().expire(arrived_at_ms);
            deliver(
                &lenient,
                1,
                &[StreamRecord { arrived_at_ms, ..record(sequence_number, payload.clone()) }],
            )
            .await;
        }
        assert_eq!(ports.total("k"), 1);
    }

    #[tokio::test]
    async fn a_call_is_known_for_as_long_as_it_could_be_counted() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        // The clock of the producer of the second call is ahead by the maximum.
        let data = envelope(1, &[call("k", NOW_MS), call("k", NOW_MS + HOUR)]);
        deliver(&consumer, 0, &[record(10, data.clone())]).await;
        for later in [MAX_CALL_AGE_DAYS * DAY, MAX_CALL_AGE_DAYS * DAY + HOUR / 2] {
            ports.store().expire(NOW_MS + later);
            let sequence_number = 20 + u64::try_from(later).unwrap();
            let again =
                StreamRecord { arrived_at_ms: NOW_MS + later, ..record(sequence_number, data.clone()) };
            deliver(&consumer, 1, &[again]).await;
            assert_eq!((ports.total("k"), ports.keeps()), (2, 0));
        }
    }

    #[tokio::test]
    async fn a_call_whose_claim_has_expired_is_kept_and_not_counted() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        let data = envelope(1, &[call("k", NOW_MS)]);
        deliver(&consumer, 0, &[record(10, data.clone())]).await;
        let arrived_at_ms = NOW_MS + 2 * MAX_CALL_AGE_DAYS * DAY;
        ports.store().expire(arrived_at_ms);
        deliver(&consumer, 1, &[StreamRecord { arrived_at_ms, ..record(20, data) }]).await;
        assert_eq!((ports.total("k"), ports.quarantine_reasons()), (1, vec!["too-old".to_owned()]));
    }

    /// A record is read again after the claims of its calls, which another
    /// record made, have expired.
    #[tokio::test]
    async fn a_replay_claims_nothing_for_a_record_that_is_committed() {
        let ports = MemoryPorts::default();
        let consumer = consumer(&ports);
        let data = envelope(1, &[call("k", NOW_MS)]);
        deliver(&consumer, 0, &[record(10, data.clone())]).await;
        let duplicate = StreamRecord { arrived_at_ms: NOW_MS + 30 * DAY, ..record(20, data) };
        deliver(&consumer, 1, std::slice::from_ref(&duplicate)).await;
        ports.store().expire(NOW_MS + 50 * DAY);
        let (_, metrics) = deliver(&consumer, 1, &[duplicate]).await;
        assert_eq!((ports.total("k"), count(&metrics, ConsumerMetric::ReplayedRecords)), (1, 1));
    }
}

/// A ledger that counts the updates in flight.
#[derive(Clone, Default)]
struct Crowd {
    ports: MemoryPorts,
    present: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl UsageLedger for Crowd {
    async fn apply(&self, update: &CounterUpdate) -> Result<LedgerReply, PortError> {
        let present = self.present.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(present, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.present.fetch_sub(1, Ordering::SeqCst);
        self.ports.apply(update).await
    }

    async fn release(&self, release: &RowRelease) -> Result<bool, PortError> {
        self.ports.release(release).await
    }
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_the_setting_says() {
    let crowd = Crowd::default();
    let MemoryConsumer { executor, decoder, decode, classes } = consumer(&crowd.ports);
    let Executor { claims, quarantine, concurrency, settings, .. } = executor;
    let executor = Executor { ledger: crowd.clone(), claims, quarantine, concurrency, settings };
    let consumer = Consumer { executor, decoder, decode, classes };
    let lines: Vec<String> = (0..100).map(|key| call(&format!("k{key}"), NOW_MS)).collect();
    let event = kinesis_event(STREAM, &shard_id(0), &[record(10, envelope(0, &lines))]);
    consumer.count(&event, NOW_MS, || NOW_MS, &mut BatchMetrics::default()).await.unwrap();
    assert_eq!(crowd.most.load(Ordering::SeqCst), concurrency);
    assert_eq!(crowd.ports.store().rows_of_keys().count(), 100);
}
