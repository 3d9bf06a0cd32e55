//! The records of a shard that are judged and not committed.

use twox_hash::XxHash3_64;

use super::{Beginning, QuarantinedPart, Verdict};
use crate::sequence_number::SequenceNumber;

/// The records of a shard that are judged and not committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenRecords {
    /// The first of the records.
    pub from: Beginning,
    /// A 32-bit hash of each sequence number, in order. It suffices to recognise the next record.
    pub hashes: Vec<u32>,
    /// The verdicts in force on these records.
    pub verdicts: Vec<OpenVerdict>,
}

/// A verdict in force, as the head knows it.
///
/// The head and its verdicts are written in one transaction, but read one after the other. DynamoDB
/// does not isolate a transaction from reads of several items, so a run may see the new head and
/// not yet its verdicts. It follows the verdicts only if they are those of the head.
///
/// Source: DynamoDB Developer Guide, "Isolation levels for DynamoDB transactions".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpenVerdict {
    /// A 64-bit hash of the record's sequence number.
    pub record: u64,
    /// A 32-bit hash of the part that goes to quarantine.
    pub part: u32,
}

impl OpenRecords {
    /// Returns the range that begins with `from` and has no record yet.
    pub(super) fn new(from: Beginning) -> Self {
        Self { from, hashes: Vec::new(), verdicts: Vec::new() }
    }

    pub(super) fn push(&mut self, record: &SequenceNumber) {
        self.hashes.push(short(hash(record)));
    }

    /// Returns the place of a record.
    pub(super) fn place_of(&self, record: &SequenceNumber) -> Option<usize> {
        self.hashes.iter().position(|open| *open == short(hash(record)))
    }

    /// Returns the open records from a place on.
    #[must_use]
    pub(super) fn split_off(mut self, place: usize, from: Beginning) -> Self {
        let hashes = self.hashes.split_off(place);
        self.verdicts.retain(|verdict| hashes.contains(&short(verdict.record)));
        Self { from, hashes, verdicts: self.verdicts }
    }

    /// Returns the open records after `last`.
    #[must_use]
    pub(super) fn after(self, last: &SequenceNumber) -> Self {
        let place = self.place_of(last).map_or(0, |place| place + 1);
        self.split_off(place, Beginning::After(last.clone()))
    }

    /// Notes a verdict that is written together with the head. It replaces an earlier one.
    pub(super) fn note(&mut self, record: &SequenceNumber, verdict: &Verdict) {
        if self.place_of(record).is_none() {
            return;
        }
        let noted = OpenVerdict { record: hash(record), part: hash_of_part(&verdict.part) };
        self.verdicts.retain(|verdict| verdict.record != noted.record);
        self.verdicts.push(noted);
    }

    /// Returns `true` if the verdict that was read on a record is the one in force.
    pub fn is_in_force(&self, record: &SequenceNumber, read: Option<&Verdict>) -> bool {
        let record = hash(record);
        let known = self.verdicts.iter().find(|verdict| verdict.record == record);
        known.is_none_or(|known| read.is_some_and(|read| hash_of_part(&read.part) == known.part))
    }
}

fn hash(record: &SequenceNumber) -> u64 {
    XxHash3_64::oneshot(record.digits().as_bytes())
}

fn hash_of_part(part: &QuarantinedPart) -> u32 {
    match part {
        QuarantinedPart::Whole => u32::MAX,
        QuarantinedPart::Events(events) => {
            let bytes: Vec<u8> = events.iter().flat_map(|event| event.to_le_bytes()).collect();
            short(XxHash3_64::oneshot(&bytes))
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a part of a hash is a hash")]
fn short(hash: u64) -> u32 {
    hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: u32) -> SequenceNumber {
        SequenceNumber::parse(&digits.to_string()).unwrap()
    }

    fn verdict(events: &[u32]) -> Verdict {
        Verdict { part: QuarantinedPart::Events(events.to_vec()), is_kept: false }
    }

    fn open(records: impl IntoIterator<Item = u32>) -> OpenRecords {
        let mut open = OpenRecords::new(Beginning::At(number(1)));
        records.into_iter().for_each(|record| open.push(&number(record)));
        open
    }

    #[test]
    fn the_verdict_of_the_head_is_in_force_and_no_other() {
        let mut open = open(1..=3);
        open.note(&number(2), &verdict(&[4]));
        open.note(&number(2), &verdict(&[4, 5]));
        let whole = Verdict { part: QuarantinedPart::Whole, is_kept: true };
        for (read, is_in_force) in [
            (None, false),
            (Some(verdict(&[4])), false),
            (Some(whole), false),
            (Some(verdict(&[4, 5])), true),
        ] {
            assert_eq!(open.is_in_force(&number(2), read.as_ref()), is_in_force, "{read:?}");
        }
        let kept = Verdict { is_kept: true, ..verdict(&[4, 5]) };
        assert!(open.is_in_force(&number(2), Some(&kept)), "whether it is kept is no part of the verdict");
        assert!(open.is_in_force(&number(3), None), "a record without a verdict needs none");
        assert_eq!(open.verdicts.len(), 1);
    }

    #[test]
    fn the_head_knows_the_verdicts_of_open_records_alone() {
        let mut records = open(1..=4);
        for record in [1, 3, 4, 5] {
            records.note(&number(record), &verdict(&[record]));
        }
        let known = |records: &OpenRecords| {
            (1..=5).filter(|record| !records.is_in_force(&number(*record), None)).collect::<Vec<_>>()
        };
        assert_eq!(known(&records), [1, 3, 4], "the record 5 is not open");
        let rest = records.clone().after(&number(2));
        assert_eq!((known(&rest), &rest.from), (vec![3, 4], &Beginning::After(number(2))));
        assert_eq!(rest.hashes, open(3..=4).hashes);
        assert_eq!(known(&records.split_off(3, Beginning::At(number(4)))), [4]);
    }
}
