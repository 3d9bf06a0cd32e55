//! Who owns a call after records wanted it one after the other.

use super::*;
use crate::sequence_number::SequenceNumber;

/// Every other record is alive.
struct AllAlive;

impl Knowledge for AllAlive {
    fn state(&self, _owner: &RecordName) -> OwnerState {
        OwnerState::Alive
    }

    fn puts_back(&self, _record: u32, _owner: &RecordName) -> bool {
        false
    }

    fn counted(&self, _owner: &RecordName, _call: u32) -> Counted {
        Counted::Unknown
    }
}

fn record(digits: &str) -> RecordName {
    let sequence_number = SequenceNumber::parse(digits).unwrap();
    RecordName { shard: ShardName::from_stored("1/r/usage/shard"), sequence_number }
}

/// Has one call claimed by records one after the other: how many calls
/// each of them gets, and who owns the call in the end.
fn claims(wishes: &[(&str, Purpose)]) -> (Vec<bool>, Owner) {
    let slice = SliceKey { start_ms: 0, group: 0 };
    let mut stored: Vec<StoredPage> = Vec::new();
    let mut got = Vec::new();
    for (digits, purpose) in wishes {
        let wish = Wish { call: 0, id: CallId::new("call", 1), record: 0, purpose: *purpose };
        let claim = SliceClaim { slice, records: &[record(digits)], wishes: &[wish], expires_at_ms: 1 };
        let plan = claim.plan(stored.clone(), &AllAlive);
        got.push(plan.dropped.is_empty());
        for PageWrite { number, page, .. } in plan.writes {
            stored = vec![StoredPage { number, version: 1, expires_at_ms: 1, page }];
        }
    }
    assert_eq!(stored[0].page.runs.len(), 1, "a call has one owner");
    (got, stored[0].page.runs[0].owner.clone())
}

#[test]
fn who_counts_a_call_first_owns_it() {
    let (got, owner) =
        claims(&[("1", Purpose::Count), ("2", Purpose::Count), ("1", Purpose::Count), ("3", Purpose::Keep)]);
    assert_eq!(
        (got, owner),
        (vec![true, false, true, false], Owner { purpose: Purpose::Count, record: record("1") })
    );
}

#[test]
fn who_can_count_a_call_takes_it_from_the_quarantine_once() {
    let (got, owner) =
        claims(&[("1", Purpose::Keep), ("2", Purpose::Count), ("3", Purpose::Count), ("1", Purpose::Keep)]);
    assert_eq!(
        (got, owner),
        (vec![true, true, false, false], Owner { purpose: Purpose::Count, record: record("2") })
    );
}

#[test]
fn what_is_put_back_and_still_cannot_be_counted_is_kept_again() {
    let (got, owner) = claims(&[("1", Purpose::Keep), ("2", Purpose::Keep), ("2", Purpose::Keep)]);
    assert_eq!((got, owner), (vec![true, true, true], Owner { purpose: Purpose::Keep, record: record("2") }));
}
