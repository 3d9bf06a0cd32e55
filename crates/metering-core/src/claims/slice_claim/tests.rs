//! The owner of a call that several records want one after the other.

use super::*;
use crate::sequence_number::SequenceNumber;

/// The same facts about every other record.
struct Known {
    state: OwnerState,
    counted: Counted,
    puts_back: bool,
}

/// Every other record is alive, and nothing is put back.
const ALIVE: Known = Known { state: OwnerState::Alive, counted: Counted::Unknown, puts_back: false };

impl KnownOwners for Known {
    fn state(&self, _owner: &RecordName) -> OwnerState {
        self.state
    }

    fn puts_back(&self, _record: u32, _owner: &RecordName) -> bool {
        self.puts_back
    }

    fn counted(&self, _owner: &RecordName, _call: u32) -> Counted {
        self.counted
    }
}

fn record(digits: &str) -> RecordName {
    let sequence_number = SequenceNumber::parse(digits).unwrap();
    RecordName { shard: ShardName::from_stored("1/r/usage/shard"), sequence_number }
}

/// Has one call claimed by records one after the other. Returns for each record if it got the call,
/// and the owner in the end.
fn claims(wanted: &[(&str, Purpose)]) -> (Vec<bool>, Owner) {
    let slice = SliceKey { start_ms: 0, group: 0 };
    let mut stored: Vec<StoredPage> = Vec::new();
    let mut got = Vec::new();
    for (digits, purpose) in wanted {
        let wanted = WantedCall { call: 0, id: CallId::new("call", 1), record: 0, purpose: *purpose };
        let claim =
            SliceClaim { slice, records: &[record(digits)], wanted_calls: &[wanted], expires_at_ms: 1 };
        let plan = claim.plan(stored.clone(), &ALIVE);
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

#[test]
fn a_call_that_a_record_has_bad_and_countable_is_claimed_to_be_counted() {
    let slice = SliceKey { start_ms: 0, group: 0 };
    let wanted = [(0, Purpose::Keep), (1, Purpose::Count)].map(|(call, purpose)| WantedCall {
        call,
        id: CallId::new("call", 1),
        record: 0,
        purpose,
    });
    let claim = SliceClaim { slice, records: &[record("1")], wanted_calls: &wanted, expires_at_ms: 1 };
    let plan = claim.plan(Vec::new(), &ALIVE);
    assert_eq!(plan.dropped, [0]);
    let [run] = plan.writes[0].page.runs.as_slice() else { panic!("a call has one owner") };
    assert_eq!(run.owner, Owner { purpose: Purpose::Count, record: record("1") });
}

/// Plans the claim of the record 2 on a call that the record 1 owns.
fn plan(owner: Purpose, purpose: Purpose, known: &Known) -> SlicePlan {
    let run = Run { owner: Owner { purpose: owner, record: record("1") }, ids: vec![CallId::new("call", 1)] };
    let page = Page { is_closed: false, runs: vec![run] };
    let stored = vec![StoredPage { number: 0, version: 1, expires_at_ms: 1, page }];
    let wanted = WantedCall { call: 0, id: CallId::new("call", 1), record: 0, purpose };
    let slice = SliceKey { start_ms: 0, group: 0 };
    SliceClaim { slice, records: &[record("2")], wanted_calls: &[wanted], expires_at_ms: 1 }
        .plan(stored, known)
}

fn taken_over_as(plan: &SlicePlan) -> Option<Purpose> {
    let owner = &plan.writes.first()?.page.runs.first()?.owner;
    (owner.record == record("2")).then_some(owner.purpose)
}

#[test]
fn a_call_that_was_claimed_to_be_counted_moves_only_to_a_record_that_puts_it_back() {
    let gone = |counted, puts_back| Known { state: OwnerState::GivenUp, counted, puts_back };
    for (owner, known) in [
        (Purpose::Count, ALIVE),
        (Purpose::Count, Known { puts_back: true, ..ALIVE }),
        (Purpose::Count, gone(Counted::No, false)),
        (Purpose::Count, gone(Counted::Yes, true)),
        (Purpose::Refused, ALIVE),
    ] {
        let plan = plan(owner, Purpose::Count, &known);
        assert_eq!((plan.dropped.len(), plan.writes.len()), (1, 0), "{owner:?}");
    }
    for (owner, known) in [
        (Purpose::Count, gone(Counted::No, true)),
        (Purpose::Refused, Known { puts_back: true, ..ALIVE }),
        (Purpose::Keep, ALIVE),
    ] {
        assert_eq!(taken_over_as(&plan(owner, Purpose::Count, &known)), Some(Purpose::Count), "{owner:?}");
    }
}

#[test]
fn what_is_put_back_and_cannot_be_counted_is_kept_from_other_invocations_of_its_record() {
    let known = Known { state: OwnerState::GivenUp, counted: Counted::No, puts_back: true };
    assert_eq!(taken_over_as(&plan(Purpose::Count, Purpose::Keep, &known)), Some(Purpose::Refused));
    let unknowable = plan(Purpose::Count, Purpose::Keep, &Known { counted: Counted::Unknowable, ..known });
    assert_eq!((unknowable.dropped.len(), unknowable.writes.len()), (0, 0), "kept, and no owner changes");
}

#[test]
fn the_row_is_asked_only_for_an_owner_that_was_given_up() {
    let ask = |state| {
        let known = Known { state, counted: Counted::Unknown, puts_back: true };
        let Lookups { shards, rows } = plan(Purpose::Count, Purpose::Count, &known).lookups;
        (shards.len(), rows.len())
    };
    assert_eq!(
        [OwnerState::Unknown, OwnerState::Alive, OwnerState::GivenUp].map(ask),
        [(1, 0), (0, 0), (0, 1)]
    );
}

#[test]
fn a_record_whose_call_was_refused_to_another_invocation_is_judged_again() {
    let (_, owner) = claims(&[("1", Purpose::Count), ("1", Purpose::Keep)]);
    assert_eq!(owner, Owner { purpose: Purpose::Refused, record: record("1") });
    let page = Page { is_closed: false, runs: vec![Run { owner, ids: vec![CallId::new("call", 1)] }] };
    let stored = vec![StoredPage { number: 0, version: 2, expires_at_ms: 1, page }];
    let wanted = WantedCall { call: 0, id: CallId::new("call", 1), record: 0, purpose: Purpose::Count };
    let slice = SliceKey { start_ms: 0, group: 0 };
    let claim = SliceClaim { slice, records: &[record("1")], wanted_calls: &[wanted], expires_at_ms: 1 };
    assert!(claim.plan(stored, &ALIVE).is_outdated);
}

#[test]
fn a_page_after_expired_ones_gets_a_number_of_its_own() {
    let page = Page { is_closed: true, runs: Vec::new() };
    let stored = vec![StoredPage { number: 3, version: 1, expires_at_ms: 1, page }];
    let wanted = WantedCall { call: 0, id: CallId::new("call", 1), record: 0, purpose: Purpose::Count };
    let slice = SliceKey { start_ms: 0, group: 0 };
    let claim = SliceClaim { slice, records: &[record("1")], wanted_calls: &[wanted], expires_at_ms: 1 };
    let plan = claim.plan(stored, &ALIVE);
    assert_eq!(
        plan.writes.iter().map(|write| (write.number, write.expected_version)).collect::<Vec<_>>(),
        [(4, None)]
    );
}

/// A batch claims these calls, each wanted by a record of it. Returns the writes, and the chain of pages
/// after them.
fn claim_all(
    stored: Vec<StoredPage>,
    records: &[RecordName],
    wanted: &[(u32, i64)],
) -> (Vec<PageWrite>, Vec<StoredPage>) {
    let wanted_calls: Vec<WantedCall> = (0..)
        .zip(wanted)
        .map(|(call, (record, number))| WantedCall {
            call,
            id: CallId::new("call", *number),
            record: *record,
            purpose: Purpose::Count,
        })
        .collect();
    let slice = SliceKey { start_ms: 0, group: 0 };
    let claim = SliceClaim { slice, records, wanted_calls: &wanted_calls, expires_at_ms: 1 };
    let writes = claim.plan(stored.clone(), &ALIVE).writes;
    let mut chain = stored;
    for write in &writes {
        let version = write.expected_version.unwrap_or(0) + 1;
        let PageWrite { number, expires_at_ms, page, .. } = write.clone();
        chain.retain(|stored| stored.number != number);
        chain.push(StoredPage { number, version, expires_at_ms, page });
    }
    (writes, chain)
}

#[test]
fn the_calls_of_each_record_are_in_a_run_of_its_own() {
    let records = [record("1"), record("2")];
    let (_, chain) = claim_all(Vec::new(), &records, &[(0, 10), (0, 11), (1, 20), (1, 21)]);
    let (_, chain) = claim_all(chain, &[record("2"), record("3")], &[(0, 22), (1, 30)]);
    let runs: Vec<(&str, Vec<CallId>)> = chain[0]
        .page
        .runs
        .iter()
        .map(|run| (run.owner.record.sequence_number.digits(), run.ids.clone()))
        .collect();
    let ids = |numbers: &[i64]| numbers.iter().map(|number| CallId::new("call", *number)).collect::<Vec<_>>();
    assert_eq!(chain.len(), 1);
    assert_eq!(runs, [("1", ids(&[10, 11])), ("2", ids(&[20, 21, 22])), ("3", ids(&[30]))]);
}

#[test]
fn a_page_takes_calls_until_it_has_eight_kilobytes() {
    let records = [record("1")];
    let wanted: Vec<(u32, i64)> = (0..600).map(|number| (0, number)).collect();
    let (_, chain) = claim_all(Vec::new(), &records, &wanted);
    assert_eq!((chain.len(), chain[0].page.is_closed), (1, false), "7,200 bytes of calls");
    let (writes, chain) =
        claim_all(chain, &records, &(600..700).map(|number| (0, number)).collect::<Vec<_>>());
    assert_eq!((chain.len(), chain[0].page.is_closed), (1, true), "8,400 bytes of calls");
    assert_eq!((writes[0].number, writes[0].expected_version), (0, Some(1)));
    let (writes, chain) = claim_all(chain, &records, &[(0, 700)]);
    assert_eq!((writes.len(), writes[0].number, writes[0].expected_version), (1, 1, None));
    assert_eq!((chain.len(), chain[1].page.is_closed), (2, false));
}

#[test]
fn a_batch_that_has_too_many_calls_for_a_page_writes_several() {
    let wanted: Vec<(u32, i64)> = (0..50_000).map(|number| (0, number)).collect();
    let (writes, chain) = claim_all(Vec::new(), &[record("1")], &wanted);
    assert_eq!(writes.iter().map(|write| write.number).collect::<Vec<_>>(), [0, 1, 2]);
    let calls = |stored: &StoredPage| stored.page.runs.iter().map(|run| run.ids.len()).sum::<usize>();
    assert_eq!(chain.iter().map(calls).sum::<usize>(), 50_000);
    for stored in &chain[..2] {
        let bytes = stored.page.encode().len();
        assert!(stored.page.is_closed && (262_000..262_200).contains(&bytes), "{bytes}");
    }
}

#[test]
fn what_is_put_back_and_cannot_be_counted_changes_no_owner_that_is_alive() {
    let known = Known { puts_back: true, ..ALIVE };
    let plan_of_alive = plan(Purpose::Count, Purpose::Keep, &known);
    assert_eq!((plan_of_alive.dropped.len(), plan_of_alive.writes.len()), (0, 0), "kept");
    let plan_of_refused = plan(Purpose::Refused, Purpose::Keep, &known);
    assert_eq!(taken_over_as(&plan_of_refused), Some(Purpose::Refused));
    let counted = plan(
        Purpose::Count,
        Purpose::Keep,
        &Known { state: OwnerState::GivenUp, counted: Counted::Yes, ..known },
    );
    assert_eq!((counted.dropped.len(), counted.writes.len()), (1, 0), "neither kept nor counted again");
}

#[test]
fn the_head_of_a_shard_is_looked_up_once_for_all_its_records() {
    let (_, stored) = claim_all(Vec::new(), &[record("1"), record("2")], &[(0, 10), (1, 20)]);
    let wanted_calls = [(0, 10), (1, 20)].map(|(call, number)| WantedCall {
        call,
        id: CallId::new("call", number),
        record: 0,
        purpose: Purpose::Count,
    });
    let slice = SliceKey { start_ms: 0, group: 0 };
    let claim = SliceClaim { slice, records: &[record("3")], wanted_calls: &wanted_calls, expires_at_ms: 1 };
    let known = Known { state: OwnerState::Unknown, counted: Counted::Unknown, puts_back: true };
    let lookups = claim.plan(stored, &known).lookups;
    assert_eq!((lookups.shards, lookups.rows.len()), (vec![record("1").shard], 0));
    assert!(!claim.plan(Vec::new(), &known).lookups.shards.contains(&record("1").shard));
}

/// Plans the claim of one more call in a slice with a page of this many calls, which is open. Returns the
/// numbers and lengths of the pages that are written.
fn pages_after_one_more(calls: usize) -> Vec<(u32, usize)> {
    let ids = (0..).take(calls).map(|time| CallId::new("other", time)).collect();
    let run = Run { owner: Owner { purpose: Purpose::Count, record: record("1") }, ids };
    let page = Page { is_closed: false, runs: vec![run] };
    let stored = vec![StoredPage { number: 0, version: 1, expires_at_ms: 1, page }];
    let wanted = WantedCall { call: 0, id: CallId::new("call", 1), record: 0, purpose: Purpose::Count };
    let slice = SliceKey { start_ms: 0, group: 0 };
    let claim = SliceClaim { slice, records: &[record("2")], wanted_calls: &[wanted], expires_at_ms: 1 };
    let plan = claim.plan(stored, &ALIVE);
    plan.writes.iter().map(|write| (write.number, write.page.encode().len())).collect()
}

#[test]
fn a_page_is_closed_before_it_is_longer_than_an_item_may_be() {
    let full = MAX_PAGE_BYTES / CallId::BYTES;
    let [(number, bytes)] = pages_after_one_more(full - 10)[..] else { panic!("one page is written") };
    assert!(number == 0 && bytes > MAX_PAGE_BYTES - 200, "{bytes}");
    let [(number, bytes)] = pages_after_one_more(full)[..] else { panic!("one page is written") };
    assert!(number == 1 && bytes < 200, "{bytes}");
}
