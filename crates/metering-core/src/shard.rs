//! The head of a shard: the records that are judged, committed and given up.
//!
//! The head orders the decisions about the records of a shard, whichever version of the function,
//! retry or late invocation makes them. A record is **judged** once, before any of its calls is
//! claimed. Its verdict says which part of it goes to quarantine, and every later run follows the
//! verdict. A record is **committed** when it is completely counted and quarantined. It is **given
//! up** when the stream is processed past it before it was committed.

mod open_records;

pub use open_records::{OpenRecords, OpenVerdict};

use crate::claims::owner::ShardName;
use crate::sequence_number::SequenceNumber;
use crate::window::DAY_MS;

/// The part of a record that goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QuarantinedPart {
    /// The whole record: it cannot be read, or it was given up.
    Whole,
    /// These events, by index in the record, counted from 0, ascending.
    Events(Vec<u32>),
}

impl QuarantinedPart {
    /// Returns `true` if an event is in the part.
    pub fn contains(&self, event: u32) -> bool {
        match self {
            Self::Whole => true,
            Self::Events(events) => events.binary_search(&event).is_ok(),
        }
    }
}

/// The verdict on a record of which a part goes to quarantine. Other records have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The part of the record to quarantine.
    pub part: QuarantinedPart,
    /// `true` if the part is in quarantine.
    pub is_kept: bool,
}

/// The beginning of a range of records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Beginning {
    /// The range begins with this record.
    At(SequenceNumber),
    /// The range begins with the first record after this one, whose number is not known.
    After(SequenceNumber),
}

impl Beginning {
    fn includes(&self, record: &SequenceNumber) -> bool {
        match self {
            Self::At(first) => first <= record,
            Self::After(last_before) => last_before < record,
        }
    }
}

/// A range of records that were given up: judged, perhaps claimed and partly counted, and then
/// passed by the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gap {
    /// Number of the gap in its shard, counted from 0. It is never reused.
    pub number: u32,
    /// The first record in the gap.
    pub from: Beginning,
    /// The first record after the gap.
    pub before: SequenceNumber,
    /// Time at which the first record after the gap reached the stream, in milliseconds since 1970.
    pub closed_at_ms: i64,
}

impl Gap {
    /// Returns `true` if a record is in the gap.
    pub fn contains(&self, record: &SequenceNumber) -> bool {
        self.from.includes(record) && *record < self.before
    }
}

/// Time for which a gap is stored after it was closed, in milliseconds.
const GAP_RETENTION_MS: i64 = 400 * DAY_MS;
/// Maximum number of stored gaps: about 100 of the 400 kB that a DynamoDB item may have.
const MAX_GAPS: usize = 500;

/// The head of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ShardHead {
    /// Version of the item. Every write raises it by one; 0 means that there is no item.
    pub version: u64,
    /// The highest record that is judged.
    pub judged: Option<SequenceNumber>,
    /// The highest committed record. All records up to it are counted or quarantined, except those
    /// in gaps.
    pub committed: Option<SequenceNumber>,
    /// Time at which the highest committed record reached the stream, in milliseconds since 1970. If
    /// arrival times do not ascend, it is the highest of the last records of the commits.
    pub committed_arrival_ms: Option<i64>,
    /// The records that are judged and not committed.
    pub open: Option<OpenRecords>,
    /// Number of gaps that the shard ever had, and number of the next one.
    pub gap_count: u32,
    /// The stored gaps, ascending.
    pub gaps: Vec<Gap>,
}

/// A record of a batch, with its arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedRecord {
    /// The sequence number of the record.
    pub sequence_number: SequenceNumber,
    /// Time at which the record reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
}

impl ShardHead {
    /// Returns `true` if a record is judged: its verdict, or that it needs none, is fixed.
    pub fn has_judged(&self, record: &SequenceNumber) -> bool {
        self.judged.as_ref().is_some_and(|judged| record <= judged)
    }

    /// Returns `true` if a record is not above the highest committed one.
    pub fn has_committed(&self, record: &SequenceNumber) -> bool {
        self.committed.as_ref().is_some_and(|committed| record <= committed)
    }

    /// Returns `true` if a record outside of gaps needs no processing: it is completely counted or
    /// quarantined, or the stream was processed past it before it was judged, so that none of its
    /// calls was ever claimed.
    pub fn has_settled(&self, record: &SequenceNumber) -> bool {
        self.has_judged(record) && self.open.as_ref().is_none_or(|open| !open.from.includes(record))
    }

    /// Returns the gap that a record is in; `None` if the record was not given up.
    pub fn gap_of(&self, record: &SequenceNumber) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.contains(record))
    }

    /// Returns the head after the records of a batch are judged.
    ///
    /// If earlier records are judged and not committed, the stream was processed past them, so
    /// they are given up.
    #[must_use]
    pub fn judge(&self, records: &[ArrivedRecord]) -> Self {
        let mut head = self.clone();
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return head };
        head.close_gap(first);
        let is_new = |record: &&ArrivedRecord| !self.has_judged(&record.sequence_number);
        let Some(first_new) = records.iter().find(is_new) else { return head };
        let from = Beginning::At(first_new.sequence_number.clone());
        let open = head.open.get_or_insert_with(|| OpenRecords::new(from));
        records.iter().filter(is_new).for_each(|record| open.push(&record.sequence_number));
        head.judged = Some(last.sequence_number.clone());
        head
    }

    /// Notes the verdicts that are written together with this head.
    pub fn note(&mut self, verdicts: &[(SequenceNumber, Verdict)]) {
        let Some(open) = &mut self.open else { return };
        for (record, verdict) in verdicts {
            open.note(record, verdict);
        }
    }

    /// Returns `true` if the verdict that was read on a record is the one that this head knows. It
    /// is not if the transaction of both is not completely visible yet.
    pub fn has_in_force(&self, record: &SequenceNumber, read: Option<&Verdict>) -> bool {
        self.open.as_ref().is_none_or(|open| open.is_in_force(record, read))
    }

    /// Gives up the open records before `first`, if there are any.
    fn close_gap(&mut self, first: &ArrivedRecord) {
        let ArrivedRecord { sequence_number: first, arrived_at_ms } = first;
        let Some(open) = self.open.clone() else { return };
        let place = open.place_of(first);
        let is_next = match &open.from {
            Beginning::At(next) => first <= next,
            Beginning::After(last) => first <= last || place == Some(0),
        };
        // A first record that is judged and not open belongs to a batch that is read again.
        if is_next || (place.is_none() && self.has_judged(first)) {
            return;
        }
        self.add_gap(open.from.clone(), first.clone(), *arrived_at_ms);
        let place = place.filter(|_| self.has_judged(first));
        self.open = place.map(|place| open.split_off(place, Beginning::At(first.clone())));
    }

    fn add_gap(&mut self, from: Beginning, before: SequenceNumber, closed_at_ms: i64) {
        self.gaps.push(Gap { number: self.gap_count, from, before, closed_at_ms });
        self.gap_count += 1;
    }

    /// Returns the head after the records from `first` to `last` are known to be given up. No
    /// invocation counts them any more. Committed records stay counted.
    ///
    /// The next batch of the shard would have the same effect, but there may never be one.
    #[must_use]
    pub fn give_up(&self, first: &SequenceNumber, last: &ArrivedRecord) -> Self {
        let mut head = self.clone();
        let ArrivedRecord { sequence_number: last, arrived_at_ms } = last;
        if head.has_settled(last) || head.gap_of(last).is_some() {
            return head;
        }
        if !head.has_judged(last) {
            head.judged = Some(last.clone());
        }
        let open = head.open.take();
        let from = open.as_ref().map_or(Beginning::At(first.clone()), |open| open.from.clone());
        head.add_gap(from, last.successor(), *arrived_at_ms);
        let is_all = head.judged.as_ref().is_none_or(|judged| judged <= last);
        head.open = open.filter(|_| !is_all).map(|open| open.after(last));
        head
    }

    /// Returns the head after the records of a batch up to `last` are committed. `resume` is the
    /// first record that failed, which will be delivered again.
    #[must_use]
    pub fn commit(&self, last: Option<&ArrivedRecord>, resume: Option<&SequenceNumber>) -> Self {
        let mut head = self.clone();
        let Some(ArrivedRecord { sequence_number: last, arrived_at_ms }) =
            last.filter(|last| !self.has_committed(&last.sequence_number))
        else {
            return head;
        };
        head.committed = Some(last.clone());
        head.committed_arrival_ms = self.committed_arrival_ms.max(Some(*arrived_at_ms));
        let is_all = head.judged.as_ref().is_none_or(|judged| judged <= last);
        let open = head.open.take().filter(|open| !is_all && open.from.includes(last));
        head.open = open.map(|open| {
            let rest = open.after(last);
            let from = resume.map_or(rest.from.clone(), |next| Beginning::At(next.clone()));
            OpenRecords { from, ..rest }
        });
        if !is_all && head.open.is_none() {
            head.open.clone_from(&self.open);
        }
        head
    }

    /// Removes the gaps that were closed more than 400 days before `now_ms`, in milliseconds since
    /// 1970. Claims expire much earlier, but are kept for longer if their page is written again.
    pub fn forget_gaps(&mut self, now_ms: i64) {
        self.gaps.retain(|gap| gap.closed_at_ms >= now_ms.saturating_sub(GAP_RETENTION_MS));
        self.gaps.drain(..self.gaps.len().saturating_sub(MAX_GAPS));
    }
}

/// A write of a shard's head and of new verdicts, in one transaction with optimistic locking: both
/// are written only if the stored head still has the version that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeadWrite {
    /// The shard whose head is written.
    pub shard: ShardName,
    /// The new head, with the version that was read.
    pub head: ShardHead,
    /// New verdicts, at most [`MAX_VERDICTS`].
    pub verdicts: Vec<(SequenceNumber, Verdict)>,
    /// Time from which the items may be deleted, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

impl HeadWrite {
    /// Returns the write that gives up the records from `first` to `last`; `None` if they are given
    /// up or committed already.
    pub fn giving_up(
        shard: &ShardName,
        head: &ShardHead,
        first: &SequenceNumber,
        last: &ArrivedRecord,
    ) -> Option<Self> {
        let next = head.give_up(first, last);
        // The next batch of the shard sets another time.
        let expires_at_ms = last.arrived_at_ms.saturating_add(GAP_RETENTION_MS);
        let is_new = next != *head;
        is_new.then(|| Self { shard: shard.clone(), head: next, verdicts: Vec::new(), expires_at_ms })
    }
}

/// Maximum number of verdicts in one write. A transaction has at most 100 items, one of which is
/// the head.
///
/// Source: DynamoDB API Reference, `TransactWriteItems`.
pub const MAX_VERDICTS: usize = 99;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: u32) -> SequenceNumber {
        SequenceNumber::parse(&digits.to_string()).unwrap()
    }

    /// A record that arrived as many milliseconds after 1970 as its sequence number says.
    fn record(digits: u32) -> ArrivedRecord {
        ArrivedRecord { sequence_number: number(digits), arrived_at_ms: digits.into() }
    }

    /// Judges the records `first..=last`, which arrived at 0.
    fn judge(head: &ShardHead, first: u32, last: u32) -> ShardHead {
        let record = |digits| ArrivedRecord { arrived_at_ms: 0, ..record(digits) };
        head.judge(&(first..=last).map(record).collect::<Vec<_>>())
    }

    fn commit(head: &ShardHead, last: u32) -> ShardHead {
        head.commit(Some(&record(last)), None)
    }

    fn given_up(head: &ShardHead) -> Vec<u32> {
        (0..50).filter(|record| head.gap_of(&number(*record)).is_some()).collect()
    }

    #[test]
    fn batches_that_follow_each_other_leave_no_gap() {
        let mut head = ShardHead::default();
        for (first, last) in [(5, 9), (12, 14), (15, 15)] {
            head = commit(&judge(&head, first, last), last);
        }
        assert_eq!((head.open, head.gap_count), (None, 0));
        assert_eq!((head.committed, head.committed_arrival_ms), (Some(number(15)), Some(15)));
    }

    #[test]
    fn only_a_commit_moves_the_progress_and_only_as_far_as_its_last_record() {
        let judged = ShardHead::default().judge(&[record(5), record(6), record(7)]);
        assert_eq!(judged.committed_arrival_ms, None);
        let committed = judged.commit(Some(&record(6)), Some(&number(7)));
        assert_eq!(committed.committed_arrival_ms, Some(6));
        let late = ArrivedRecord { arrived_at_ms: 1, ..record(7) };
        assert_eq!(committed.commit(Some(&late), None).committed_arrival_ms, Some(6));
        assert_eq!(committed.commit(Some(&record(5)), None).committed_arrival_ms, Some(6));
    }

    #[test]
    fn a_batch_that_is_tried_again_leaves_no_gap() {
        let head = judge(&judge(&ShardHead::default(), 5, 9), 5, 9);
        assert_eq!(head.open.as_ref().unwrap().from, Beginning::At(number(5)));
        let head = head.commit(Some(&record(6)), Some(&number(7)));
        let head = judge(&head, 7, 12);
        assert_eq!(head.gap_count, 0);
        assert_eq!(commit(&head, 12).open, None);
    }

    #[test]
    fn the_halves_of_a_batch_leave_no_gap() {
        let mut head = judge(&ShardHead::default(), 10, 17);
        for (first, last) in [(10, 13), (14, 15), (16, 16), (17, 20)] {
            head = commit(&judge(&head, first, last), last);
        }
        assert_eq!((head.open, head.gap_count), (None, 0));
    }

    #[test]
    fn records_that_the_stream_went_on_behind_are_given_up() {
        let head = commit(&judge(&ShardHead::default(), 5, 9), 9);
        let head = judge(&judge(&head, 10, 12), 13, 14);
        assert_eq!(given_up(&head), [10, 11, 12]);
        assert_eq!(commit(&head, 14).open, None);
    }

    #[test]
    fn a_half_that_is_given_up_leaves_the_other_half_open() {
        let head = judge(&ShardHead::default(), 10, 17);
        let head = judge(&head, 14, 15);
        assert_eq!(given_up(&head), [10, 11, 12, 13]);
        let mut other_half = OpenRecords::new(Beginning::At(number(14)));
        (14..=17).for_each(|record| other_half.push(&number(record)));
        assert_eq!(head.open, Some(other_half));
        let head = judge(&commit(&head, 15), 16, 17);
        assert_eq!((given_up(&head).len(), commit(&head, 17).open), (4, None));
    }

    #[test]
    fn a_replay_changes_nothing() {
        let head = commit(&judge(&ShardHead::default(), 5, 9), 9);
        let again = judge(&head, 5, 7);
        assert_eq!(again, head);
        assert_eq!(commit(&again, 7), head);
    }

    #[test]
    fn a_batch_that_begins_with_committed_records_opens_the_others_alone() {
        let head = judge(&commit(&judge(&ShardHead::default(), 5, 9), 9), 8, 12);
        let head = judge(&head, 9, 12);
        assert_eq!((given_up(&head), head.gap_count), (vec![], 0));
        assert!(head.has_settled(&number(9)) && !head.has_settled(&number(10)));
    }

    #[test]
    fn a_late_commit_does_not_take_back_a_gap() {
        let head = judge(&judge(&ShardHead::default(), 5, 6), 8, 9);
        let late = commit(&head, 6);
        assert_eq!(given_up(&late), [5, 6, 7], "they stay given up");
        assert_eq!(late.open, head.open);
    }

    fn give_up(head: &ShardHead, first: u32, last: u32) -> ShardHead {
        head.give_up(&number(first), &ArrivedRecord { arrived_at_ms: 0, ..record(last) })
    }

    #[test]
    fn the_last_batch_of_a_shard_can_be_given_up() {
        let head = commit(&judge(&ShardHead::default(), 5, 9), 9);
        let head = give_up(&judge(&head, 10, 12), 10, 12);
        assert_eq!((given_up(&head), &head.open), (vec![10, 11, 12], &None));
        assert_eq!(give_up(&head, 10, 12), head, "a second time changes nothing");
        let next = judge(&head, 13, 14);
        assert_eq!((given_up(&next), next.gap_count), (vec![10, 11, 12], 1));
    }

    #[test]
    fn a_given_up_half_is_known_before_the_other_half_comes() {
        let head = judge(&ShardHead::default(), 10, 17);
        let head = judge(&give_up(&head, 10, 13), 14, 17);
        assert_eq!((given_up(&head), head.gap_count), (vec![10, 11, 12, 13], 1));
        assert_eq!(commit(&head, 17).open, None);
    }

    #[test]
    fn records_that_nobody_judged_are_given_up_for_invocations_that_come_late() {
        let head = give_up(&commit(&judge(&ShardHead::default(), 5, 9), 9), 10, 12);
        assert_eq!(given_up(&head), [10, 11, 12]);
        assert_eq!(judge(&head, 10, 12), head);
    }

    #[test]
    fn a_record_that_nobody_judged_before_the_stream_went_on_is_settled() {
        let head = judge(&commit(&judge(&ShardHead::default(), 5, 9), 9), 12, 14);
        let settled = |head: &ShardHead| {
            (5..=15).filter(|record| head.has_settled(&number(*record))).collect::<Vec<_>>()
        };
        assert_eq!(settled(&head), [5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(give_up(&head, 10, 11), head);
        assert_eq!(settled(&commit(&head, 14)), (5..=14).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_committed_is_not_given_up() {
        let head = commit(&judge(&ShardHead::default(), 5, 9), 7);
        assert_eq!(give_up(&head, 5, 7), head);
        assert_eq!(given_up(&give_up(&head, 5, 9)), [8, 9]);
    }

    #[test]
    fn the_rest_of_a_batch_that_is_committed_in_part_is_given_up_when_the_stream_goes_on() {
        let head = commit(&judge(&ShardHead::default(), 5, 9), 7);
        let head = judge(&head, 12, 14);
        assert_eq!((given_up(&head), head.gap_count), (vec![8, 9, 10, 11], 1));
        assert_eq!(commit(&head, 14).open, None);
    }

    #[test]
    fn the_rest_of_a_batch_that_is_given_up_in_part_stays_open() {
        let head = give_up(&judge(&ShardHead::default(), 10, 17), 10, 13);
        assert!(head.has_judged(&number(17)), "the verdicts on the rest stay in force");
        assert_eq!(head.open.as_ref().unwrap().from, Beginning::After(number(13)));
        assert!(!head.has_settled(&number(14)));
    }

    #[test]
    fn a_head_knows_the_verdicts_that_are_written_with_it() {
        let verdict = Verdict { part: QuarantinedPart::Events(vec![3]), is_kept: false };
        let mut head = judge(&ShardHead::default(), 5, 6);
        assert!(head.has_in_force(&number(5), None));
        head.note(&[(number(5), verdict.clone())]);
        assert!(!head.has_in_force(&number(5), None), "the transaction of both is not visible yet");
        assert!(head.has_in_force(&number(5), Some(&verdict)) && head.has_in_force(&number(6), None));
        let mut committed = commit(&head, 6);
        committed.note(&[(number(5), verdict)]);
        assert!(committed.has_in_force(&number(5), None), "a committed record is not judged again");
    }

    #[test]
    fn a_gap_is_written_once() {
        let head = judge(&ShardHead::default(), 10, 12);
        let last = ArrivedRecord { sequence_number: number(12), arrived_at_ms: 5 };
        let giving_up = |head: &ShardHead| {
            HeadWrite::giving_up(&ShardName::from_stored("shard"), head, &number(10), &last)
        };
        let write = giving_up(&head).unwrap();
        assert_eq!((given_up(&write.head), write.verdicts.len()), (vec![10, 11, 12], 0));
        assert_eq!(giving_up(&write.head), None);
    }

    #[test]
    fn a_gap_is_known_for_400_days() {
        let mut head = judge(&judge(&ShardHead::default(), 5, 6), 8, 9);
        head.forget_gaps(34_560_000_000);
        assert_eq!(head.gaps.len(), 1);
        head.forget_gaps(34_560_000_001);
        assert_eq!(head.gaps.len(), 0);
    }

    #[test]
    fn the_oldest_gap_is_forgotten_when_there_are_too_many() {
        let mut head = ShardHead::default();
        for gap in 0..=u32::try_from(MAX_GAPS).unwrap() {
            head = give_up(&judge(&head, 10 * gap + 1, 10 * gap + 2), 10 * gap + 1, 10 * gap + 2);
        }
        assert_eq!((head.gaps.len(), head.gap_count), (MAX_GAPS + 1, 501));
        head.forget_gaps(0);
        assert_eq!((head.gaps.len(), head.gaps[0].number), (MAX_GAPS, 1));
    }

    #[test]
    fn a_forgotten_gap_leaves_the_numbers_of_others_alone() {
        let mut head = judge(&judge(&ShardHead::default(), 5, 6), 8, 9);
        head.forget_gaps(GAP_RETENTION_MS);
        assert_eq!(head.gaps.len(), 1);
        head.forget_gaps(GAP_RETENTION_MS + 1);
        assert_eq!(head.gaps.len(), 0);
        let head = judge(&head, 20, 20);
        assert_eq!(head.gaps.iter().map(|gap| gap.number).collect::<Vec<_>>(), [1]);
    }
}
