//! What goes to quarantine: all that cannot be counted, once, in a form that
//! can be put back.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use common::*;
use memory_ports::MemoryPorts;
use serde_json::json;
use usage_consumer::metrics::ConsumerMetric;

#[tokio::test]
async fn an_outage_of_hours_keeps_a_bad_record_once() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    ports.store().failing_keys.insert("blocked".to_owned());
    let batch = [
        record(5, envelope(1, &[call("early", NOW_MS)])),
        record(9, "not json"),
        record(10, envelope(2, &[call("blocked", NOW_MS + 1), "{".to_owned()])),
        record(11, "not json either"),
    ];
    for _ in 0..240 {
        assert_eq!(deliver(&consumer, 0, &batch).await.0, Some(10));
    }
    assert_eq!(ports.keeps(), 3, "each of the three bad ones once");
}

#[tokio::test]
async fn a_record_is_not_counted_before_its_bad_events_are_kept() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let batch = [
        record(10, envelope(1, &[call("k", NOW_MS), "{".to_owned()])),
        record(11, envelope(3, &[call("k", NOW_MS + 1)])),
    ];
    ports.store().is_quarantine_failing = true;
    assert_eq!(deliver(&consumer, 0, &batch).await.0, Some(10));
    assert_eq!((ports.total("k"), ports.keeps()), (0, 0));
    ports.store().is_quarantine_failing = false;
    assert_eq!(deliver(&consumer, 0, &batch).await.0, None);
    assert_eq!((ports.total("k"), ports.keeps()), (2, 1));
}

#[tokio::test]
async fn of_a_record_that_is_partly_bad_the_bad_events_are_kept_and_no_others() {
    let ports = MemoryPorts::default();
    let lines = [call("k", NOW_MS), "{".to_owned(), call("k", NOW_MS + 1)];
    deliver(&consumer(&ports), 0, &[record(10, envelope(1, &lines))]).await;
    assert_eq!((ports.total("k"), ports.keeps()), (2, 1));
    // Where nothing is claimed yet, whatever can be counted of it counts.
    let elsewhere = MemoryPorts::default();
    deliver(&consumer(&elsewhere), 0, &[record(20, kept(&ports)[0].clone())]).await;
    assert_eq!(elsewhere.total("k"), 0);
    assert!(elsewhere.store().quarantine[0].detail.starts_with("1 of 1 events; event 0: "));
}

#[tokio::test]
async fn nothing_is_counted_past_a_failed_claim() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    // A row that does not answer stands for any failure of record 10.
    ports.store().failing_keys.insert("blocked".to_owned());
    let lines = [call("k", NOW_MS), call("blocked", NOW_MS + 1)];
    let batch = [record(10, envelope(1, &lines)), record(11, envelope(3, &[call("k", NOW_MS + 2)]))];
    let (resume, metrics) = deliver(&consumer, 0, &batch).await;
    assert_eq!((resume, count(&metrics, ConsumerMetric::FailedRecords)), (Some(10), 2));
    ports.store().failing_keys.clear();
    assert_eq!(deliver(&consumer, 0, &batch).await.0, None);
    assert_eq!(ports.total("k"), 2);
}

#[tokio::test]
async fn a_row_that_is_refused_goes_to_quarantine_and_blocks_nothing() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    ports.store().refused_keys.insert("refused".to_owned());
    let lines = [call("k", NOW_MS), call("refused", NOW_MS + 1), call("refused", NOW_MS + 2)];
    let batch = [record(10, envelope(1, &lines)), record(11, envelope(4, &[call("k", NOW_MS + 3)]))];
    let (resume, metrics) = deliver(&consumer, 0, &batch).await;
    assert_eq!((resume, count(&metrics, ConsumerMetric::RefusedCalls)), (None, 2));
    assert_eq!((ports.total("k"), ports.total("refused")), (2, 0));
    deliver(&consumer, 0, &batch).await;
    assert_eq!(ports.keeps(), 1);
    // The cause is repaired, and the calls are put back.
    ports.store().refused_keys.clear();
    for sequence_number in [20, 21] {
        deliver(&consumer, 1, &[put_back_kept(sequence_number, &ports, 0)]).await;
    }
    assert_eq!((ports.total("k"), ports.total("refused")), (2, 2));
}

#[tokio::test]
async fn what_is_mostly_bad_fits_back_into_the_stream() {
    let ports = MemoryPorts::default();
    let line = |number: i64| {
        let key = if number % 10 == 0 { json!("k") } else { json!(7) };
        json!({"extendedRequestId": format!("Jx{number:08}abcdefghij="), "apiKeyId": key,
            "requestTimeEpoch": (NOW_MS + number).to_string(), "requestTime": "24/Nov/2026:08:34:30 +0000", "status": "200",
            "responseLatency": "12", "httpMethod": "GET", "resourcePath": "/orders/{id}", "stage": "prod", "apiId": "abcdef1234"})
        .to_string()
    };
    let lines: Vec<String> = (0..4_000).map(line).collect();
    deliver(&consumer(&ports), 0, &[record(10, gzip(&envelope(1, &lines)))]).await;
    assert_eq!(ports.total("k"), 400);
    let payloads = kept(&ports);
    assert!(!payloads.is_empty() && payloads.iter().all(|payload| payload.len() < 1 << 20));
    assert!(ports.store().quarantine[0].detail.starts_with("3600 of 4000 events; event 1: "));
}

#[tokio::test]
async fn a_control_message_counts_nothing() {
    let ports = MemoryPorts::default();
    let text = String::from_utf8(envelope(1, &[call("k", NOW_MS)])).unwrap();
    let control = text.replace("DATA_MESSAGE", "CONTROL_MESSAGE");
    let (_, metrics) = deliver(&consumer(&ports), 0, &[record(10, control)]).await;
    assert_eq!((ports.total("k"), count(&metrics, ConsumerMetric::ControlMessages)), (0, 1));
}

#[tokio::test]
async fn a_record_that_breaks_off_counts_nothing_and_is_kept_whole() {
    let ports = MemoryPorts::default();
    let mut data = envelope(1, &[call("k", NOW_MS)]);
    data.truncate(data.len() - 2);
    deliver(&consumer(&ports), 0, &[record(10, data.clone())]).await;
    assert_eq!((ports.total("k"), kept(&ports)), (0, vec![data]));
}

#[tokio::test]
async fn a_clock_may_lead_by_an_hour() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let lines = [call("k", NOW_MS + HOUR), call("k", NOW_MS + HOUR + 1)];
    deliver(&consumer, 0, &[record(10, envelope(1, &lines))]).await;
    assert_eq!(ports.total("k"), 1);
    assert_eq!(ports.store().quarantine[0].reason, "in-the-future");
}

#[tokio::test]
async fn a_call_is_counted_in_the_hour_in_which_it_was_made() {
    let ports = MemoryPorts::default();
    deliver(&consumer(&ports), 0, &[record(10, envelope(1, &[call("k", NOW_MS - 3 * HOUR)]))]).await;
    // 08:34 is in hour 8.
    assert_eq!(ports.store().counts().keys().map(|(_, _, hour)| *hour).collect::<Vec<_>>(), [5]);
}

/// One record of 33 kB must not become gigabytes, nor keep what is behind it from being counted.
#[tokio::test]
async fn a_record_of_millions_of_events_is_kept_whole() {
    let ports = MemoryPorts::default();
    let events = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}{{}}]}}"#, "{},".repeat(1 << 20));
    for (sequence_number, bomb) in [(10, b"x\n".repeat(1 << 20)), (11, events.into_bytes())] {
        deliver(&consumer(&ports), 0, &[record(sequence_number, gzip(&bomb))]).await;
    }
    deliver(&consumer(&ports), 0, &[record(12, envelope(1, &[call("behind", NOW_MS)]))]).await;
    let reasons = ports.quarantine_reasons();
    assert_eq!(reasons, ["too-many-events", "too-many-events"]);
    assert_eq!(ports.total("behind"), 1);
}

#[tokio::test]
async fn a_batch_that_does_not_fit_into_memory_is_counted_in_parts() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let lines = |first: i64, count: i64| {
        let lines = (first..first + count).map(|time| call("k", NOW_MS - time) + "\n");
        gzip(lines.collect::<String>().as_bytes())
    };
    let batch = [
        record(10, lines(0, 131_072)),
        record(11, lines(131_072, 131_072)),
        record(12, lines(262_144, 1)),
        record(13, lines(262_145, 1)),
    ];
    let (resume, metrics) = deliver(&consumer, 0, &batch).await;
    assert_eq!((resume, count(&metrics, ConsumerMetric::FailedRecords)), (Some(12), 2), "262,144 calls fit");
    assert_eq!(deliver(&consumer, 0, &batch[2..]).await.0, None);
    assert_eq!(ports.total("k"), 262_146);
}

#[tokio::test]
async fn a_record_of_more_slices_than_can_be_claimed_in_time_is_kept_whole() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    // Two calls are in the first slice.
    let slices = |count: i64| {
        let times = [NOW_MS + 1].into_iter().chain((0..count).map(|slice| NOW_MS - slice * 10_000));
        let lines = times.map(|time| call("k", time) + "\n");
        gzip(lines.collect::<String>().as_bytes())
    };
    deliver(&consumer, 0, &[record(10, slices(10_000))]).await;
    assert_eq!((ports.total("k"), ports.keeps()), (10_001, 0));
    deliver(&consumer, 0, &[record(11, slices(10_001))]).await;
    assert_eq!((ports.total("k"), ports.quarantine_reasons()), (10_001, vec!["too-many-slices".to_owned()]));
}

/// Returns gzipped lines, each of another key.
fn keys(first: usize, count: usize) -> Vec<u8> {
    let lines = (first..first + count).map(|key| call(&format!("k{key}"), NOW_MS) + "\n");
    gzip(lines.collect::<String>().as_bytes())
}

#[tokio::test]
async fn a_record_of_more_keys_than_can_be_written_in_time_is_kept_whole() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    deliver(&consumer, 0, &[record(10, keys(0, 40_000))]).await;
    assert_eq!(ports.store().rows_of_keys().count(), 40_000);
    assert_eq!(ports.keeps(), 0);
    let too_many = keys(40_000, 40_001);
    deliver(&consumer, 0, &[record(11, too_many.clone()), record(12, keys(0, 1))]).await;
    assert_eq!(
        (ports.quarantine_reasons(), kept(&ports)),
        (vec!["too-many-keys".to_owned()], vec![too_many])
    );
    assert_eq!(ports.store().rows_of_keys().count(), 40_000, "none of its calls is counted");
}

#[tokio::test]
async fn a_batch_of_more_keys_than_can_be_written_in_time_is_counted_in_parts() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let batch = [record(10, keys(0, 39_999)), record(11, keys(39_999, 1)), record(12, keys(40_000, 1))];
    assert_eq!(deliver(&consumer, 0, &batch).await.0, Some(12));
    assert_eq!(ports.store().rows_of_keys().count(), 40_000);
    assert_eq!(deliver(&consumer, 0, &batch[2..]).await.0, None);
    assert_eq!(ports.store().rows_of_keys().count(), 40_001);
}

/// Eight records that inflate to 32 MiB are all that is read of a batch: the calls that they have, if any,
/// need not be counted.
#[tokio::test]
async fn a_batch_that_inflates_without_end_is_read_in_parts() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let bomb = gzip(&vec![b'['; 32 << 20]);
    let batch: Vec<_> = (10..19).map(|number| record(number, bomb.clone())).collect();
    assert_eq!(deliver(&consumer, 0, &batch).await.0, Some(18));
    assert_eq!(deliver(&consumer, 0, &batch[8..]).await.0, None);
    assert_eq!(ports.quarantine_reasons(), ["line-too-long"; 9]);
}

#[tokio::test]
async fn what_is_put_back_and_still_wrong_is_kept_again_and_counts_once_when_it_is_mended() {
    let ports = MemoryPorts::default();
    let (strict, lenient) = (consumer_that_counts(&ports, 10), consumer(&ports));
    let lines = [call("k", NOW_MS), call("k", NOW_MS - 15 * DAY)];
    deliver(&strict, 0, &[record(10, envelope(1, &lines))]).await;
    for (put_back, sequence_number) in [20, 30].into_iter().enumerate() {
        // A put-back deletes what it has put on the stream.
        let payload = ports.store().quarantine.pop().unwrap().payload;
        deliver(&strict, 1, &[record(sequence_number, payload)]).await;
        assert_eq!((ports.total("k"), ports.keeps()), (1, 2 + put_back as u64));
    }
    // A replay of what was put back first changes nothing.
    deliver(&strict, 0, &[record(10, envelope(1, &lines))]).await;
    let payload = kept(&ports)[0].clone();
    for sequence_number in [40, 50] {
        deliver(&lenient, 1, &[record(sequence_number, payload.clone())]).await;
        assert_eq!((ports.total("k"), ports.keeps()), (2, 3));
    }
}
