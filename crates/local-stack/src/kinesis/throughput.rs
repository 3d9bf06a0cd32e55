//! Throughput limits of shards.
//!
//! Source: Kinesis API Reference, `CreateStream` (writes of 1 MiB and 1,000 records per second;
//! reads of 2 MiB and five calls per second) and `GetRecords` (a call that returns 10 MiB is
//! followed by five seconds of refused calls; when the throughput is insufficient, calls within the
//! next second are refused).

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use super::error::KinesisError;

use crate::sync::locked;

const SECOND_MS: i64 = 1_000;
const BYTES_IN_PER_S: usize = 1 << 20;
const RECORDS_IN_PER_S: usize = 1_000;
const BYTES_OUT_PER_S: usize = 2 << 20;
const READS_PER_S: usize = 5;

/// Throughput used on each shard within the last second.
#[derive(Debug, Default)]
pub struct Throughput {
    shards: Mutex<HashMap<(String, String), ShardUse>>,
}

#[derive(Debug, Default)]
struct ShardUse {
    writes: Window,
    reads: Window,
    /// Time before which reads are refused, in milliseconds since 1970. A read of more than one
    /// second's bytes uses up the following seconds too.
    reads_refused_until_ms: i64,
}

/// Time and bytes of the uses within the last second, oldest first.
#[derive(Debug, Default)]
struct Window {
    uses: VecDeque<(i64, usize)>,
    bytes: usize,
}

impl Window {
    fn forget_before(&mut self, now_ms: i64) {
        while let Some(&(at_ms, bytes)) = self.uses.front() {
            if at_ms > now_ms - SECOND_MS {
                return;
            }
            self.uses.pop_front();
            self.bytes -= bytes;
        }
    }

    fn add(&mut self, now_ms: i64, bytes: usize) {
        self.uses.push_back((now_ms, bytes));
        self.bytes += bytes;
    }
}

impl Throughput {
    fn with_shard<T>(&self, stream: &str, shard: &str, work: impl FnOnce(&mut ShardUse) -> T) -> T {
        let mut shards = locked(&self.shards);
        work(shards.entry((stream.to_owned(), shard.to_owned())).or_default())
    }

    /// Accounts for a record of `bytes`, including its partition key.
    ///
    /// # Errors
    /// Returns an error if the shard's write throughput for this second is used up.
    pub fn write(&self, stream: &str, shard: &str, bytes: usize, now_ms: i64) -> Result<(), KinesisError> {
        self.with_shard(stream, shard, |used| {
            used.writes.forget_before(now_ms);
            if used.writes.uses.len() >= RECORDS_IN_PER_S || used.writes.bytes + bytes > BYTES_IN_PER_S {
                return Err(KinesisError::throttled(stream, shard));
            }
            used.writes.add(now_ms, bytes);
            Ok(())
        })
    }

    /// Checks that a read may begin.
    ///
    /// # Errors
    /// Returns an error if the shard's read throughput is used up.
    pub fn begin_read(&self, stream: &str, shard: &str, now_ms: i64) -> Result<(), KinesisError> {
        self.with_shard(stream, shard, |used| {
            used.reads.forget_before(now_ms);
            let is_spent = used.reads.uses.len() >= READS_PER_S || used.reads.bytes >= BYTES_OUT_PER_S;
            if is_spent || now_ms < used.reads_refused_until_ms {
                return Err(KinesisError::throttled(stream, shard));
            }
            Ok(())
        })
    }

    /// Accounts for a read that returned `bytes`.
    pub fn end_read(&self, stream: &str, shard: &str, bytes: usize, now_ms: i64) {
        self.with_shard(stream, shard, |used| {
            used.reads.add(now_ms, bytes);
            if bytes > BYTES_OUT_PER_S {
                let used_up_ms = (bytes as u64 * 1_000).div_ceil(BYTES_OUT_PER_S as u64);
                used.reads_refused_until_ms = now_ms.saturating_add_unsigned(used_up_ms);
            }
        });
    }

    /// Removes the state of a deleted stream.
    pub fn forget(&self, stream: &str) {
        let mut shards = locked(&self.shards);
        shards.retain(|(name, _), _| name != stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn write(throughput: &Throughput, shard: &str, bytes: usize, after_ms: i64) -> bool {
        throughput.write("s", shard, bytes, NOW_MS + after_ms).is_ok()
    }

    #[test]
    fn a_shard_takes_a_mebibyte_in_any_second() {
        let throughput = Throughput::default();
        assert!(write(&throughput, "a", BYTES_IN_PER_S - 1, 0));
        assert!(!write(&throughput, "a", 2, 999));
        assert!(write(&throughput, "a", 1, 999), "a refused record uses no throughput");
        assert!(write(&throughput, "b", 1, 0), "another shard");
        assert!(write(&throughput, "a", BYTES_IN_PER_S - 1, 1_000));
        assert!(!write(&throughput, "a", 1, 1_500));
    }

    #[test]
    fn a_shard_takes_a_thousand_records_in_any_second() {
        let throughput = Throughput::default();
        assert_eq!((0..1_001).filter(|_| write(&throughput, "a", 1, 0)).count(), 1_000);
        assert!(write(&throughput, "a", 1, 1_000));
    }

    #[test]
    fn a_shard_gives_two_mebibytes_and_five_reads_a_second() {
        let throughput = Throughput::default();
        let read = |bytes: usize, after_ms: i64| {
            let begun = throughput.begin_read("s", "a", NOW_MS + after_ms);
            begun
                .map(|()| throughput.end_read("s", "a", bytes, NOW_MS + after_ms))
                .map_err(|error| error.code)
        };
        let throttled = Err("ProvisionedThroughputExceededException");
        for _ in 0..5 {
            assert_eq!(read(1, 0), Ok(()));
        }
        assert_eq!(read(1, 999), throttled);
        assert_eq!(read(BYTES_OUT_PER_S, 1_000), Ok(()));
        assert_eq!(read(1, 1_999), throttled);
        assert_eq!(read(10 << 20, 2_000), Ok(()));
        assert_eq!(read(1, 6_999), throttled, "10 MiB use up five seconds");
        assert_eq!(read(1, 7_000), Ok(()));
    }
}
