//! The fence: the comparison of an update with a row's high-water mark.
//!
//! The high-water mark of a row is the sequence number of the last record that the row counts. A
//! row has one writer, which reads its shard in order. All contributing records at or below the
//! mark are therefore counted, and none above it. Retries, other batch boundaries, a zombie
//! invocation, a lost reply and a replay of the whole stream are the same case.

use crate::sequence_number::SequenceNumber;

/// The decision on one update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// The row counts none of the update's records: write the update as it is.
    Apply,
    /// The row counts all of the update's records: write nothing.
    Skip,
    /// The row counts the first records of the update: plan it again from the records above the mark.
    Replan,
}

/// Compares the first and the last contributing record of an update with the row's high-water mark.
///
/// ```
/// use metering_core::fence::{Fence, judge};
/// use metering_core::sequence_number::SequenceNumber;
///
/// let [first, middle, last] = ["8", "9", "10"].map(|digits| SequenceNumber::parse(digits).unwrap());
/// assert_eq!(judge(&first, &last, None), Fence::Apply); // a new row
/// assert_eq!(judge(&middle, &last, Some(&first)), Fence::Apply);
/// assert_eq!(judge(&first, &last, Some(&last)), Fence::Skip); // a retry
/// assert_eq!(judge(&first, &last, Some(&middle)), Fence::Replan); // another batch boundary
/// ```
pub fn judge(first: &SequenceNumber, last: &SequenceNumber, mark: Option<&SequenceNumber>) -> Fence {
    match mark {
        None => Fence::Apply,
        Some(mark) if mark < first => Fence::Apply,
        Some(mark) if mark >= last => Fence::Skip,
        Some(_) => Fence::Replan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{BatchUsage, CallFacts};
    use crate::call_id::CallId;
    use crate::claims::owner::ShardName;
    use crate::metered_key::CallBreakdown;
    use crate::update_plan::{CounterUpdate, plan_row};
    use crate::window::CallWindow;
    use proptest::prelude::*;

    /// A row of the ledger, with the ledger's condition on updates.
    #[derive(Default)]
    struct Row {
        mark: Option<SequenceNumber>,
        total: u64,
    }

    impl Row {
        /// Writes if `attribute_not_exists(seq) OR seq < :first`, and returns the mark otherwise.
        fn write(&mut self, update: &CounterUpdate) -> Result<(), SequenceNumber> {
            match &self.mark {
                Some(mark) if *mark >= update.first => Err(mark.clone()),
                _ => {
                    self.total += update.total();
                    self.mark = Some(update.last.clone());
                    Ok(())
                }
            }
        }
    }

    /// Delivers the records `from..to` of a shard whose record `i` has `calls[i]` calls.
    fn deliver(row: &mut Row, calls: &[u32], from: usize, to: usize) {
        let mut usage = BatchUsage::new();
        for (position, count) in calls.iter().enumerate().take(to).skip(from) {
            // Numbers of one and two digits: text order would be wrong.
            usage.begin_record(SequenceNumber::parse(&(position + 5).to_string()).unwrap()).unwrap();
            for event in 0..*count {
                let id = CallId::new("call", i64::from(event));
                let breakdown = CallBreakdown::of_key("key", CallWindow::at(0).unwrap().day);
                usage.add_call(event, id, breakdown, CallFacts::at(0), true);
            }
        }
        let (rows, shard) = (usage.rows(|_, _| true), ShardName::from_stored("shard"));
        let Some(row_usage) = rows.first() else { return };
        let mut mark = None;
        while let Some(update) = plan_row(&usage, row_usage, &shard, |_| true, mark.as_ref()) {
            match row.write(&update) {
                Ok(()) => return,
                Err(stored) => match judge(&update.first, &update.last, Some(&stored)) {
                    Fence::Skip => return,
                    Fence::Replan => {
                        assert!(mark.as_ref() < Some(&stored), "a plan above a mark is fenced by it");
                        mark = Some(stored);
                    }
                    Fence::Apply => panic!("the ledger refused an update that the fence admits"),
                },
            }
        }
    }

    #[test]
    fn a_mark_within_an_update_has_the_rest_planned_again() {
        let number = |value: u32| SequenceNumber::parse(&value.to_string()).unwrap();
        let verdict = |mark| judge(&number(8), &number(11), Some(&number(mark)));
        assert_eq!(judge(&number(8), &number(11), None), Fence::Apply);
        assert_eq!([2, 7].map(verdict), [Fence::Apply; 2]);
        assert_eq!([8, 9, 10].map(verdict), [Fence::Replan; 3]);
        assert_eq!([11, 100].map(verdict), [Fence::Skip; 2]);
    }

    proptest! {
        /// A shard is read in order, but any stretch may be delivered again at
        /// any time, with any boundaries: the total is that of one delivery.
        #[test]
        fn any_redelivery_counts_once(
            calls in prop::collection::vec(0_u32..5, 1..25),
            steps in prop::collection::vec((0_usize..25, 1_usize..8), 0..40),
        ) {
            let mut row = Row::default();
            let mut delivered = 0;
            for (back, length) in steps {
                let from = delivered - back.min(delivered);
                let to = (from + length).min(calls.len());
                deliver(&mut row, &calls, from, to);
                delivered = delivered.max(to);
            }
            deliver(&mut row, &calls, delivered, calls.len());
            prop_assert_eq!(row.total, calls.iter().map(|&count| u64::from(count)).sum::<u64>());
            deliver(&mut row, &calls, 0, calls.len());
            prop_assert_eq!(row.total, calls.iter().map(|&count| u64::from(count)).sum::<u64>());
        }

        #[test]
        fn the_verdict_agrees_with_the_ledgers_condition(first in 0_u32..50, length in 0_u32..50, mark in prop::option::of(0_u32..120)) {
            let number = |value: u32| SequenceNumber::parse(&value.to_string()).unwrap();
            let (first_number, last_number) = (number(first), number(first + length));
            let expected = match mark {
                Some(mark) if mark >= first + length => Fence::Skip,
                Some(mark) if mark >= first => Fence::Replan,
                _ => Fence::Apply,
            };
            prop_assert_eq!(judge(&first_number, &last_number, mark.map(number).as_ref()), expected);
        }
    }
}
