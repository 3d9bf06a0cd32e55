//! The ledger's table: partitions that take a thousand write units a second each.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Write units a second of a partition. Source: DynamoDB Developer Guide, partitions and data distribution.
pub(super) const PARTITION_WRITES_PER_S: f64 = 1_000.0;
/// How full partitions shall be on average.
const UTILISATION: f64 = 0.7;
/// Partitions of a new table on demand: 4,000 write units a second. Source: DynamoDB Developer Guide, on-demand mode.
const FEWEST_PARTITIONS: usize = 4;

/// How many partitions a table has to be warmed up to.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of partitions is small")]
pub(super) fn partitions_for(writes_per_s: f64) -> usize {
    ((writes_per_s / PARTITION_WRITES_PER_S / UTILISATION).ceil() as usize).max(FEWEST_PARTITIONS)
}

/// A table, or one without limits.
#[derive(Debug)]
pub(super) struct Table {
    /// From when on each partition takes the next write, in microseconds.
    free_us: Vec<u64>,
    /// Writes by partition and second.
    writes: BTreeMap<u64, Vec<u32>>,
    unit_us: u64,
}

impl Table {
    pub fn new(partitions: Option<usize>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a thousand")]
        let unit_us = partitions.map_or(0, |_| (1e6 / PARTITION_WRITES_PER_S) as u64);
        Self { free_us: vec![0; partitions.unwrap_or(1)], writes: BTreeMap::new(), unit_us }
    }

    /// Takes a write that is asked for at a time, and says when it is begun.
    /// What waits here is throttled and tried again on AWS.
    pub fn write(&mut self, partition_key: &str, asked_us: u64) -> u64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(partition_key);
        let count = self.free_us.len();
        #[expect(clippy::cast_possible_truncation, reason = "less than the count of partitions")]
        let partition = (hash % count as u64) as usize;
        let begun_us = self.free_us[partition].max(asked_us);
        self.free_us[partition] = begun_us + self.unit_us;
        self.writes.entry(begun_us / 1_000_000).or_insert_with(|| vec![0; count])[partition] += 1;
        begun_us
    }

    pub fn partitions(&self) -> usize {
        self.free_us.len()
    }

    /// Writes a second of the partitions in the seconds of a span: on average, of the
    /// busiest partition, and of the busiest in its busiest second.
    pub fn per_partition(&self, from_s: u64, to_s: u64) -> (f64, f64, f64) {
        let seconds: Vec<&Vec<u32>> = self.writes.range(from_s..to_s).map(|(_, writes)| writes).collect();
        let partitions = self.free_us.len();
        #[expect(clippy::cast_precision_loss, reason = "seconds and partitions are few")]
        let (length, count) = ((to_s - from_s) as f64, partitions as f64);
        let of = |partition: usize| {
            seconds.iter().map(|writes| f64::from(writes[partition])).sum::<f64>() / length
        };
        let average = (0..partitions).map(of).sum::<f64>() / count;
        let busiest = (0..partitions).map(of).fold(0.0, f64::max);
        let most = seconds.iter().flat_map(|writes| writes.iter()).max().copied().unwrap_or(0);
        (average, busiest, f64::from(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_takes_a_thousand_writes_a_second() {
        let mut table = Table::new(Some(4));
        let begun: Vec<u64> = (0..3_000).map(|_| table.write("hot", 0)).collect();
        assert_eq!((begun[0], begun[1], begun[2_999]), (0, 1_000, 2_999_000));
        assert!(table.write("hot", 10_000_000) == 10_000_000);
        let (average, busiest, most) = table.per_partition(0, 3);
        assert!(
            (average - 250.0).abs() < 1.0 && (busiest - 1_000.0).abs() < 1.0 && (most - 1_000.0).abs() < 1.0
        );
        let mut unlimited = Table::new(None);
        assert!((0..3_000).all(|_| unlimited.write("hot", 5) == 5));
    }
}
