//! The calls of one batch, and their sums by ledger row and record.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::call_id::CallId;
use crate::claims::layout::{ClaimLayout, LogStreamHash, SliceFinder, SliceKey};
use crate::fingerprint::Fingerprint;
use crate::metered_key::{Breakdown, CallBreakdown};
use crate::sequence_number::SequenceNumber;
use crate::usage_record::UsageRecord;
use crate::window::HOUR_MS;

/// The index of a record in its batch, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordIndex(u32);

impl RecordIndex {
    /// Returns the index for use with a slice of the batch's records.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

/// The index of a [`Breakdown`] in its batch, plus 1, so that a call without one needs no further bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RowIndex(NonZeroU32);

impl RowIndex {
    fn new(place: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place))
    }

    fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One call of the batch, to be counted or quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Identity of the call, by which it is claimed.
    pub id: CallId,
    /// The record that contains the call.
    pub record: RecordIndex,
    /// Index among the events of the record, counted from 0.
    pub event: u32,
    /// `true` if the call is to be counted; `false` if it is to be quarantined.
    pub is_countable: bool,
    row: Option<RowIndex>,
    slice: u32,
    /// Request time, in milliseconds since 1970. If the request time cannot be read, the time by
    /// which the call is claimed.
    requested_at_ms: i64,
    response_bytes: u64,
}

/// What is counted of a call in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFacts {
    /// Request time, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// Length of the response's body, in bytes.
    pub response_bytes: u64,
}

impl CallFacts {
    /// Returns the facts of a call at this time, in milliseconds since 1970, with an empty response.
    pub fn at(requested_at_ms: i64) -> Self {
        Self { requested_at_ms, response_bytes: 0 }
    }
}

impl From<&UsageRecord<'_>> for CallFacts {
    fn from(call: &UsageRecord<'_>) -> Self {
        Self { requested_at_ms: call.requested_at_ms, response_bytes: call.response_bytes }
    }
}

impl Call {
    /// Returns `true` if the key and the time are known, so that the call could be counted.
    pub fn has_row(&self) -> bool {
        self.row.is_some()
    }
}

/// The calls that one record adds to one hour of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contribution {
    /// The record that contains the calls.
    pub record: RecordIndex,
    /// The UTC hour of the row's day, 0 to 23.
    pub hour: u8,
    /// Number of calls, at least 1.
    pub calls: u32,
    /// Fingerprint of the calls.
    pub fingerprint: Fingerprint,
    /// Request time of the latest call, in milliseconds since 1970.
    pub last_call_ms: i64,
    /// Length of all responses, in bytes.
    pub response_bytes: u64,
}

/// The calls that a batch adds to one row, in the order of its records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowUsage {
    /// The calls that the row counts.
    pub breakdown: Breakdown,
    contributions: Vec<Contribution>,
}

impl RowUsage {
    fn with_capacity(breakdown: Breakdown, contributions: usize) -> Self {
        Self { breakdown, contributions: Vec::with_capacity(contributions) }
    }

    /// Returns the contributions, in the order of the records.
    pub fn contributions(&self) -> &[Contribution] {
        &self.contributions
    }

    fn add(&mut self, call: &Call) {
        let Call { record, requested_at_ms, response_bytes, .. } = *call;
        let fingerprint = Fingerprint::of(call.id);
        let hour = (requested_at_ms - self.breakdown.day.start_ms()) / HOUR_MS;
        let hour = u8::try_from(hour).unwrap_or(0);
        if let Some(last) = self.contributions.last_mut()
            && last.record == record
            && last.hour == hour
        {
            last.calls += 1;
            last.fingerprint += fingerprint;
            last.last_call_ms = last.last_call_ms.max(requested_at_ms);
            last.response_bytes += response_bytes;
        } else {
            let last_call_ms = requested_at_ms;
            let one = Contribution { record, hour, calls: 1, fingerprint, last_call_ms, response_bytes };
            self.contributions.push(one);
        }
    }
}

/// The calls of one batch of one shard, in the order of the records.
#[derive(Debug, Default)]
pub struct BatchUsage {
    sequence_numbers: Vec<SequenceNumber>,
    calls: Vec<Call>,
    /// The rows that calls of the batch belong to, by first appearance.
    breakdowns: Vec<Breakdown>,
    /// Indices in `breakdowns`, by the hash of each breakdown.
    places: HashTable<u32>,
    hashes: DefaultHashBuilder,
    slices: Vec<SliceKey>,
    slice_places: HashMap<SliceKey, u32>,
    /// Index of the current record's first call.
    begun_at: usize,
    /// Number of rows before the current record.
    rows_before: usize,
}

/// A record whose sequence number is not above that of the record before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {later} comes after {earlier} in the batch, but its sequence number is not higher")]
pub struct OutOfOrder {
    /// The sequence number of the record before.
    pub earlier: SequenceNumber,
    /// The sequence number of the record that is out of order.
    pub later: SequenceNumber,
}

impl BatchUsage {
    /// Creates an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next record, which then is the current one: the following calls are added to it.
    ///
    /// # Errors
    /// When the sequence number is not above the one before. A shard delivers its records in
    /// ascending order, and every fence relies on this order.
    pub fn begin_record(&mut self, sequence_number: SequenceNumber) -> Result<RecordIndex, OutOfOrder> {
        if let Some(earlier) = self.sequence_numbers.last()
            && *earlier >= sequence_number
        {
            return Err(OutOfOrder { earlier: earlier.clone(), later: sequence_number });
        }
        // A batch has at most 10,000 records, so this conversion does not fail.
        let index = u32::try_from(self.sequence_numbers.len()).unwrap_or(u32::MAX);
        self.sequence_numbers.push(sequence_number);
        self.begun_at = self.calls.len();
        self.rows_before = self.breakdowns.len();
        Ok(RecordIndex(index))
    }

    /// Adds a call whose key and time are known to the current record. It is counted if
    /// `is_countable`, and quarantined otherwise.
    pub fn add_call(
        &mut self,
        event: u32,
        id: CallId,
        breakdown: CallBreakdown<'_>,
        facts: CallFacts,
        is_countable: bool,
    ) {
        let row = Some(self.row_of(breakdown));
        let CallFacts { requested_at_ms, response_bytes } = facts;
        self.push(Call {
            id,
            record: self.current_record(),
            event,
            is_countable,
            row,
            slice: 0,
            requested_at_ms,
            response_bytes,
        });
    }

    /// Adds an event whose key or time cannot be read to the current record.
    pub fn add_unreadable(&mut self, event: u32, id: CallId, claimed_at_ms: i64) {
        let record = self.current_record();
        self.push(Call {
            id,
            record,
            event,
            is_countable: false,
            row: None,
            slice: 0,
            requested_at_ms: claimed_at_ms,
            response_bytes: 0,
        });
    }

    fn push(&mut self, call: Call) {
        self.calls.push(call);
    }

    fn current_record(&self) -> RecordIndex {
        RecordIndex(u32::try_from(self.sequence_numbers.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// Ends the current record and assigns its calls to the slices in which they are claimed.
    pub fn end_record(&mut self, layout: &ClaimLayout, log_stream: LogStreamHash) {
        let mut latest: Option<(SliceKey, u32)> = None;
        let mut finder = SliceFinder::new(layout, log_stream);
        for call in &mut self.calls[self.begun_at..] {
            let key = finder.slice_of(call.requested_at_ms);
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

    /// Removes the calls of the current record, which could not be read to its end, and the rows
    /// that only they belong to.
    pub fn discard_record(&mut self) {
        self.calls.truncate(self.begun_at);
        for (place, breakdown) in self.breakdowns.iter().enumerate().skip(self.rows_before) {
            let hash = self.hashes.hash_one(breakdown.borrowed());
            if let Ok(entry) = self.places.find_entry(hash, |other| *other as usize == place) {
                entry.remove();
            }
        }
        self.breakdowns.truncate(self.rows_before);
    }

    /// Removes the current record from the batch, with its calls.
    pub fn remove_record(&mut self) {
        self.discard_record();
        self.sequence_numbers.pop();
    }

    /// Returns the number of calls of the current record.
    pub fn calls_of_record(&self) -> usize {
        self.calls.len() - self.begun_at
    }

    /// Returns how often the slice changes from one call of the current record to the next, the
    /// first call included. It bounds the number of slices in which the record is claimed.
    pub fn slice_changes(&self, layout: &ClaimLayout, log_stream: LogStreamHash) -> usize {
        let mut finder = SliceFinder::new(layout, log_stream);
        let slices = self.calls[self.begun_at..].iter().map(|call| finder.slice_of(call.requested_at_ms));
        let mut latest = None;
        slices.filter(|slice| latest.replace(*slice) != Some(*slice)).count()
    }

    fn row_of(&mut self, breakdown: CallBreakdown<'_>) -> RowIndex {
        let Self { breakdowns, places, hashes, .. } = self;
        let hash = hashes.hash_one(breakdown);
        if let Some(place) = places.find(hash, |place| breakdowns[*place as usize].borrowed() == breakdown) {
            return RowIndex::new(*place);
        }
        let place = u32::try_from(breakdowns.len()).unwrap_or(u32::MAX);
        breakdowns.push(breakdown.into());
        places.insert_unique(hash, place, |place| hashes.hash_one(breakdowns[*place as usize].borrowed()));
        RowIndex::new(place)
    }

    /// Returns the calls, in the order of the records and of the events in them.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Returns the slices in which the calls are claimed, each once.
    pub fn slices(&self) -> &[SliceKey] {
        &self.slices
    }

    /// Returns the index of a call's slice in [`Self::slices`].
    pub fn slice_index(call: &Call) -> usize {
        call.slice as usize
    }

    /// Returns the row of a call without its shard; `None` if it is not known.
    pub fn breakdown(&self, call: &Call) -> Option<&Breakdown> {
        Some(&self.breakdowns[call.row?.position()])
    }

    /// Returns the number of rows that the calls belong to.
    pub fn row_count(&self) -> usize {
        self.breakdowns.len()
    }

    /// Returns the number of rows that calls of the current record belong to, and no earlier calls.
    pub fn new_row_count(&self) -> usize {
        self.breakdowns.len() - self.rows_before
    }

    /// Adds up the calls that `counts` admits, by row. `counts` is given each call with its index in
    /// the batch. The rows are in the order in which they first appeared.
    pub fn rows(&self, counts: impl Fn(usize, &Call) -> bool) -> Vec<RowUsage> {
        // The mean number of contributions, so that few lists have to grow. A record has one to a row's hour.
        let mean = self.calls.len().div_ceil(self.breakdowns.len().max(1));
        let expected = mean.min(self.sequence_numbers.len());
        let row = |breakdown: &Breakdown| RowUsage::with_capacity(breakdown.clone(), expected);
        let mut rows: Vec<RowUsage> = self.breakdowns.iter().map(row).collect();
        for (place, call) in self.calls.iter().enumerate() {
            if let Some(row) = call.row
                && counts(place, call)
            {
                rows[row.position()].add(call);
            }
        }
        rows.retain(|row| !row.contributions.is_empty());
        rows
    }

    /// Adds up the calls that `counts` admits, of all keys together, by day. The rows have the
    /// breakdown [`Breakdown::totals`].
    pub fn totals(&self, counts: impl Fn(usize, &Call) -> bool) -> Vec<RowUsage> {
        let mut days: Vec<RowUsage> = Vec::new();
        for (place, call) in self.calls.iter().enumerate() {
            if let Some(Breakdown { day, .. }) = self.breakdown(call)
                && counts(place, call)
            {
                // The calls of a batch are of few days.
                let place = days.iter().position(|row| row.breakdown.day == *day).unwrap_or_else(|| {
                    days.push(RowUsage::with_capacity(Breakdown::totals(*day), self.sequence_numbers.len()));
                    days.len() - 1
                });
                days[place].add(call);
            }
        }
        days.sort_unstable_by_key(|row| row.breakdown.day);
        days
    }

    /// Returns the sequence number of a record of this batch.
    pub fn sequence_number(&self, record: RecordIndex) -> &SequenceNumber {
        &self.sequence_numbers[record.position()]
    }

    /// Returns the records of this batch, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = RecordIndex> + use<> {
        (0..u32::try_from(self.sequence_numbers.len()).unwrap_or(u32::MAX)).map(RecordIndex)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::window::CallWindow;
    use proptest::prelude::*;

    fn number(value: usize) -> SequenceNumber {
        SequenceNumber::parse(&value.to_string()).unwrap()
    }

    /// Returns the response bytes of a call in the tests.
    fn response_bytes(call_ms: i64) -> u64 {
        call_ms.unsigned_abs() / 1_000 + 1
    }

    fn add(usage: &mut BatchUsage, key: &str, call_ms: i64) {
        let id = CallId::new(key, call_ms);
        let day = CallWindow::at(call_ms).unwrap().day;
        let facts = CallFacts { response_bytes: response_bytes(call_ms), ..CallFacts::at(call_ms) };
        usage.add_call(0, id, CallBreakdown::of_key(key, day), facts, true);
    }

    proptest! {
        /// Every call that is added is in the rows, with its key, day, hour and record.
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
                    let (calls, bytes): &mut (u32, u64) = expected.entry((format!("key-{key}"), window.day, window.hour, record)).or_default();
                    *calls += 1;
                    *bytes += response_bytes(call_ms);
                }
            }
            let (mut found, mut fingerprint) = (BTreeMap::new(), Fingerprint::default());
            for row in usage.rows(|_, _| true) {
                for part in row.contributions() {
                    let (calls, bytes): &mut (u32, u64) = found.entry((row.breakdown.key.api_key_id.to_string(), row.breakdown.day, part.hour, part.record)).or_default();
                    *calls += part.calls;
                    *bytes += part.response_bytes;
                    fingerprint += part.fingerprint;
                }
                prop_assert!(row.contributions().is_sorted_by_key(|part| part.record));
            }
            let (mut totals, mut fingerprint_of_totals) = (BTreeMap::new(), Fingerprint::default());
            for row in usage.totals(|_, _| true) {
                for part in row.contributions() {
                    let (calls, bytes): &mut (u32, u64) = totals.entry((row.breakdown.day, part.hour, part.record)).or_default();
                    *calls += part.calls;
                    *bytes += part.response_bytes;
                    fingerprint_of_totals += part.fingerprint;
                }
                prop_assert!(row.contributions().is_sorted_by_key(|part| part.record));
            }
            let mut of_all_keys = BTreeMap::new();
            for ((_, day, hour, record), (of_key, bytes_of_key)) in &expected {
                let (calls, bytes): &mut (u32, u64) = of_all_keys.entry((*day, *hour, *record)).or_default();
                *calls += of_key;
                *bytes += bytes_of_key;
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(totals, of_all_keys);
            let of_calls: Fingerprint = usage.calls().iter().map(|call| Fingerprint::of(call.id)).sum();
            prop_assert_eq!((fingerprint, fingerprint_of_totals), (of_calls, of_calls));
        }

        /// A record that is discarded leaves nothing behind, whichever rows it shares with others.
        #[test]
        fn a_discarded_record_leaves_no_row(
            kept in prop::collection::vec((0_u8..6, 0_i64..4), 0..20),
            discarded in prop::collection::vec((0_u8..6, 0_i64..4), 0..20),
        ) {
            let add_all = |usage: &mut BatchUsage, calls: &[(u8, i64)]| {
                for (key, days) in calls {
                    add(usage, &format!("key-{key}"), days * crate::window::DAY_MS);
                }
            };
            let (mut usage, mut expected) = (BatchUsage::new(), BatchUsage::new());
            for batch in [&mut usage, &mut expected] {
                batch.begin_record(number(1)).unwrap();
                add_all(batch, &kept);
            }
            usage.begin_record(number(2)).unwrap();
            add_all(&mut usage, &discarded);
            usage.remove_record();
            prop_assert_eq!(usage.row_count(), expected.row_count());
            for batch in [&mut usage, &mut expected] {
                batch.begin_record(number(3)).unwrap();
                add_all(batch, &discarded);
            }
            prop_assert_eq!(usage.new_row_count(), expected.new_row_count());
            prop_assert_eq!(usage.rows(|_, _| true), expected.rows(|_, _| true));
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
                prop_assert_eq!(usage.slices()[BatchUsage::slice_index(call)], layout.slice_of(time, stream));
            }
        }
    }

    #[test]
    fn there_is_one_row_per_key_and_day() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        for call_ms in [0, crate::window::DAY_MS, 1, crate::window::DAY_MS + 1] {
            add(&mut usage, "key", call_ms);
        }
        assert_eq!((usage.rows(|_, _| true).len(), usage.row_count()), (2, 2));
    }

    #[test]
    fn the_latest_call_of_an_hour_is_reported_whatever_the_order() {
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
    fn a_removed_record_can_be_begun_again() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        add(&mut usage, "key", 5);
        usage.end_record(&"0:1000:1".parse().unwrap(), LogStreamHash::default());
        usage.begin_record(number(2)).unwrap();
        add(&mut usage, "key", 6);
        usage.remove_record();
        assert_eq!((usage.records().len(), usage.calls().len()), (1, 1));
        assert_eq!(usage.begin_record(number(2)).map(RecordIndex::position), Ok(1));
    }

    #[test]
    fn the_slices_of_a_record_are_bounded_by_its_changes_of_slice() {
        let layout: ClaimLayout = "0:1000:1".parse().unwrap();
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        add(&mut usage, "key", 9_000);
        usage.end_record(&layout, LogStreamHash::default());
        usage.begin_record(number(2)).unwrap();
        assert_eq!((usage.calls_of_record(), usage.slice_changes(&layout, LogStreamHash::default())), (0, 0));
        for call_ms in [0, 999, 1_000, 1_999, 500] {
            add(&mut usage, "key", call_ms);
        }
        assert_eq!((usage.calls_of_record(), usage.slice_changes(&layout, LogStreamHash::default())), (5, 3));
    }

    #[test]
    fn calls_of_a_key_and_a_day_share_a_row() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        for (key, call_ms) in [("key", 0), ("longer-key", 1), ("key", 2), ("key", crate::window::DAY_MS)] {
            add(&mut usage, key, call_ms);
        }
        assert_eq!((usage.row_count(), usage.new_row_count()), (3, 3));
        usage.begin_record(number(2)).unwrap();
        assert_eq!((usage.row_count(), usage.new_row_count()), (3, 0));
        for (key, call_ms) in [("key", 3), ("another", 4), ("another", 5)] {
            add(&mut usage, key, call_ms);
        }
        assert_eq!(
            (usage.row_count(), usage.new_row_count()),
            (4, 1),
            "the record before has the other rows"
        );
    }

    #[test]
    fn only_a_call_with_a_key_and_a_time_has_a_row() {
        let mut usage = BatchUsage::new();
        usage.begin_record(number(1)).unwrap();
        add(&mut usage, "key", 0);
        usage.add_unreadable(1, CallId::new("call", 1), 1);
        let calls = usage.calls();
        assert_eq!(calls.iter().map(Call::has_row).collect::<Vec<_>>(), [true, false]);
        let day = CallWindow::at(0).unwrap().day;
        assert_eq!(usage.breakdown(&calls[0]), Some(&CallBreakdown::of_key("key", day).into()));
        assert_eq!(usage.breakdown(&calls[1]), None);
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
