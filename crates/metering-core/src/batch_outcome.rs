//! The record from which the event source mapping has to resume after a batch.

use crate::aggregate::RecordIndex;

/// The lowest record of a batch that failed.
///
/// Lambda takes the lowest failed sequence number as its checkpoint, and delivers all records from
/// there on again. A checkpoint that is too high would lose records. One that is too low only
/// repeats records, which the fences skip.
///
/// Source: AWS Lambda Developer Guide, "Configuring partial batch response with Kinesis Data
/// Streams".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BatchOutcome {
    lowest_failed: Option<RecordIndex>,
}

impl BatchOutcome {
    /// Creates an outcome in which no record has failed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that `record` has to be delivered again.
    pub fn fail(&mut self, record: RecordIndex) {
        self.lowest_failed = Some(self.lowest_failed.map_or(record, |lowest| lowest.min(record)));
    }

    /// Returns the first record to deliver again; `None` if no record has failed.
    pub fn lowest_failed(&self) -> Option<RecordIndex> {
        self.lowest_failed
    }

    /// Returns `true` if `record` comes before every failed record.
    ///
    /// Only such records may be counted. Counting a later one would move a row's high-water mark
    /// past the failed record, and the retry of the failed record would be fenced out.
    pub fn admits(&self, record: RecordIndex) -> bool {
        self.lowest_failed.is_none_or(|lowest| record < lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::BatchUsage;
    use crate::sequence_number::SequenceNumber;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_lowest_failure_wins_in_any_order(failures in prop::collection::vec(0_usize..50, 0..20)) {
            let mut usage = BatchUsage::new();
            let records: Vec<_> = (1..=50)
                .map(|value: u32| usage.begin_record(SequenceNumber::parse(&value.to_string()).unwrap()).unwrap())
                .collect();
            let mut outcome = BatchOutcome::new();
            for &position in &failures {
                outcome.fail(records[position]);
            }
            prop_assert_eq!(outcome.lowest_failed().map(RecordIndex::position), failures.iter().min().copied());
            for record in records {
                prop_assert_eq!(outcome.admits(record), failures.iter().all(|&failed| record.position() < failed));
            }
        }
    }
}
