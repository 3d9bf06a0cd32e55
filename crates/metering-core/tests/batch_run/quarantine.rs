//! The parts of records that go to quarantine.

use memory_ports::Store;
use metering_core::batch_run::{Batch, Reply, Request, RunTally};
use metering_core::metered_key::TOTALS_KEY_ID;
use metering_core::ports::WriteReply;
use metering_core::shard::{MAX_VERDICTS, QuarantinedPart};

use crate::common::{LATER_MS, NOW_MS, Record, batch, batch_of, record, run, run_with};

/// The parts of records that a run puts into quarantine, by the records' index in the batch.
type Kept = Vec<(usize, QuarantinedPart)>;

/// Runs a batch, and returns what it keeps as well.
fn run_and_keep(store: &mut Store, batch: &Batch) -> (Option<usize>, RunTally, Kept) {
    let mut kept = Vec::new();
    let (resume, tally) = run_with(batch, |request| {
        if let Request::Keep(record, part) = request {
            kept.push((record.position(), part.clone()));
        }
        store.carry_out(request)
    });
    (resume, tally, kept)
}

/// Judges a batch in the name of another version of the function, which claims nothing.
fn judge_only(store: &mut Store, records: &[Record]) {
    run_with(&batch_of(records), |request| match request {
        Request::ReadSlice(_) | Request::Keep(..) | Request::Apply(_) => Reply::Failed,
        request => store.carry_out(request),
    });
}

fn events(events: &[u32]) -> QuarantinedPart {
    QuarantinedPart::Events(events.to_vec())
}

#[test]
fn the_bad_events_of_a_record_are_kept_and_the_others_counted() {
    let mut store = Store::default();
    let records = [record(10, &[NOW_MS]).with_bad_call(NOW_MS + 1).with_call_of("key", NOW_MS + 2)];
    let (resume, tally, kept) = run_and_keep(&mut store, &batch_of(&records));
    assert_eq!((resume, kept), (None, vec![(0, events(&[1]))]));
    assert_eq!((tally.kept_records, tally.kept_events, tally.counted_calls), (1, 1, 2));
    assert_eq!((store.total("key"), store.total(TOTALS_KEY_ID)), (2, 2));
    // A record that has all of them, and can count all of them, takes over the kept one.
    let (_, tally, kept) = run_and_keep(&mut store, &batch(&[(11, &[NOW_MS, NOW_MS + 1, NOW_MS + 2])]));
    assert_eq!((tally.duplicate_calls, kept, store.total("key")), (2, vec![], 3));
}

#[test]
fn an_event_without_a_key_is_kept_and_the_next_record_counted() {
    let mut store = Store::default();
    let records = [record(10, &[]).with_unreadable_call(NOW_MS), record(11, &[NOW_MS + 1])];
    let (resume, tally, kept) = run_and_keep(&mut store, &batch_of(&records));
    assert_eq!((resume, kept, store.total("key")), (None, vec![(0, events(&[0]))], 1));
    assert_eq!(tally.unreadable_claims, 0);
}

#[test]
fn a_record_that_cannot_be_read_is_kept_as_a_whole() {
    let mut store = Store::default();
    let (resume, tally, kept) =
        run_and_keep(&mut store, &batch_of(&[record(10, &[]).unreadable(), record(11, &[NOW_MS])]));
    assert_eq!((resume, kept, store.total("key")), (None, vec![(0, QuarantinedPart::Whole)], 1));
    assert_eq!((tally.kept_records, tally.kept_events, tally.unreadable_claims), (1, 0, 0));
}

#[test]
fn a_record_is_not_counted_before_its_bad_part_is_kept() {
    let failing: [fn(&Request) -> bool; 2] =
        [|request| matches!(request, Request::Keep(..)), |request| matches!(request, Request::MarkKept(..))];
    for is_failing in failing {
        let mut store = Store::default();
        let records = batch_of(&[record(10, &[]), record(11, &[NOW_MS]).with_bad_call(NOW_MS + 1)]);
        let (resume, _) =
            run_with(
                &records,
                |request| {
                    if is_failing(request) { Reply::Failed } else { store.carry_out(request) }
                },
            );
        assert_eq!((resume, store.total("key")), (Some(1), 0));
        let (resume, _, kept) = run_and_keep(&mut store, &records);
        assert_eq!((resume, kept, store.total("key")), (None, vec![(1, events(&[1]))], 1));
    }
}

#[test]
fn a_retry_does_not_keep_again_what_is_in_quarantine() {
    let mut store = Store::default();
    let records = batch_of(&[record(10, &[NOW_MS]).with_bad_call(NOW_MS + 1)]);
    let (resume, tally) = run_with(&records, |request| match request {
        Request::Apply(_) => Reply::Failed,
        request => store.carry_out(request),
    });
    assert_eq!((resume, tally.kept_records), (Some(0), 1));
    let (resume, tally, kept) = run_and_keep(&mut store, &records);
    assert_eq!((resume, tally.kept_records, kept, store.total("key")), (None, 0, vec![], 1));
}

#[test]
fn a_bad_event_whose_call_is_counted_elsewhere_is_not_kept() {
    let mut store = Store::default();
    run(&mut store, &batch(&[(10, &[NOW_MS])]));
    let (resume, tally, kept) = run_and_keep(&mut store, &batch_of(&[record(11, &[]).with_bad_call(NOW_MS)]));
    assert_eq!((resume, kept, tally.kept_records, tally.duplicate_calls), (None, vec![], 0, 1));
}

#[test]
fn a_bad_record_behind_a_failed_one_waits_for_it() {
    let mut store = Store::default();
    let records = batch_of(&[record(10, &[LATER_MS]), record(11, &[NOW_MS]).with_bad_call(NOW_MS + 1)]);
    let mut kept = 0;
    let (resume, _) = run_with(&records, |request| match request {
        Request::ReadSlice(slice) if slice.start_ms == LATER_MS => Reply::Failed,
        Request::Keep(..) => {
            kept += 1;
            Reply::Done
        }
        request => store.carry_out(request),
    });
    assert_eq!((resume, kept), (Some(0), 0));
}

#[test]
fn a_part_that_another_run_has_enlarged_is_judged_again() {
    let mut store = Store::default();
    let mut conflicts = 0;
    let records = batch_of(&[record(10, &[NOW_MS]).with_bad_call(NOW_MS + 1)]);
    let (resume, tally) = run_with(&records, |request| match request {
        Request::MarkKept(..) if conflicts == 0 => {
            conflicts += 1;
            Reply::Write(WriteReply::Conflict)
        }
        request => store.carry_out(request),
    });
    assert_eq!((resume, tally.conflicts, store.total("key")), (None, 1, 1));
    let (resume, tally) =
        run_with(&batch_of(&[record(11, &[]).with_bad_call(LATER_MS)]), |request| match request {
            Request::MarkKept(..) => Reply::Write(WriteReply::Conflict),
            request => store.carry_out(request),
        });
    assert_eq!((resume, tally.conflicts), (Some(0), 30), "it is delivered again in the end");
}

#[test]
fn the_first_verdict_on_a_record_is_followed_by_every_version() {
    // Bad for the version that judged it, and good for this one.
    let mut store = Store::default();
    judge_only(&mut store, &[record(10, &[NOW_MS]).with_bad_call(NOW_MS + 1)]);
    let (resume, _, kept) = run_and_keep(&mut store, &batch(&[(10, &[NOW_MS, NOW_MS + 1])]));
    assert_eq!((resume, kept, store.total("key")), (None, vec![(0, events(&[1]))], 1));
    // The other way round.
    let mut store = Store::default();
    judge_only(&mut store, &[record(10, &[NOW_MS, NOW_MS + 1])]);
    let (resume, _, kept) =
        run_and_keep(&mut store, &batch_of(&[record(10, &[NOW_MS]).with_bad_call(NOW_MS + 1)]));
    assert_eq!((resume, kept, store.total("key")), (None, vec![], 2));
}

#[test]
fn a_record_that_only_another_version_can_read_waits_for_it() {
    for unreadable in [record(10, &[]).unreadable(), record(10, &[NOW_MS]).with_unreadable_call(NOW_MS + 1)] {
        let mut store = Store::default();
        judge_only(&mut store, &[record(10, &[NOW_MS, NOW_MS + 1]), record(11, &[LATER_MS])]);
        let records = batch_of(&[unreadable, record(11, &[LATER_MS])]);
        let (resume, tally) = run_with(&records, |request| {
            assert!(!matches!(request, Request::ReadSlice(_)), "nothing behind it is claimed");
            store.carry_out(request)
        });
        assert_eq!((resume, tally.unreadable_claims, store.total("key")), (Some(0), 1, 0));
        let (resume, _, kept) =
            run_and_keep(&mut store, &batch(&[(10, &[NOW_MS, NOW_MS + 1]), (11, &[LATER_MS])]));
        assert_eq!((resume, kept, store.total("key")), (None, vec![], 3));
        // What is committed needs no version that can read it.
        let (resume, tally, _) = run_and_keep(&mut store, &batch_of(&[record(10, &[]).unreadable()]));
        assert_eq!((resume, tally.unreadable_claims, tally.replayed_records), (None, 0, 1));
    }
}

/// A transaction has at most 100 items, one of which is the head.
#[test]
fn more_verdicts_than_a_transaction_has_items_are_written_in_several() {
    for (bad, writes) in [(MAX_VERDICTS, 2), (MAX_VERDICTS + 1, 3), (2 * MAX_VERDICTS + 1, 4)] {
        let mut store = Store::default();
        let times: Vec<i64> = (NOW_MS..).take(bad).collect();
        let mut records: Vec<Record> =
            (10..).zip(&times).map(|(digits, time)| record(digits, &[]).with_bad_call(*time)).collect();
        records.push(record(9_000, &[LATER_MS]));
        let mut kept = Vec::new();
        let (resume, tally) = run_with(&batch_of(&records), |request| {
            match request {
                Request::WriteHead(write) => {
                    assert!(write.verdicts.len() <= MAX_VERDICTS);
                    // Verdicts are in force only for records that the head shows as judged.
                    assert!(write.verdicts.iter().all(|(record, _)| write.head.has_judged(record)));
                }
                Request::Keep(record, part) => kept.push((record.position(), part.clone())),
                _ => {}
            }
            store.carry_out(request)
        });
        assert_eq!(kept, (0..bad).map(|place| (place, events(&[0]))).collect::<Vec<_>>());
        assert_eq!((resume, tally.head_writes, store.total("key")), (None, writes, 1), "{bad}");
    }
}
