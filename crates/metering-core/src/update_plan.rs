//! Turns the usage of a batch into one conditional update per ledger row.

use crate::aggregate::{BatchUsage, RecordIndex, RowUsage};
use crate::claims::owner::ShardName;
use crate::sequence_number::SequenceNumber;
use crate::window::{HOURS_PER_DAY, UtcDay};

/// The row that one shard writes for one key and day. No other shard writes
/// it, and a shard has one batch in flight, so every row has one writer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The id of the API key.
    pub api_key_id: Box<str>,
    /// The UTC day.
    pub day: UtcDay,
    /// The shard, qualified by its stream.
    pub shard: ShardName,
}

impl RowKey {
    /// The sort key: day first, so that a month is one range of rows.
    pub fn sort_key(&self) -> String {
        format!("{}#{}", self.day, self.shard)
    }
}

/// One write to the ledger: add these counts, if the row's mark is below `first`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterUpdate {
    /// The row to change.
    pub row: RowKey,
    /// The first record that contributes to this row in this batch.
    pub first: SequenceNumber,
    /// The last record that contributes; it becomes the row's mark.
    pub last: SequenceNumber,
    /// The first contributing record's place in the batch.
    pub first_record: RecordIndex,
    /// Calls per hour of the day.
    pub hours: [u64; HOURS_PER_DAY],
    /// The latest call, in milliseconds since 1970.
    pub last_call_ms: i64,
    /// Numbers of the gaps behind which the update lies: the row remembers its
    /// mark as it was before them.
    pub gaps: Vec<u32>,
}

impl CounterUpdate {
    /// The calls of all hours.
    pub fn total(&self) -> u64 {
        self.hours.iter().sum()
    }
}

/// Plans the update of one row from the records that `include` admits and
/// that lie above `mark`. `None` when nothing is left to add.
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
    let mut hours = [0; HOURS_PER_DAY];
    let (mut last_record, mut last_call_ms) = (first.record, first.last_call_ms);
    for part in std::iter::once(first).chain(parts) {
        hours[usize::from(part.hour)] += u64::from(part.calls);
        last_record = part.record;
        last_call_ms = last_call_ms.max(part.last_call_ms);
    }
    Some(CounterUpdate {
        row: RowKey { api_key_id: row.api_key_id.clone(), day: row.day, shard: shard.clone() },
        first: usage.sequence_number(first.record).clone(),
        last: usage.sequence_number(last_record).clone(),
        first_record: first.record,
        hours,
        last_call_ms,
        gaps: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_id::CallId;
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
                usage.add_call(call, CallId::new("call", call_ms), "key", window, call_ms, true);
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
            for (hour, count) in plan.hours.iter().enumerate() {
                let expected = counted.iter().filter(|&&position| calls[position] as usize > hour).count();
                prop_assert_eq!(*count, expected as u64);
            }
        }
    }

    #[test]
    fn a_plan_above_a_mark_begins_behind_it_and_has_all_that_follows() {
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

    #[test]
    fn the_sort_key_puts_the_days_of_a_month_in_order() {
        let usage = batch(&[1]);
        let shard = ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000007");
        let plan = plan_row(&usage, &usage.rows(|_, _| true)[0], &shard, |_| true, None).unwrap();
        assert_eq!(plan.row.sort_key(), "1970-01-01#123456789012/eu-west-1/usage/shardId-000000000007");
    }
}
