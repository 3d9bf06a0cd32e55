//! The ledger table. Each of its partitions takes a thousand write units a second.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::result::PartitionWrites;

/// Write units a second that a partition takes. Source: DynamoDB Developer Guide, partitions and data
/// distribution.
pub(super) const PARTITION_WRITES_PER_S: f64 = 1_000.0;
/// Average utilization of the partitions of a table that is warmed up for its load.
const TARGET_UTILIZATION: f64 = 0.7;
/// Partitions of a new table on demand: 4,000 write units a second. Source: DynamoDB Developer Guide, on-demand mode.
const MIN_PARTITIONS: usize = 4;

/// Returns the number of partitions to which a table must be warmed up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of partitions is small")]
pub(super) fn partitions_for(writes_per_s: f64) -> usize {
    ((writes_per_s / PARTITION_WRITES_PER_S / TARGET_UTILIZATION).ceil() as usize).max(MIN_PARTITIONS)
}

/// Time slots in a second. Within a slot, a partition takes its writes in any order.
const SLOTS_PER_S: u64 = 10;
const SLOT_US: u64 = 1_000_000 / SLOTS_PER_S;

/// A table whose partitions limit its writes, or a table without limits.
#[derive(Debug)]
pub(super) struct Table {
    partitions: Vec<Partition>,
    /// Maximum writes of a partition in a slot.
    slot_writes: u32,
}

/// The writes of a partition in each slot, future slots included.
#[derive(Debug, Clone, Default)]
struct Partition {
    writes: Vec<u32>,
    /// A range of slots that are known to be full, so that they need no search.
    full: std::ops::Range<usize>,
}

impl Table {
    /// Creates a table; without limits if `partitions` is `None`.
    pub fn new(partitions: Option<usize>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a hundred")]
        let slot_writes = partitions.map_or(u32::MAX, |_| PARTITION_WRITES_PER_S as u32 / SLOTS_PER_S as u32);
        Self { partitions: vec![Partition::default(); partitions.unwrap_or(1)], slot_writes }
    }

    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Takes a write that is requested at a time and returns the time at which it starts. On AWS, a
    /// write that waits here is throttled and retried.
    pub fn write(&mut self, partition_key: &str, requested_us: u64) -> u64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(partition_key);
        let count = self.partitions.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the count of partitions")]
        let partition = &mut self.partitions[(hash % count) as usize];
        partition.write(requested_us, self.slot_writes)
    }

    /// Returns the writes of the partitions in the seconds of a span.
    #[expect(clippy::cast_precision_loss, reason = "seconds and partitions are few")]
    pub fn per_partition(&self, from_s: u64, to_s: u64) -> PartitionWrites {
        let second = |partition: &Partition, second: u64| {
            let slots = second * SLOTS_PER_S..(second + 1) * SLOTS_PER_S;
            slots.filter_map(|slot| partition.writes.get(usize::try_from(slot).ok()?)).sum::<u32>()
        };
        let (mut sum, mut busiest_per_s, mut max) = (0.0, 0.0_f64, 0);
        for partition in &self.partitions {
            let seconds: Vec<u32> = (from_s..to_s).map(|at| second(partition, at)).collect();
            let per_s = seconds.iter().map(|writes| f64::from(*writes)).sum::<f64>() / (to_s - from_s) as f64;
            sum += per_s;
            busiest_per_s = busiest_per_s.max(per_s);
            max = max.max(seconds.into_iter().max().unwrap_or(0));
        }
        let average_per_s = sum / self.partitions.len() as f64;
        PartitionWrites { average_per_s, busiest_per_s, max_per_s: f64::from(max) }
    }
}

impl Partition {
    fn write(&mut self, requested_us: u64, slot_writes: u32) -> u64 {
        let requested = usize::try_from(requested_us / SLOT_US).unwrap_or(usize::MAX);
        let mut slot = if self.full.contains(&requested) { self.full.end } else { requested };
        let searched_from = slot;
        loop {
            if self.writes.len() <= slot {
                self.writes.resize(slot + 1, 0);
            }
            if self.writes[slot] < slot_writes {
                break;
            }
            slot += 1;
        }
        if self.full.contains(&requested) {
            self.full.end = slot;
        } else if slot > searched_from {
            self.full = searched_from..slot;
        }
        self.writes[slot] += 1;
        requested_us.max(slot as u64 * SLOT_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_takes_a_thousand_writes_a_second() {
        let mut table = Table::new(Some(4));
        // A write that is requested for later does not delay earlier ones.
        assert_eq!(table.write("hot", 2_500_000), 2_500_000);
        let starts: Vec<u64> = (0..3_000).map(|_| table.write("hot", 0)).collect();
        assert_eq!((starts[0], starts[99], starts[100], starts[2_999]), (0, 0, 100_000, 3_000_000));
        assert_eq!(table.write("hot", 10_000_000), 10_000_000);
        let PartitionWrites { average_per_s, busiest_per_s, max_per_s } = table.per_partition(0, 3);
        assert!(
            (average_per_s - 250.0).abs() < 1.0
                && (busiest_per_s - 1_000.0).abs() < 1.0
                && (max_per_s - 1_000.0).abs() < 1.0
        );
        let mut unlimited = Table::new(None);
        assert!((0..3_000).all(|_| unlimited.write("hot", 5) == 5));
    }
}
