//! Concurrent writes of the head and of pages of claims.

use memory_ports::Store;
use metering_core::batch_run::{Reply, Request};
use metering_core::ports::WriteReply;

use crate::common::{NOW_MS, batch, name, number, run, run_with};

/// Maximum number of conflicts after which a run writes again.
const MAX_CONFLICTS: u64 = 30;

/// Runs a batch of one call. The requests that `picks` picks conflict, those with these indices among
/// them. Returns the record to resume from, the conflicts that the run reports and the picked requests.
fn run_with_conflicts(
    store: &mut Store,
    picks: fn(&Request) -> bool,
    conflicting: impl Fn(u64) -> bool,
) -> (Option<usize>, u64, u64) {
    let mut picked = 0;
    let (resume, tally) = run_with(&batch(&[(10, &[NOW_MS])]), |request| {
        if picks(request) {
            picked += 1;
            if conflicting(picked - 1) {
                return Reply::Write(WriteReply::Conflict);
            }
        }
        store.carry_out(request)
    });
    (resume, tally.conflicts, picked)
}

fn writes_head(request: &Request) -> bool {
    matches!(request, Request::WriteHead(_))
}

fn writes_page(request: &Request) -> bool {
    matches!(request, Request::WritePage(_))
}

#[test]
fn a_head_that_another_run_writes_meanwhile_is_judged_again() {
    let mut store = Store::default();
    let result = run_with_conflicts(&mut store, writes_head, |place| place == 0);
    assert_eq!((result, store.total("key")), ((None, 1, 3), 1));
}

#[test]
fn a_batch_whose_head_always_changes_is_delivered_again() {
    let mut store = Store::default();
    let result = run_with_conflicts(&mut store, writes_head, |_| true);
    assert_eq!((result, store.total("key")), ((Some(0), MAX_CONFLICTS, MAX_CONFLICTS + 1), 0));
}

#[test]
fn a_commit_that_meets_another_write_is_repeated() {
    let mut store = Store::default();
    let result = run_with_conflicts(&mut store, writes_head, |place| place == 1);
    assert_eq!((result, store.total("key")), ((None, 1, 3), 1));
    assert_eq!(store.head(&name(10).shard).unwrap().committed, Some(number(10)));
}

#[test]
fn a_batch_that_cannot_be_committed_is_delivered_again_although_it_is_counted() {
    let mut store = Store::default();
    let result = run_with_conflicts(&mut store, writes_head, |place| place > 0);
    assert_eq!((result, store.total("key")), ((Some(0), MAX_CONFLICTS, MAX_CONFLICTS + 2), 1));
    assert_eq!(run(&mut store, &batch(&[(10, &[NOW_MS])])).0, None);
    assert_eq!(store.total("key"), 1);
}

#[test]
fn a_page_that_another_run_writes_meanwhile_is_claimed_again() {
    let mut store = Store::default();
    let result = run_with_conflicts(&mut store, writes_page, |place| place == 0);
    assert_eq!((result, store.total("key")), ((None, 1, 2), 1));
}

#[test]
fn a_record_whose_page_always_changes_is_delivered_again() {
    let mut store = Store::default();
    let result = run_with_conflicts(&mut store, writes_page, |_| true);
    assert_eq!((result, store.total("key")), ((Some(0), MAX_CONFLICTS, MAX_CONFLICTS + 1), 0));
}

/// Picks the requests that fail, and the calls that are counted all the same.
type Failing = (fn(&Request) -> bool, u64);

#[test]
fn a_batch_whose_head_or_verdicts_are_not_known_is_delivered_again() {
    // The batch is judged already, so its head is written to commit what is counted.
    let failing: [Failing; 3] = [
        (|request| matches!(request, Request::ReadHead(_)), 0),
        (|request| matches!(request, Request::ReadVerdicts(..)), 0),
        (writes_head, 1),
    ];
    for (is_failing, counted) in failing {
        let (mut store, records) = (Store::default(), batch(&[(10, &[NOW_MS])]));
        // Judged before, so that its verdicts are read.
        run_with(&records, |request| match request {
            Request::ReadSlice(_) => Reply::Failed,
            request => store.carry_out(request),
        });
        let (resume, _) =
            run_with(
                &records,
                |request| {
                    if is_failing(request) { Reply::Failed } else { store.carry_out(request) }
                },
            );
        assert_eq!((resume, store.total("key")), (Some(0), counted));
        assert!(store.head(&name(10).shard).unwrap().committed.is_none());
        assert_eq!(run(&mut store, &records).0, None);
        assert_eq!(store.total("key"), 1);
    }
}

#[test]
fn a_batch_whose_head_cannot_be_read_again_to_commit_is_delivered_again() {
    let (mut store, mut heads_read) = (Store::default(), 0);
    let mut heads_written = 0;
    let (resume, _) = run_with(&batch(&[(10, &[NOW_MS])]), |request| match request {
        Request::ReadHead(_) => {
            heads_read += 1;
            if heads_read == 2 { Reply::Failed } else { store.carry_out(request) }
        }
        Request::WriteHead(_) => {
            heads_written += 1;
            if heads_written == 2 { Reply::Write(WriteReply::Conflict) } else { store.carry_out(request) }
        }
        request => store.carry_out(request),
    });
    assert_eq!((resume, heads_read, store.total("key")), (Some(0), 2, 1));
}
