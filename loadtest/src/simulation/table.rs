//! The ledger's table: partitions that take a thousand write units a second each.

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

/// Slots of a second: within one, a partition takes its writes in any order.
const SLOTS_PER_S: u64 = 10;
const SLOT_US: u64 = 1_000_000 / SLOTS_PER_S;

/// A table, or one without limits.
#[derive(Debug)]
pub(super) struct Table {
    partitions: Vec<Partition>,
    slot_writes: u32,
}

/// What a partition has taken and promised, slot by slot.
#[derive(Debug, Clone, Default)]
struct Partition {
    writes: Vec<u32>,
    /// Slots that were found full last.
    full: std::ops::Range<usize>,
}

impl Table {
    pub fn new(partitions: Option<usize>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a hundred")]
        let slot_writes = partitions.map_or(u32::MAX, |_| PARTITION_WRITES_PER_S as u32 / SLOTS_PER_S as u32);
        Self { partitions: vec![Partition::default(); partitions.unwrap_or(1)], slot_writes }
    }

    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Takes a write that is asked for at a time, and says when it is begun.
    /// What waits here is throttled and tried again on AWS.
    pub fn write(&mut self, partition_key: &str, asked_us: u64) -> u64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(partition_key);
        let count = self.partitions.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than the count of partitions")]
        let partition = &mut self.partitions[(hash % count) as usize];
        partition.write(asked_us, self.slot_writes)
    }

    /// Writes a second of the partitions in the seconds of a span: on average, of the
    /// busiest partition, and of the busiest in its busiest second.
    #[expect(clippy::cast_precision_loss, reason = "seconds and partitions are few")]
    pub fn per_partition(&self, from_s: u64, to_s: u64) -> (f64, f64, f64) {
        let second = |partition: &Partition, second: u64| {
            let slots = second * SLOTS_PER_S..(second + 1) * SLOTS_PER_S;
            slots.filter_map(|slot| partition.writes.get(usize::try_from(slot).ok()?)).sum::<u32>()
        };
        let (mut sum, mut busiest, mut most) = (0.0, 0.0_f64, 0);
        for partition in &self.partitions {
            let seconds: Vec<u32> = (from_s..to_s).map(|at| second(partition, at)).collect();
            let per_s = seconds.iter().map(|writes| f64::from(*writes)).sum::<f64>() / (to_s - from_s) as f64;
            sum += per_s;
            busiest = busiest.max(per_s);
            most = most.max(seconds.into_iter().max().unwrap_or(0));
        }
        (sum / self.partitions.len() as f64, busiest, f64::from(most))
    }
}

impl Partition {
    fn write(&mut self, asked_us: u64, slot_writes: u32) -> u64 {
        let asked = usize::try_from(asked_us / SLOT_US).unwrap_or(usize::MAX);
        let mut slot = if self.full.contains(&asked) { self.full.end } else { asked };
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
        if self.full.contains(&asked) {
            self.full.end = slot;
        } else if slot > searched_from {
            self.full = searched_from..slot;
        }
        self.writes[slot] += 1;
        asked_us.max(slot as u64 * SLOT_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_takes_a_thousand_writes_a_second() {
        let mut table = Table::new(Some(4));
        // A write that is asked for later does not keep earlier ones waiting.
        assert_eq!(table.write("hot", 2_500_000), 2_500_000);
        let begun: Vec<u64> = (0..3_000).map(|_| table.write("hot", 0)).collect();
        assert_eq!((begun[0], begun[99], begun[100], begun[2_999]), (0, 0, 100_000, 3_000_000));
        assert_eq!(table.write("hot", 10_000_000), 10_000_000);
        let (average, busiest, most) = table.per_partition(0, 3);
        assert!(
            (average - 250.0).abs() < 1.0 && (busiest - 1_000.0).abs() < 1.0 && (most - 1_000.0).abs() < 1.0
        );
        let mut unlimited = Table::new(None);
        assert!((0..3_000).all(|_| unlimited.write("hot", 5) == 5));
    }
}
