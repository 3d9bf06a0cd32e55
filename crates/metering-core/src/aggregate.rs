//! The calls of one batch, and what they add up to per ledger row and record.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::call_id::CallId;
use crate::claims::layout::{ClaimLayout, LogStreamHash, SliceKey};
use crate::sequence_number::SequenceNumber;
use crate::usage_record::TOTALS_KEY_ID;
use crate::window::{CallWindow, HOUR_MS, UtcDay};

/// The place of a record in its batch, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordIndex(u32);

impl RecordIndex {
    /// The index as a position in a slice of the batch's records.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// The place of a key's day among those of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RowIndex(u32);

/// One call of the batch that is to be counted or kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its identity.
    pub id: CallId,
    /// The record that it is in.
    pub record: RecordIndex,
    /// Its place among the events of the record, counted from 0.
    pub event: u32,
    /// Whether it was judged to be countable.
    pub is_good: bool,
    row: Option<RowIndex>,
    slice: u32,
    /// Request time, in milliseconds since 1970; of a call that has none, the
    /// time by which it is claimed.
    requested_at_ms: i64,
}

impl Call {
    /// Whether its key and its hour are known, so that it could be counted.
    pub fn has_row(&self) -> bool {
        self.row.is_some()
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
}

impl RowUsage {
    /// The contributions, in the order of the records.
    pub fn contributions(&self) -> &[Contribution] {
        &self.contributions
    }

    fn add(&mut self, record: RecordIndex, requested_at_ms: i64) {
        let hour = (requested_at_ms - self.day.start_ms()) / HOUR_MS;
        let hour = u8::try_from(hour).unwrap_or(0);
        if let Some(last) = self.contributions.last_mut()
            && last.record == record
            && last.hour == hour
        {
            last.calls += 1;
            last.last_call_ms = last.last_call_ms.max(requested_at_ms);
        } else {
            let last_call_ms = requested_at_ms;
            self.contributions.push(Contribution { record, hour, calls: 1, last_call_ms });
        }
    }
}

/// A key and a day that calls of the batch belong to.
#[derive(Debug)]
struct KeyDay {
    api_key_id: Box<str>,
    day: UtcDay,
    /// The day of the same key that was begun before this one.
    earlier: Option<u32>,
}

/// The calls of one batch of one shard, in the order of the records.
#[derive(Debug, Default)]
pub struct BatchUsage {
    sequence_numbers: Vec<SequenceNumber>,
    calls: Vec<Call>,
    key_days: Vec<KeyDay>,
    /// The day of each key that was begun last, and nearly always its only one.
    latest_of_key: HashMap<Box<str>, u32>,
    slices: Vec<SliceKey>,
    slice_places: HashMap<SliceKey, u32>,
    /// Where the calls of the present record begin.
    begun_at: usize,
    key_bytes: usize,
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

    /// Starts the next record; calls that are added from here on belong to it.
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
        self.begun_at = self.calls.len();
        Ok(RecordIndex(index))
    }

    /// Adds a call of a key to the present record: one that is to be counted,
    /// or, where `is_good` is false, one that could be and is to be kept.
    pub fn add_call(
        &mut self,
        event: u32,
        id: CallId,
        api_key_id: &str,
        window: CallWindow,
        requested_at_ms: i64,
        is_good: bool,
    ) {
        let row = Some(RowIndex(self.key_day(api_key_id, window.day)));
        self.push(Call { id, record: self.present(), event, is_good, row, slice: 0, requested_at_ms });
    }

    /// Adds an event that cannot be counted to the present record.
    pub fn add_unreadable(&mut self, event: u32, id: CallId, claimed_at_ms: i64) {
        let record = self.present();
        self.push(Call {
            id,
            record,
            event,
            is_good: false,
            row: None,
            slice: 0,
            requested_at_ms: claimed_at_ms,
        });
    }

    fn push(&mut self, call: Call) {
        self.calls.push(call);
    }

    fn present(&self) -> RecordIndex {
        RecordIndex(u32::try_from(self.sequence_numbers.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// Ends the present record and finds the slices in which its calls are claimed.
    pub fn end_record(&mut self, layout: &ClaimLayout, log_stream: LogStreamHash) {
        let mut latest: Option<(SliceKey, u32)> = None;
        for call in &mut self.calls[self.begun_at..] {
            let key = layout.slice_of(call.requested_at_ms, log_stream);
            call.slice = match latest {
                Some((slice, place)) if slice == key => place,
                _ => *self.slice_places.entry(key).or_insert_with(|| {
                    self.slices.push(key);
                    u32::try_from(self.slices.len() - 1).unwrap_or(u32::MAX)
                }),
            };
            latest = Some((key, call.slice));
        }
        self.begun_at = self.calls.len();
    }

    /// Takes the calls of the present record out again: it could not be read to its end.
    pub fn discard_record(&mut self) {
        self.calls.truncate(self.begun_at);
    }

    /// Takes the present record out of the batch, with its calls.
    pub fn remove_record(&mut self) {
        self.discard_record();
        self.sequence_numbers.pop();
    }

    /// In how many stretches of one slice each the calls of the present record lie.
    pub fn slices_of_present(&self, layout: &ClaimLayout, log_stream: LogStreamHash) -> usize {
        let slices =
            self.calls[self.begun_at..].iter().map(|call| layout.slice_of(call.requested_at_ms, log_stream));
        let mut latest = None;
        slices.filter(|slice| latest.replace(*slice) != Some(*slice)).count()
    }

    fn key_day(&mut self, api_key_id: &str, day: UtcDay) -> u32 {
        let next = u32::try_from(self.key_days.len()).unwrap_or(u32::MAX);
        let earlier = self.latest_of_key.get(api_key_id).copied();
        let mut place = earlier;
        while let Some(index) = place {
            let key_day = &self.key_days[index as usize];
            if key_day.day == day {
                return index;
            }
            place = key_day.earlier;
        }
        self.key_bytes += api_key_id.len();
        self.latest_of_key.insert(api_key_id.into(), next);
        self.key_days.push(KeyDay { api_key_id: api_key_id.into(), day, earlier });
        next
    }

    /// The calls, in the order of the records and of the events in them.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The slices in which the calls are claimed.
    pub fn slices(&self) -> &[SliceKey] {
        &self.slices
    }

    /// The place of a call's slice in [`Self::slices`].
    pub fn slice_place(call: &Call) -> usize {
        call.slice as usize
    }

    /// The key and the day of a call that could be counted.
    pub fn key_and_day(&self, call: &Call) -> Option<(&str, UtcDay)> {
        let key_day = &self.key_days[call.row?.0 as usize];
        Some((&key_day.api_key_id, key_day.day))
    }

    /// Length of the keys of all rows, in bytes.
    pub fn key_bytes(&self) -> usize {
        self.key_bytes
    }

    /// How many keys and days the calls belong to.
    pub fn row_count(&self) -> usize {
        self.key_days.len()
    }

    /// Adds up the calls that `counts` admits, by their places in the batch.
    /// The rows stand in the order in which their keys and days first appeared.
    pub fn rows(&self, counts: impl Fn(usize, &Call) -> bool) -> Vec<RowUsage> {
        let empty = |key_day: &KeyDay| RowUsage {
            api_key_id: key_day.api_key_id.clone(),
            day: key_day.day,
            contributions: Vec::new(),
        };
        let mut rows: Vec<RowUsage> = self.key_days.iter().map(empty).collect();
        for (place, call) in self.calls.iter().enumerate() {
            if let Some(row) = call.row
                && counts(place, call)
            {
                rows[row.0 as usize].add(call.record, call.requested_at_ms);
            }
        }
        rows.retain(|row| !row.contributions.is_empty());
        rows
    }

    /// Adds up the calls that `counts` admits for all keys together, day by day.
    pub fn totals(&self, counts: impl Fn(usize, &Call) -> bool) -> Vec<RowUsage> {
        let mut days: BTreeMap<UtcDay, RowUsage> = BTreeMap::new();
        for (place, call) in self.calls.iter().enumerate() {
            if let Some((_, day)) = self.key_and_day(call)
                && counts(place, call)
            {
                let empty = || RowUsage { api_key_id: TOTALS_KEY_ID.into(), day, contributions: Vec::new() };
                days.entry(day).or_insert_with(empty).add(call.record, call.requested_at_ms);
            }
        }
        days.into_values().collect()
    }

    /// The sequence number of a record of this batch.
    pub fn sequence_number(&self, record: RecordIndex) -> &SequenceNumber {
        &self.sequence_numbers[record.position()]
    }

    /// The records of this batch, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordIndex> + use<> {
        (0..u32::try_from(self.sequence_numbers.len()).unwrap_or(u32::MAX)).map(RecordIndex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(value: usize) -> SequenceNumber {
        SequenceNumber::parse(&value.to_string()).unwrap()
    }

    fn add(usage: &mut BatchUsage, key: &str, call_ms: i64) {
        let id = CallId::new(key, call_ms);
        usage.add_call(0, id, key, CallWindow::at(call_ms).unwrap(), call_ms, true);
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
                    add(&mut usage, &format!("key-{key}"), call_ms);
                    *expected.entry((format!("key-{key}"), window.day, window.hour, record)).or_insert(0_u32) += 1;
                }
            }
            let mut found = BTreeMap::new();
            for row in usage.rows(|_, _| true) {
                for part in row.contributions() {
                    *found.entry((row.api_key_id.to_string(), row.day, part.hour, part.record)).or_insert(0) += part.calls;
                }
                prop_assert!(row.contributions().is_sorted_by_key(|part| part.record));
            }
            let mut totals = BTreeMap::new();
            for row in usage.totals(|_, _| true) {
                for part in row.contributions() {
                    *totals.entry((row.day, part.hour, part.record)).or_insert(0) += part.calls;
                }
                prop_assert!(row.contributions().is_sorted_by_key(|part| part.record));
            }
            let mut of_all_keys = BTreeMap::new();
            for ((_, day, hour, record), calls) in &expected {
                *of_all_keys.entry((*day, *hour, *record)).or_insert(0) += calls;
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(totals, of_all_keys);
        }

        #[test]
        fn every_call_is_claimed_in_the_slice_of_its_time(times in prop::collection::vec(0_i64..100_000, 1..50)) {
            let layout: ClaimLayout = "0:2000:3".parse().unwrap();
            let stream = LogStreamHash::new("group", "stream");
            let mut usage = BatchUsage::new();
            usage.begin_record(number(1)).unwrap();
            for time in &times {
                add(&mut usage, "key", *time);
            }
            usage.end_record(&layout, stream);
            for (call, time) in usage.calls().iter().zip(times) {
                prop_assert_eq!(usage.slices()[BatchUsage::slice_place(call)], layout.slice_of(time, stream));
            }
        }
    }

    #[test]
    fn a_row_stands_once_per_key_and_day() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        for call_ms in [0, crate::window::DAY_MS, 1, crate::window::DAY_MS + 1] {
            add(&mut usage, "key", call_ms);
        }
        assert_eq!((usage.rows(|_, _| true).len(), usage.row_count()), (2, 2));
    }

    #[test]
    fn the_latest_call_of_an_hour_is_told_whatever_the_order() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        for call_ms in [5, 9, 7] {
            add(&mut usage, "key", call_ms);
        }
        assert_eq!(usage.rows(|_, _| true)[0].contributions()[0].last_call_ms, 9);
    }

    #[test]
    fn a_discarded_record_leaves_nothing() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        add(&mut usage, "key", 5);
        usage.end_record(&"0:1000:1".parse().unwrap(), LogStreamHash::default());
        usage.begin_record(number(2)).unwrap();
        add(&mut usage, "other", 5);
        usage.discard_record();
        assert_eq!((usage.calls().len(), usage.rows(|_, _| true).len()), (1, 1));
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
