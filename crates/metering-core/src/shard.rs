//! What is known of a shard besides its records: how far its records are
//! judged and committed, and which of them were given up.
//!
//! The head of a shard puts the decisions about its records into one order,
//! whichever version of the function, retry or late invocation makes them. A
//! record is judged once, before any of its calls is claimed: its verdict says
//! what of it goes to quarantine, and everybody who meets the record later
//! follows it.

use twox_hash::XxHash3_64;

use crate::claims::owner::ShardName;
use crate::sequence_number::SequenceNumber;

/// The part of a record that goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuarantinedPart {
    /// The whole record: nothing of it can be read, or it was given up.
    Whole,
    /// Events by their places in the record, counted from 0, ascending.
    Events(Vec<u32>),
}

impl QuarantinedPart {
    /// Whether an event belongs to it.
    pub fn contains(&self, event: u32) -> bool {
        match self {
            Self::Whole => true,
            Self::Events(events) => events.binary_search(&event).is_ok(),
        }
    }
}

/// The verdict on a record of which something goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The part that goes to quarantine.
    pub part: QuarantinedPart,
    /// Whether the quarantine has it.
    pub is_kept: bool,
}

/// The lowest record that a stretch of a shard can begin with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Beginning {
    /// This record.
    At(SequenceNumber),
    /// The record after this one.
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

/// The records of a shard that are judged and not committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenRecords {
    /// Where they begin.
    pub from: Beginning,
    /// A short hash of each, in their order: enough to tell whether a record
    /// is the next of them.
    pub hashes: Vec<u32>,
}

/// A stretch of records that were judged, perhaps claimed and partly counted,
/// and that the stream then went on behind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gap {
    /// Number of the gap in its shard, counted from 0.
    pub number: u32,
    /// Where it begins.
    pub from: Beginning,
    /// The first record after it.
    pub before: SequenceNumber,
    /// When that record arrived, in milliseconds since 1970.
    pub closed_at_ms: i64,
}

impl Gap {
    /// Whether a record lies in the gap.
    pub fn contains(&self, record: &SequenceNumber) -> bool {
        self.from.includes(record) && *record < self.before
    }
}

/// The head of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ShardHead {
    /// Version of the item; every write raises it by one. 0 where there is none.
    pub version: u64,
    /// The highest record that is judged.
    pub judged: Option<SequenceNumber>,
    /// The highest record up to which everything is counted or kept, but for
    /// what lies in gaps.
    pub committed: Option<SequenceNumber>,
    /// The records that are judged and not committed.
    pub open: Option<OpenRecords>,
    /// How many gaps there ever were.
    pub gap_count: u32,
    /// The gaps whose records' claims are still kept, ascending.
    pub gaps: Vec<Gap>,
}

/// A record of a batch, as far as its shard's head has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedRecord {
    /// Its sequence number.
    pub sequence_number: SequenceNumber,
    /// When it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
}

impl ShardHead {
    /// Whether the verdict on a record is fixed.
    pub fn has_judged(&self, record: &SequenceNumber) -> bool {
        self.judged.as_ref().is_some_and(|judged| record <= judged)
    }

    /// Whether all of a record is counted or kept.
    pub fn has_committed(&self, record: &SequenceNumber) -> bool {
        self.committed.as_ref().is_some_and(|committed| record <= committed)
    }

    /// The gap in which a record was given up.
    pub fn gap_of(&self, record: &SequenceNumber) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.contains(record))
    }

    /// The head after the records of a batch were judged.
    ///
    /// Where earlier records are judged and not committed, the stream went on
    /// behind them: they are given up.
    #[must_use]
    pub fn judge(&self, records: &[ArrivedRecord]) -> Self {
        let mut head = self.clone();
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return head };
        head.close_gap(first);
        if head.has_committed(&last.sequence_number) {
            return head;
        }
        let is_new = |record: &&ArrivedRecord| !self.has_judged(&record.sequence_number);
        let new = records.iter().filter(is_new).map(|record| short_hash(&record.sequence_number));
        let open = head.open.get_or_insert_with(|| OpenRecords {
            from: Beginning::At(first.sequence_number.clone()),
            hashes: Vec::new(),
        });
        open.hashes.extend(new);
        if !head.has_judged(&last.sequence_number) {
            head.judged = Some(last.sequence_number.clone());
        }
        head
    }

    /// Gives up the open records before `first`, if there are any.
    fn close_gap(&mut self, first: &ArrivedRecord) {
        let ArrivedRecord { sequence_number: first, arrived_at_ms } = first;
        let Some(open) = &self.open else { return };
        let is_next = match &open.from {
            Beginning::At(next) => first <= next,
            Beginning::After(last) => first <= last || open.hashes.first() == Some(&short_hash(first)),
        };
        if is_next {
            return;
        }
        self.gaps.push(Gap {
            number: self.gap_count,
            from: open.from.clone(),
            before: first.clone(),
            closed_at_ms: *arrived_at_ms,
        });
        self.gap_count += 1;
        let remaining = open.hashes.iter().position(|hash| *hash == short_hash(first));
        self.open = remaining.filter(|_| self.has_judged(first)).map(|place| OpenRecords {
            from: Beginning::At(first.clone()),
            hashes: open.hashes[place..].to_vec(),
        });
    }

    /// The head after the records of a batch up to `last` were committed.
    /// `resume` is the record that failed and will be delivered again.
    #[must_use]
    pub fn commit(&self, last: Option<&SequenceNumber>, resume: Option<&SequenceNumber>) -> Self {
        let mut head = self.clone();
        let Some(last) = last.filter(|last| !self.has_committed(last)) else { return head };
        head.committed = Some(last.clone());
        let is_all = head.judged.as_ref().is_none_or(|judged| judged <= last);
        let open = head.open.take().filter(|open| !is_all && open.from.includes(last));
        head.open = open.map(|mut open| {
            let counted = open.hashes.iter().position(|hash| *hash == short_hash(last));
            open.hashes.drain(..counted.map_or(0, |place| place + 1));
            let from =
                resume.map_or_else(|| Beginning::After(last.clone()), |next| Beginning::At(next.clone()));
            OpenRecords { from, hashes: open.hashes }
        });
        if !is_all && head.open.is_none() {
            head.open.clone_from(&self.open);
        }
        head
    }

    /// Forgets gaps that were closed before `kept_from_ms`, in milliseconds
    /// since 1970: no claim of their records is kept any more.
    pub fn forget_gaps(&mut self, kept_from_ms: i64) {
        self.gaps.retain(|gap| gap.closed_at_ms >= kept_from_ms);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a part of a hash is a hash")]
fn short_hash(record: &SequenceNumber) -> u32 {
    XxHash3_64::oneshot(record.digits().as_bytes()) as u32
}

/// A write of a shard's head, with the verdicts that come into force by it, in
/// one transaction. Both are written only if the head's version is the one
/// that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadWrite {
    /// The shard.
    pub shard: ShardName,
    /// The head; its version is the one that was read.
    pub head: ShardHead,
    /// Verdicts on records, at most [`MAX_VERDICTS`].
    pub verdicts: Vec<(SequenceNumber, Verdict)>,
    /// When the items may be deleted, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// The most verdicts of one write: a transaction has 100 items, one of which is
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

    /// Judges the records `first..=last`.
    fn judge(head: &ShardHead, first: u32, last: u32) -> ShardHead {
        let record = |digits| ArrivedRecord { sequence_number: number(digits), arrived_at_ms: 0 };
        head.judge(&(first..=last).map(record).collect::<Vec<_>>())
    }

    fn commit(head: &ShardHead, last: u32) -> ShardHead {
        head.commit(Some(&number(last)), None)
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
        assert_eq!(head.committed, Some(number(15)));
    }

    #[test]
    fn a_batch_that_is_tried_again_leaves_no_gap() {
        let head = judge(&judge(&ShardHead::default(), 5, 9), 5, 9);
        assert_eq!(head.open.as_ref().unwrap().from, Beginning::At(number(5)));
        let head = head.commit(Some(&number(6)), Some(&number(7)));
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
    fn a_late_commit_does_not_take_back_a_gap() {
        let head = judge(&judge(&ShardHead::default(), 5, 6), 8, 9);
        let late = commit(&head, 6);
        assert_eq!(given_up(&late), [5, 6, 7], "what was decided of them stays decided");
        assert_eq!(late.open, head.open);
    }

    #[test]
    fn a_forgotten_gap_leaves_the_numbers_of_others_alone() {
        let mut head = judge(&judge(&ShardHead::default(), 5, 6), 8, 9);
        head.forget_gaps(0);
        assert_eq!(head.gaps.len(), 1);
        head.forget_gaps(1);
        assert_eq!(head.gaps.len(), 0);
        let head = judge(&head, 20, 20);
        assert_eq!(head.gaps.iter().map(|gap| gap.number).collect::<Vec<_>>(), [1]);
    }
}
