//! The plan of a batch: one conditional update per ledger row.

use crate::aggregate::{BatchUsage, RecordIndex, RowUsage};
use crate::claims::owner::ShardName;
use crate::fingerprint::Fingerprint;
use crate::row_key::RowKey;
use crate::sequence_number::SequenceNumber;
use crate::window::HOURS_PER_DAY;

/// One conditional write to the ledger. The counts are added if the row's high-water mark is below
/// `first`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CounterUpdate {
    /// The row to change.
    pub row: RowKey,
    /// The first record that contributes to the update.
    pub first: SequenceNumber,
    /// The last record that contributes. It becomes the row's high-water mark.
    pub last: SequenceNumber,
    /// Index in the batch of the first record that contributes.
    pub first_record: RecordIndex,
    /// Number of calls to add to each hour of the day.
    pub hours: [u64; HOURS_PER_DAY],
    /// Length of the responses to add to each hour of the day, in bytes.
    pub response_bytes: Box<[u64; HOURS_PER_DAY]>,
    /// Fingerprint of the calls of all hours.
    pub fingerprint: Fingerprint,
    /// Request time of the latest call, in milliseconds since 1970.
    pub last_call_ms: i64,
    /// Numbers of the gaps before the update. The row stores the high-water mark that it had
    /// before each of them.
    pub gaps: Vec<u32>,
}

impl CounterUpdate {
    /// Returns the number of calls in all hours.
    pub fn total(&self) -> u64 {
        self.hours.iter().sum()
    }
}

/// Plans the update of one row from the records that `include` admits and that are above `mark`,
/// the row's high-water mark. `None` if there is nothing to add.
///
/// ```
/// use metering_core::aggregate::{BatchUsage, CallFacts};
/// use metering_core::call_id::CallId;
/// use metering_core::claims::owner::ShardName;
/// use metering_core::metered_key::CallBreakdown;
/// use metering_core::sequence_number::SequenceNumber;
/// use metering_core::update_plan::plan_row;
/// use metering_core::window::CallWindow;
///
/// // The records 8, 9 and 10 have one call each.
/// let time_ms = 1_795_509_270_000; // 2026-11-24T08:34:30Z
/// let mut usage = BatchUsage::new();
/// for digits in ["8", "9", "10"] {
///     usage.begin_record(SequenceNumber::parse(digits)?)?;
///     let breakdown = CallBreakdown::of_key("key-1", CallWindow::at(time_ms)?.day);
///     usage.add_call(0, CallId::new(digits, time_ms), breakdown, CallFacts::at(time_ms), true);
/// }
/// let rows = usage.rows(|_, _| true);
/// let shard = ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000");
///
/// let update = plan_row(&usage, &rows[0], &shard, |_| true, None).expect("a new row");
/// assert_eq!((update.first.digits(), update.last.digits(), update.hours[8]), ("8", "10", 3));
///
/// // The row counts the record 8 already.
/// let mark = SequenceNumber::parse("8")?;
/// let update = plan_row(&usage, &rows[0], &shard, |_| true, Some(&mark)).expect("two records are above 8");
/// assert_eq!((update.first.digits(), update.total()), ("9", 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan_row(
    usage: &BatchUsage,
    row: &RowUsage,
    shard: &ShardName,
    include: impl Fn(RecordIndex) -> bool,
    mark: Option<&SequenceNumber>,
) -> Option<CounterUpdate> {
    let above_mark = |record| mark.is_none_or(|mark| usage.sequence_number(record) > mark);
    let mut parts = row.contributions().iter().filter(|part| include(part.record) && above_mark(part.record));
    let first = parts.next()?;
    let (mut hours, mut response_bytes) = ([0; HOURS_PER_DAY], Box::new([0; HOURS_PER_DAY]));
    let mut fingerprint = Fingerprint::default();
    let (mut last_record, mut last_call_ms) = (first.record, first.last_call_ms);
    for part in std::iter::once(first).chain(parts) {
        hours[usize::from(part.hour)] += u64::from(part.calls);
        response_bytes[usize::from(part.hour)] += part.response_bytes;
        fingerprint += part.fingerprint;
        last_record = part.record;
        last_call_ms = last_call_ms.max(part.last_call_ms);
    }
    Some(CounterUpdate {
        row: RowKey { breakdown: row.breakdown.clone(), shard: shard.clone() },
        first: usage.sequence_number(first.record).clone(),
        last: usage.sequence_number(last_record).clone(),
        first_record: first.record,
        hours,
        response_bytes,
        fingerprint,
        last_call_ms,
        gaps: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::CallFacts;
    use crate::call_id::CallId;
    use crate::metered_key::CallBreakdown;
    use crate::window::CallWindow;
    use proptest::prelude::*;

    fn number(value: usize) -> SequenceNumber {
        SequenceNumber::parse(&value.to_string()).unwrap()
    }

    /// A batch of one key whose record `i` has `calls[i]` calls and number `i`.
    fn batch(calls: &[u32]) -> BatchUsage {
        let mut usage = BatchUsage::new();
        for (position, count) in calls.iter().enumerate() {
            usage.begin_record(number(position)).unwrap();
            for call in 0..*count {
                let call_ms = i64::from(call) * crate::window::HOUR_MS;
                let window = CallWindow::at(call_ms).unwrap();
                let breakdown = CallBreakdown::of_key("key", window.day);
                let facts = CallFacts { requested_at_ms: call_ms, response_bytes: u64::from(call) * 1_000 };
                usage.add_call(call, CallId::new("call", call_ms), breakdown, facts, true);
            }
        }
        usage
    }

    proptest! {
        #[test]
        fn a_plan_holds_exactly_the_included_records_above_the_mark(
            calls in prop::collection::vec(0_u32..24, 1..30),
            left_out in prop::collection::btree_set(0_usize..30, 0..10),
            mark in prop::option::of(0_usize..30),
        ) {
            let usage = batch(&calls);
            let counted: Vec<usize> = (0..calls.len())
                .filter(|position| !left_out.contains(position) && mark.is_none_or(|mark| *position > mark) && calls[*position] > 0)
                .collect();
            let mark = mark.map(number);
            let plan = usage.rows(|_, _| true).first().and_then(|row| {
                plan_row(&usage, row, &ShardName::from_stored("shard"), |record| !left_out.contains(&record.position()), mark.as_ref())
            });
            let Some(plan) = plan else {
                prop_assert!(counted.is_empty());
                return Ok(());
            };
            prop_assert_eq!(plan.total(), counted.iter().map(|&position| u64::from(calls[position])).sum::<u64>());
            prop_assert_eq!(&plan.first, &number(counted[0]));
            prop_assert_eq!(&plan.last, &number(*counted.last().unwrap()));
            prop_assert_eq!(plan.first_record.position(), counted[0]);
            let mut fingerprint = Fingerprint::default();
            for (hour, count) in plan.hours.iter().enumerate() {
                let expected = counted.iter().filter(|&&position| calls[position] as usize > hour).count();
                prop_assert_eq!(*count, expected as u64);
                prop_assert_eq!(plan.response_bytes[hour], (expected * hour * 1_000) as u64);
                let call = CallId::new("call", i64::try_from(hour).unwrap() * crate::window::HOUR_MS);
                fingerprint += std::iter::repeat_n(Fingerprint::of(call), expected).sum();
            }
            prop_assert_eq!(plan.fingerprint, fingerprint);
        }
    }

    #[test]
    fn a_plan_above_a_mark_begins_after_it_and_has_all_that_follows() {
        let usage = batch(&[5, 4, 3, 2]);
        let plan = |mark: usize| {
            let shard = ShardName::from_stored("shard");
            plan_row(&usage, &usage.rows(|_, _| true)[0], &shard, |_| true, Some(&number(mark)))
        };
        let of_the_last_two = plan(1).unwrap();
        assert_eq!((&of_the_last_two.first, &of_the_last_two.last), (&number(2), &number(3)));
        assert_eq!((of_the_last_two.total(), &of_the_last_two.hours[..4]), (5, &[2, 2, 1, 0][..]));
        assert_eq!(plan(2).unwrap().total(), 2);
        assert_eq!(plan(3), None);
    }
}
