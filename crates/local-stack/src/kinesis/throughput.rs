//! What a shard takes and gives in a second.
//!
//! Source: Kinesis API Reference, `CreateStream` (1 MiB and 1,000 records a
//! second in, 2 MiB and five reads a second out) and `GetRecords` (a call that
//! returns 10 MiB is followed by five seconds of refusals; where there is not
//! enough throughput, calls within the next second are refused).

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use super::error::KinesisError;

use crate::sync::locked;

const SECOND_MS: i64 = 1_000;
const BYTES_IN_PER_S: usize = 1 << 20;
const RECORDS_IN_PER_S: usize = 1_000;
const BYTES_OUT_PER_S: usize = 2 << 20;
const READS_PER_S: usize = 5;

/// What was used of all shards within the last second.
#[derive(Debug, Default)]
pub struct Throughput {
    shards: Mutex<HashMap<(String, String), ShardUse>>,
}

#[derive(Debug, Default)]
struct ShardUse {
    writes: Window,
    reads: Window,
    /// A read of more than a second's bytes uses up seconds to come.
    reads_again_ms: i64,
}

/// What happened within the last second, oldest first.
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
    fn of_shard<T>(&self, stream: &str, shard: &str, work: impl FnOnce(&mut ShardUse) -> T) -> T {
        let mut shards = locked(&self.shards);
        work(shards.entry((stream.to_owned(), shard.to_owned())).or_default())
    }

    /// Takes a record of so many bytes, partition key included.
    ///
    /// # Errors
    /// When the shard takes no more within this second.
    pub fn write(&self, stream: &str, shard: &str, bytes: usize, now_ms: i64) -> Result<(), KinesisError> {
        self.of_shard(stream, shard, |used| {
            used.writes.forget_before(now_ms);
            if used.writes.uses.len() >= RECORDS_IN_PER_S || used.writes.bytes + bytes > BYTES_IN_PER_S {
                return Err(KinesisError::throttled(stream, shard));
            }
            used.writes.add(now_ms, bytes);
            Ok(())
        })
    }

    /// Begins a read.
    ///
    /// # Errors
    /// When the shard gives no more at present.
    pub fn begin_read(&self, stream: &str, shard: &str, now_ms: i64) -> Result<(), KinesisError> {
        self.of_shard(stream, shard, |used| {
            used.reads.forget_before(now_ms);
            let is_spent = used.reads.uses.len() >= READS_PER_S || used.reads.bytes >= BYTES_OUT_PER_S;
            if is_spent || now_ms < used.reads_again_ms {
                return Err(KinesisError::throttled(stream, shard));
            }
            Ok(())
        })
    }

    /// Ends a read that returned so many bytes.
    pub fn end_read(&self, stream: &str, shard: &str, bytes: usize, now_ms: i64) {
        self.of_shard(stream, shard, |used| {
            used.reads.add(now_ms, bytes);
            if bytes > BYTES_OUT_PER_S {
                let used_up_ms = (bytes as u64 * 1_000).div_ceil(BYTES_OUT_PER_S as u64);
                used.reads_again_ms = now_ms.saturating_add_unsigned(used_up_ms);
            }
        });
    }

    /// Forgets a stream that was deleted.
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
        assert!(write(&throughput, "a", 1, 999), "what is refused uses nothing");
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
