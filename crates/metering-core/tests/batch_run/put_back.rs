//! Records that put back the calls of given-up records.

use memory_ports::Store;
use metering_core::batch_run::{Batch, Reply, Request, RunTally};

use crate::common::{LATER_MS, NOW_MS, SHARD, batch, batch_in, batch_of, name, record, run, run_with};

/// A shard that puts back records of [`SHARD`].
const OTHER_SHARD: &str = "1/r/usage/other";

/// Claims the calls of a record that is not counted, and gives it up.
fn give_up_claimed(store: &mut Store, digits: u32, times: &[i64]) {
    run_with(&batch(&[(digits, times)]), |request| match request {
        Request::Apply(_) => Reply::Failed,
        request => store.carry_out(request),
    });
    run(store, &batch(&[(digits + 1, &[])]));
}

/// Counts the calls of a record whose commit gets no reply, and gives it up.
fn give_up_counted(store: &mut Store, digits: u32, times: &[i64]) {
    let mut heads_written = 0;
    run_with(&batch(&[(digits, times)]), |request| {
        heads_written += i32::from(matches!(request, Request::WriteHead(_)));
        if heads_written == 2 { Reply::Failed } else { store.carry_out(request) }
    });
    run(store, &batch(&[(digits + 1, &[])]));
}

/// Runs a batch, and returns the numbers of its reads of slices, of heads and of its requests to rows.
fn run_and_watch(store: &mut Store, batch: &Batch) -> (Option<usize>, RunTally, [usize; 3]) {
    let mut reads = [0; 3];
    let (resume, tally) = run_with(batch, |request| {
        match request {
            Request::ReadSlice(_) => reads[0] += 1,
            Request::ReadHead(_) => reads[1] += 1,
            Request::Release(_) => reads[2] += 1,
            _ => {}
        }
        store.carry_out(request)
    });
    (resume, tally, reads)
}

#[test]
fn a_given_up_call_that_is_not_counted_is_counted_by_the_record_that_puts_it_back() {
    for shard in [SHARD, OTHER_SHARD] {
        let mut store = Store::default();
        give_up_claimed(&mut store, 10, &[NOW_MS]);
        let put_back = batch_in(shard, &[record(12, &[NOW_MS]).putting_back(&name(10))]);
        let (resume, tally, _) = run_and_watch(&mut store, &put_back);
        assert_eq!((resume, tally.duplicate_calls, store.total("key")), (None, 0, 1), "{shard}");
    }
}

#[test]
fn a_given_up_call_that_is_counted_is_not_counted_again() {
    for shard in [SHARD, OTHER_SHARD] {
        let mut store = Store::default();
        give_up_counted(&mut store, 10, &[NOW_MS]);
        assert_eq!(store.total("key"), 1);
        let put_back = batch_in(shard, &[record(12, &[NOW_MS]).putting_back(&name(10))]);
        let (resume, tally, _) = run_and_watch(&mut store, &put_back);
        assert_eq!((resume, tally.duplicate_calls, store.total("key")), (None, 1, 1), "{shard}");
    }
}

#[test]
fn a_call_moves_to_no_record_that_does_not_name_its_owner() {
    let mut store = Store::default();
    give_up_claimed(&mut store, 10, &[NOW_MS]);
    for record in [record(12, &[NOW_MS]), record(13, &[NOW_MS]).putting_back(&name(11))] {
        let (resume, tally, reads) = run_and_watch(&mut store, &batch_of(&[record]));
        assert_eq!((resume, tally.duplicate_calls, store.total("key")), (None, 1, 0));
        assert_eq!(reads, [1, 1, 0], "its row is not asked");
    }
}

#[test]
fn a_call_of_a_committed_record_does_not_move() {
    for shard in [SHARD, OTHER_SHARD] {
        let mut store = Store::default();
        run(&mut store, &batch(&[(10, &[NOW_MS])]));
        let put_back = batch_in(shard, &[record(12, &[NOW_MS]).putting_back(&name(10))]);
        let (resume, tally, reads) = run_and_watch(&mut store, &put_back);
        assert_eq!((resume, tally.duplicate_calls, store.total("key")), (None, 1, 1));
        assert_eq!(reads[2], 0, "the row of a call is asked only for a given-up owner");
    }
}

#[test]
fn a_slice_is_read_again_once_all_its_lookups_are_done() {
    let mut store = Store::default();
    give_up_claimed(&mut store, 10, &[NOW_MS, NOW_MS + 1]);
    let put_back = batch_in(OTHER_SHARD, &[record(12, &[NOW_MS, NOW_MS + 1]).putting_back(&name(10))]);
    let (resume, _, reads) = run_and_watch(&mut store, &put_back);
    assert_eq!((resume, store.total("key")), (None, 2));
    assert_eq!(reads, [3, 2, 2], "at first, after the head of the owner, and after the rows of both calls");
}

#[test]
fn a_slice_waits_for_the_heads_of_all_owners() {
    let mut store = Store::default();
    let in_third = |records: &[_]| batch_in("1/r/usage/third", records);
    give_up_claimed(&mut store, 10, &[NOW_MS]);
    run_with(&in_third(&[record(20, &[NOW_MS + 1])]), |request| match request {
        Request::Apply(_) => Reply::Failed,
        request => store.carry_out(request),
    });
    run(&mut store, &in_third(&[record(21, &[])]));
    let mut owner = name(20);
    owner.shard = in_third(&[]).shard;
    let put_back = record(12, &[NOW_MS, NOW_MS + 1]).putting_back(&name(10)).putting_back(&owner);
    let (resume, _, reads) = run_and_watch(&mut store, &batch_in(OTHER_SHARD, &[put_back]));
    assert_eq!((resume, store.total("key"), reads), (None, 2, [3, 3, 2]));
}

#[test]
fn a_record_whose_lookup_fails_is_delivered_again_and_counts_nothing() {
    let failing: [fn(&Request) -> bool; 2] = [
        |request| matches!(request, Request::ReadHead(shard) if shard.as_str() == SHARD),
        |request| matches!(request, Request::Release(_)),
    ];
    for is_failing in failing {
        let mut store = Store::default();
        give_up_counted(&mut store, 10, &[NOW_MS, NOW_MS + 1]);
        let calls = record(12, &[NOW_MS, NOW_MS + 1]).putting_back(&name(10));
        let put_back = batch_in(OTHER_SHARD, &[record(9, &[]), calls]);
        let (mut failed, mut reads_after) = (false, 0);
        let (resume, _) = run_with(&put_back, |request| {
            if !failed && is_failing(request) {
                failed = true;
                return Reply::Failed;
            }
            reads_after += usize::from(failed && matches!(request, Request::ReadSlice(_)));
            store.carry_out(request)
        });
        assert_eq!((resume, reads_after, store.total("key")), (Some(1), 0, 2));
        assert_eq!(run(&mut store, &put_back).0, None);
        assert_eq!(store.total("key"), 2);
    }
}

#[test]
fn a_put_back_call_that_cannot_be_read_is_kept_without_asking_a_row() {
    let mut store = Store::default();
    give_up_claimed(&mut store, 10, &[NOW_MS]);
    let put_back = record(12, &[]).with_unreadable_call(NOW_MS).putting_back(&name(10));
    let (resume, tally, reads) = run_and_watch(&mut store, &batch_of(&[put_back]));
    assert_eq!((resume, tally.kept_events, reads), (None, 1, [1, 1, 0]));
}

#[test]
fn a_row_is_asked_with_the_gaps_before_that_of_the_owner() {
    let mut store = Store::default();
    give_up_claimed(&mut store, 10, &[NOW_MS]);
    give_up_claimed(&mut store, 20, &[LATER_MS]);
    let put_back = record(30, &[NOW_MS, LATER_MS]).putting_back(&name(10)).putting_back(&name(20));
    let mut asked = Vec::new();
    run_with(&batch_of(&[put_back]), |request| {
        if let Request::Release(release) = request {
            asked.push((release.gap.number, release.earlier_gaps.clone()));
        }
        store.carry_out(request)
    });
    asked.sort();
    assert_eq!(asked, [(0, vec![]), (1, vec![0])]);
    assert_eq!(store.total("key"), 2);
}
