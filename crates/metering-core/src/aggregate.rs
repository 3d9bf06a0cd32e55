//! Adds up the billable calls of one batch, per ledger row and record.

use hashbrown::HashMap;

use crate::sequence_number::SequenceNumber;
use crate::window::{CallWindow, UtcDay};

/// The place of a record in its batch, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordIndex(u32);

impl RecordIndex {
    /// The index as a position in a slice of the batch's records.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// The calls that one record adds to one hour of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution {
    /// The record that the calls are in.
    pub record: RecordIndex,
    /// The hour they belong to, 0 to 23.
    pub hour: u8,
    /// How many there are.
    pub calls: u32,
    /// The latest of them, in milliseconds since 1970.
    pub last_call_ms: i64,
}

/// All that a batch adds to one key and day, in the order of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowUsage {
    /// The id of the API key.
    pub api_key_id: Box<str>,
    /// The UTC day.
    pub day: UtcDay,
    contributions: Vec<Contribution>,
    /// The row of the same key that was begun before this one.
    earlier_row: Option<usize>,
}

impl RowUsage {
    /// The contributions, in the order of the records.
    pub fn contributions(&self) -> &[Contribution] {
        &self.contributions
    }

    fn add(&mut self, record: RecordIndex, hour: u8, call_ms: i64) {
        if let Some(last) = self.contributions.last_mut()
            && last.record == record
            && last.hour == hour
        {
            last.calls += 1;
            last.last_call_ms = last.last_call_ms.max(call_ms);
        } else {
            self.contributions.push(Contribution { record, hour, calls: 1, last_call_ms: call_ms });
        }
    }
}

/// The usage of one batch of one shard, kept apart per record, so that single
/// records can still be left out and rows re-planned after a fence.
#[derive(Debug, Default)]
pub struct BatchUsage {
    sequence_numbers: Vec<SequenceNumber>,
    rows: Vec<RowUsage>,
    /// The row of each key that was begun last, and nearly always its only one.
    latest_row_of_key: HashMap<Box<str>, usize>,
}

/// A batch whose records are not in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {later} comes after {earlier} in the batch, but its sequence number is not higher")]
pub struct OutOfOrder {
    /// The sequence number that came first.
    pub earlier: SequenceNumber,
    /// The sequence number that followed it.
    pub later: SequenceNumber,
}

impl BatchUsage {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the next record; calls counted from here on belong to it.
    ///
    /// # Errors
    /// When the sequence number is not above the one before. One shard hands
    /// its records out in ascending order, and every fence relies on it.
    pub fn begin_record(&mut self, sequence_number: SequenceNumber) -> Result<RecordIndex, OutOfOrder> {
        if let Some(earlier) = self.sequence_numbers.last()
            && *earlier >= sequence_number
        {
            return Err(OutOfOrder { earlier: earlier.clone(), later: sequence_number });
        }
        // A batch has at most 10,000 records.
        let index = u32::try_from(self.sequence_numbers.len()).unwrap_or(u32::MAX);
        self.sequence_numbers.push(sequence_number);
        Ok(RecordIndex(index))
    }

    /// Counts one billable call, made at `call_ms`, that is part of `record`.
    pub fn count(&mut self, record: RecordIndex, api_key_id: &str, window: CallWindow, call_ms: i64) {
        let row = self.row_index(api_key_id, window.day);
        self.rows[row].add(record, window.hour, call_ms);
    }

    fn row_index(&mut self, api_key_id: &str, day: UtcDay) -> usize {
        let next = self.rows.len();
        let earlier_row = self.latest_row_of_key.get(api_key_id).copied();
        let mut row = earlier_row;
        while let Some(index) = row {
            if self.rows[index].day == day {
                return index;
            }
            row = self.rows[index].earlier_row;
        }
        self.latest_row_of_key.insert(api_key_id.into(), next);
        self.rows.push(RowUsage {
            api_key_id: api_key_id.into(),
            day,
            contributions: Vec::new(),
            earlier_row,
        });
        next
    }

    /// The rows, in the order in which they first appeared.
    pub fn rows(&self) -> &[RowUsage] {
        &self.rows
    }

    /// The sequence number of a record of this batch.
    pub fn sequence_number(&self, record: RecordIndex) -> &SequenceNumber {
        &self.sequence_numbers[record.position()]
    }

    /// The records of this batch, in order.
    pub fn records(&self) -> impl Iterator<Item = RecordIndex> + use<> {
        (0..u32::try_from(self.sequence_numbers.len()).unwrap_or(u32::MAX)).map(RecordIndex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn number(value: usize) -> SequenceNumber {
        SequenceNumber::parse(&value.to_string()).unwrap()
    }

    proptest! {
        /// Whatever is counted is found again, under its key, day, hour and record.
        #[test]
        fn nothing_is_lost_or_invented(
            batch in prop::collection::vec(prop::collection::vec((0_u8..6, 0_i64..200), 0..40), 0..20),
        ) {
            let mut usage = BatchUsage::new();
            let mut expected = BTreeMap::new();
            for (position, calls) in batch.iter().enumerate() {
                let record = usage.begin_record(number(position + 8)).unwrap();
                for (key, hours) in calls {
                    let call_ms = hours * crate::window::HOUR_MS / 2;
                    let window = CallWindow::at(call_ms).unwrap();
                    usage.count(record, &format!("key-{key}"), window, call_ms);
                    *expected.entry((format!("key-{key}"), window.day, window.hour, record)).or_insert(0_u32) += 1;
                }
            }
            let mut found = BTreeMap::new();
            for row in usage.rows() {
                for part in row.contributions() {
                    *found.entry((row.api_key_id.to_string(), row.day, part.hour, part.record)).or_insert(0) += part.calls;
                }
                prop_assert!(row.contributions().is_sorted_by_key(|part| part.record));
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_row_stands_once_per_key_and_day() {
        let mut usage = BatchUsage::new();
        let record = usage.begin_record(number(1)).unwrap();
        for call_ms in [0, crate::window::DAY_MS, 1, crate::window::DAY_MS + 1] {
            usage.count(record, "key", CallWindow::at(call_ms).unwrap(), call_ms);
        }
        assert_eq!(usage.rows().len(), 2);
    }

    #[test]
    fn records_out_of_order_are_refused() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(10)).unwrap();
        assert!(usage.begin_record(number(10)).is_err());
        assert!(usage.begin_record(number(9)).is_err());
        assert!(usage.begin_record(number(11)).is_ok());
    }
}
