//! Rows that refuse their updates, and rows behind a gap.

use memory_ports::Store;
use metering_core::batch_run::{Reply, Request};
use metering_core::metered_key::TOTALS_KEY_ID;
use metering_core::shard::QuarantinedPart;
use metering_core::window::{CallWindow, DAY_MS};

use crate::common::{NOW_MS, batch, batch_of, record, run, run_with};

#[test]
fn the_calls_that_a_row_refuses_are_kept_and_the_others_counted() {
    let mut store = Store::default();
    store.refused_keys.insert("refused".to_owned());
    let records = [
        record(10, &[NOW_MS]).with_call_of("refused", NOW_MS + 1).with_bad_call(NOW_MS + 2),
        record(11, &[NOW_MS + 3]),
    ];
    let mut kept = Vec::new();
    let (resume, tally) = run_with(&batch_of(&records), |request| {
        if let Request::Keep(record, part) = request {
            kept.push((record.position(), part.clone()));
        }
        store.carry_out(request)
    });
    assert_eq!((resume, tally.refused_calls, tally.counted_calls), (None, 1, 2));
    assert_eq!(kept.last(), Some(&(0, QuarantinedPart::Events(vec![1, 2]))));
    assert_eq!((store.total("key"), store.total("refused"), store.total(TOTALS_KEY_ID)), (2, 0, 2));
}

#[test]
fn a_row_that_refuses_an_update_keeps_what_it_counted_before() {
    let mut store = Store::default();
    // Counted, and not committed.
    let mut heads_written = 0;
    run_with(&batch(&[(10, &[NOW_MS])]), |request| {
        heads_written += i32::from(matches!(request, Request::WriteHead(_)));
        if heads_written == 2 { Reply::Failed } else { store.carry_out(request) }
    });
    store.refused_keys.insert("key".to_owned());
    let (resume, tally) = run(&mut store, &batch(&[(10, &[NOW_MS]), (11, &[NOW_MS + 1])]));
    assert_eq!((resume, tally.refused_calls, tally.kept_events, store.total("key")), (None, 1, 1, 1));
}

/// The reconciler finds the difference.
#[test]
fn a_batch_is_committed_even_if_its_totals_are_refused() {
    let mut store = Store::default();
    store.refused_keys.insert(TOTALS_KEY_ID.to_owned());
    let (resume, tally) = run(&mut store, &batch(&[(10, &[NOW_MS])]));
    assert_eq!((resume, tally.refused_calls, tally.head_writes, store.total("key")), (None, 0, 2, 1));
}

/// The day after the day of a time begins at this time.
fn next_day_ms(time_ms: i64) -> i64 {
    CallWindow::at(time_ms).unwrap().day.start_ms() + DAY_MS
}

/// Has the record 10 given up before the record 11, which arrives at `closed_at_ms`. Returns the gaps
/// that an update by the record 12 of a call at `call_ms` names.
fn gaps_of_update(closed_at_ms: i64, call_ms: i64) -> Vec<u32> {
    let mut store = Store::default();
    run_with(&batch_of(&[record(10, &[closed_at_ms])]), |request| match request {
        Request::ReadSlice(_) => Reply::Failed,
        request => store.carry_out(request),
    });
    run(&mut store, &batch_of(&[record(11, &[]).arrived_at(closed_at_ms)]));
    let mut gaps = None;
    run_with(&batch_of(&[record(12, &[call_ms]).arrived_at(call_ms)]), |request| {
        if let Request::Apply(update) = request {
            gaps = Some(update.gaps.clone());
        }
        store.carry_out(request)
    });
    gaps.unwrap()
}

/// A producer's clock may lead by an hour, so the given-up records may have calls of a day that had
/// not begun.
#[test]
fn a_row_notes_the_gaps_before_it_that_may_have_calls_of_its_day() {
    let midnight_ms = next_day_ms(NOW_MS);
    assert_eq!(gaps_of_update(NOW_MS, NOW_MS), [0]);
    assert_eq!(gaps_of_update(midnight_ms - 1_800_000, midnight_ms), [0]);
    assert_eq!(gaps_of_update(midnight_ms - 3_600_001, midnight_ms), [0; 0]);
}
