//! Which records of a batch are read in one invocation.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use access_log::{Decoder, Limits};
use common::*;
use memory_ports::MemoryPorts;

/// Gzip that breaks off.
const BROKEN_GZIP: &[u8] = &[0x1f, 0x8b, 8, 0];

#[tokio::test]
async fn short_gzipped_records_are_read_together() {
    let ports = MemoryPorts::default();
    let calls = |time: u64| gzip(&envelope(time, &[call("k", NOW_MS + i64::try_from(time).unwrap())]));
    let batch: Vec<_> = (10..30).map(|number| record(number, calls(number))).collect();
    assert_eq!(deliver(&consumer(&ports), 0, &batch).await.0, None);
    assert_eq!(ports.total("k"), 20);
}

/// Nothing says how far a record was inflated before it was refused, so it counts with the limit of 32 MiB.
#[tokio::test]
async fn a_batch_of_gzip_that_cannot_be_read_is_read_in_parts_and_one_of_other_bytes_is_not() {
    for (data, resume) in [(BROKEN_GZIP, Some(18)), (&[0xff; 4], None)] {
        let ports = MemoryPorts::default();
        let batch: Vec<_> = (10..20).map(|number| record(number, data)).collect();
        assert_eq!(deliver(&consumer(&ports), 0, &batch).await.0, resume, "{data:?}");
    }
}

#[tokio::test]
async fn the_first_record_of_a_batch_is_read_whatever_its_length() {
    let ports = MemoryPorts::default();
    let consumer = consumer(&ports);
    let limits = Limits { max_inflated_bytes: 512 << 20, ..Limits::default() };
    *consumer.decoder.lock().unwrap() = Decoder::new(limits);
    let batch = [record(10, BROKEN_GZIP), record(11, BROKEN_GZIP)];
    assert_eq!(deliver(&consumer, 0, &batch).await.0, Some(11));
    assert_eq!(deliver(&consumer, 0, &batch[1..]).await.0, None);
    assert_eq!(ports.quarantine_reasons(), ["truncated-gzip"; 2]);
}
