//! The run of a batch on ports in memory: the calls that it claims, quarantines and counts, and the
//! records to be delivered again when a request fails.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;
mod conflicts;
mod put_back;
mod quarantine;
mod refused;

use common::{LATER_MS, MAX_CALL_AGE_MS, NOW_MS, batch, number, run, run_with};
use memory_ports::Store;
use metering_core::aggregate::BatchUsage;
use metering_core::assessment::MAX_CLOCK_LEAD_MS;
use metering_core::batch_run::{Batch, BatchRecord, BatchRun, Reply, Request, RunSettings};
use metering_core::call_id::CallId;
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::{Owner, Purpose, PutBackFrom, RecordName, ShardName};
use metering_core::claims::page::{Page, Run};
use metering_core::claims::slice_claim::{MAX_SLICE_CALLS, PageWrite};
use metering_core::metered_key::TOTALS_KEY_ID;
use metering_core::ports::LedgerReply;
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{ArrivedRecord, HeadWrite};
use metering_core::window::DAY_MS;

/// Runs a batch in which the requests that `is_failing` picks fail. Returns the index of the record
/// to resume from.
fn run_without(store: &mut Store, batch: &Batch, is_failing: fn(&Request) -> bool) -> Option<usize> {
    let answer =
        |request: &Request| if is_failing(request) { Reply::Failed } else { store.carry_out(request) };
    run_with(batch, answer).0
}

#[test]
fn a_call_is_counted_by_the_record_that_claimed_it_first_and_by_no_other() {
    let mut store = Store::default();
    run(&mut store, &batch(&[(10, &[NOW_MS, NOW_MS + 1])]));
    let (resume, tally) = run(&mut store, &batch(&[(11, &[NOW_MS + 1, NOW_MS + 2])]));
    assert_eq!((resume, tally.duplicate_calls, store.total("key")), (None, 1, 3));
}

/// Claims this number of calls in the slice of [`NOW_MS`].
fn fill_slice(store: &mut Store, calls: usize) {
    let record = RecordName { shard: ShardName::from_stored("1/r/usage/other"), sequence_number: number(1) };
    let ids = (0..).take(calls).map(|time| CallId::new("other", time)).collect();
    let run = Run { owner: Owner { purpose: Purpose::Count, record }, ids };
    let write = PageWrite {
        slice: SliceKey { start_ms: NOW_MS, group: 0 },
        number: 0,
        expected_version: None,
        expires_at_ms: i64::MAX,
        page: Page { is_closed: true, runs: vec![run] },
    };
    store.carry_out(&Request::WritePage(write));
}

#[test]
fn a_call_without_room_in_its_slice_goes_to_quarantine_and_the_others_are_counted() {
    let mut store = Store::default();
    fill_slice(&mut store, MAX_SLICE_CALLS - 1);
    let records = batch(&[(10, &[NOW_MS, NOW_MS + 1, LATER_MS]), (11, &[NOW_MS])]);
    let (resume, tally) = run(&mut store, &records);
    assert_eq!((resume, tally.refused_calls, tally.kept_events, store.total("key")), (None, 1, 1, 2));
    // The next record finds no room either, and keeps neither a call of its own nor one that has an owner.
    let (resume, tally) = run(&mut store, &batch(&[(12, &[NOW_MS + 1, LATER_MS])]));
    assert_eq!((resume, tally.refused_calls, tally.duplicate_calls, store.total("key")), (None, 1, 1, 2));
}

#[test]
fn a_record_whose_claims_fail_is_counted_when_it_is_delivered_again() {
    let claims: [fn(&Request) -> bool; 2] = [
        |request| matches!(request, Request::ReadSlice(_)),
        |request| matches!(request, Request::WritePage(_)),
    ];
    for is_failing in claims {
        let (mut store, records) = (Store::default(), batch(&[(10, &[NOW_MS])]));
        assert_eq!(run_without(&mut store, &records, is_failing), Some(0));
        assert_eq!(store.total("key"), 0, "the owner of the call is unknown");
        assert_eq!(run(&mut store, &records).0, None);
        assert_eq!(store.total("key"), 1);
    }
}

#[test]
fn records_behind_a_failed_one_wait_for_it() {
    let mut store = Store::default();
    let records = batch(&[(10, &[NOW_MS]), (11, &[LATER_MS]), (12, &[NOW_MS + 1])]);
    let is_failing =
        |request: &Request| matches!(request, Request::ReadSlice(slice) if slice.start_ms == LATER_MS);
    assert_eq!(run_without(&mut store, &records, is_failing), Some(1));
    assert_eq!(store.total("key"), 1);
    assert_eq!(run(&mut store, &batch(&[(11, &[LATER_MS]), (12, &[NOW_MS + 1])])).0, None);
    assert_eq!(store.total("key"), 3);
}

#[test]
fn a_record_whose_row_does_not_answer_is_delivered_again_with_all_behind_it() {
    let (mut store, records) = (Store::default(), batch(&[(10, &[]), (11, &[NOW_MS]), (12, &[NOW_MS + 1])]));
    let resume = run_without(&mut store, &records, |request| matches!(request, Request::Apply(_)));
    assert_eq!((resume, store.total("key")), (Some(1), 0));
    assert_eq!(run(&mut store, &records).0, None);
    assert_eq!(store.total("key"), 2);
}

#[test]
fn a_record_that_was_counted_without_a_reply_and_the_next_one_count_once_together() {
    let mut store = Store::default();
    let (resume, _) = run_with(&batch(&[(10, &[NOW_MS])]), |request| {
        let reply = store.carry_out(request);
        if matches!(request, Request::Apply(_)) { Reply::Failed } else { reply }
    });
    assert_eq!((resume, store.total("key")), (Some(0), 1), "the reply was lost");
    let (resume, tally) = run(&mut store, &batch(&[(10, &[NOW_MS]), (11, &[NOW_MS + 1])]));
    assert_eq!((resume, tally.fenced_updates, store.total("key")), (None, 1, 2));
}

/// A row has one writer. Even if it answers as if it had another, nothing is lost.
#[test]
fn a_row_that_never_takes_an_update_has_its_records_delivered_again() {
    let times: Vec<i64> = (0..20).map(|call| NOW_MS + call).collect();
    let records: Vec<(u32, &[i64])> = (10..).zip(times.chunks(1)).collect();
    let marks: [fn(SequenceNumber) -> SequenceNumber; 2] = [|first| first, |first| first.predecessor()];
    for (mark, tries) in marks.into_iter().zip([6, 1]) {
        let mut store = Store::default();
        let (resume, tally) = run_with(&batch(&records), |request| match request {
            Request::Apply(update) if &*update.row.key().api_key_id == "key" => {
                Reply::Ledger(LedgerReply::Fenced(mark(update.first.clone())))
            }
            request => store.carry_out(request),
        });
        assert_eq!((resume, tally.fenced_updates, tally.counted_calls), (Some(tries - 1), tries as u64, 0));
    }
}

/// Such a record is recognised by its verdict.
#[test]
fn no_call_of_a_given_up_record_is_claimed_when_it_is_read_again() {
    let (mut store, given_up) = (Store::default(), batch(&[(10, &[NOW_MS])]));
    run_without(&mut store, &given_up, |request| matches!(request, Request::ReadSlice(_)));
    run(&mut store, &batch(&[(11, &[LATER_MS])]));
    let (resume, tally) = run_with(&given_up, |request| {
        assert!(!matches!(request, Request::ReadSlice(_) | Request::WritePage(_)), "{request:?}");
        store.carry_out(request)
    });
    assert_eq!((resume, tally.given_up_records, tally.kept_records, store.total("key")), (None, 1, 1, 1));
}

/// Until then another record can contain the same call.
#[test]
fn a_claim_is_kept_as_long_as_its_call_can_be_counted() {
    let mut store = Store::default();
    let mut writes = 0;
    run_with(&batch(&[(10, &[NOW_MS]), (11, &[LATER_MS])]), |request| {
        let expires_at_ms = match request {
            Request::WritePage(write) => write.expires_at_ms,
            Request::WriteHead(write) => write.expires_at_ms,
            _ => return store.carry_out(request),
        };
        // A clock may lead by an hour, and a record may be retried for seven days.
        let retention_ms = MAX_CALL_AGE_MS + MAX_CLOCK_LEAD_MS + 7 * DAY_MS;
        assert_eq!(expires_at_ms, NOW_MS + retention_ms, "{request:?}");
        writes += 1;
        store.carry_out(request)
    });
    assert_eq!(writes, 4, "a page for each slice, and the head as it is judged and committed");
}

#[test]
fn verdicts_of_a_gap_that_the_head_does_not_show_are_read_again_with_the_head() {
    let (mut store, records) = (Store::default(), batch(&[(10, &[NOW_MS]), (11, &[NOW_MS + 1])]));
    run_without(&mut store, &records, |request| matches!(request, Request::Apply(_)));
    let mut late = BatchRun::new(&records, RunSettings { max_call_age_ms: MAX_CALL_AGE_MS });
    let (token, request) = late.next().unwrap();
    late.answer(token, store.carry_out(&request));

    // Both records are given up, and another invocation puts the first of them into quarantine.
    let head = store.head(&records.shard).unwrap();
    let last = ArrivedRecord { sequence_number: number(11), arrived_at_ms: NOW_MS };
    let gap = HeadWrite::giving_up(&records.shard, head, &number(10), &last).unwrap();
    store.carry_out(&Request::WriteHead(gap));
    run(&mut store, &batch(&[(10, &[NOW_MS])]));

    while let Some((token, request)) = late.next() {
        late.answer(token, store.carry_out(&request));
    }
    assert_eq!(store.total("key"), 0, "the row would seem to count the record 10 as well");
    assert_eq!(late.tally().given_up_records, 2);
}

#[test]
fn a_run_reports_what_it_wrote() {
    let mut store = Store::default();
    let (resume, tally) = run(&mut store, &batch(&[(10, &[NOW_MS, LATER_MS]), (11, &[NOW_MS + 1])]));
    assert_eq!((resume, tally.counted_calls, store.total("key")), (None, 3, 3));
    assert_eq!((tally.page_writes, tally.conflicts), (2, 0), "a page for each slice");
    assert_eq!(tally.ledger_writes, 2, "the row of the key, and the row of totals");
    assert_eq!(tally.head_writes, 2, "judged, and committed");
}

#[test]
fn totals_have_the_calls_that_are_counted_by_key_and_no_others() {
    let mut store = Store::default();
    run(&mut store, &batch(&[(10, &[NOW_MS, LATER_MS])]));
    let is_failing =
        |request: &Request| matches!(request, Request::ReadSlice(slice) if slice.start_ms == LATER_MS);
    let records = batch(&[(11, &[NOW_MS, NOW_MS + 1]), (12, &[LATER_MS + 1])]);
    assert_eq!(run_without(&mut store, &records, is_failing), Some(1));
    assert_eq!((store.total("key"), store.total(TOTALS_KEY_ID)), (3, 3), "one twice, one behind a failure");
}

#[test]
fn a_committed_record_is_not_processed_again() {
    let mut store = Store::default();
    run(&mut store, &batch(&[(10, &[NOW_MS])]));
    let (resume, tally) = run_with(&batch(&[(10, &[NOW_MS])]), |request| {
        assert!(matches!(request, Request::ReadHead(_) | Request::ReadVerdicts(..)), "{request:?}");
        store.carry_out(request)
    });
    assert_eq!((resume, tally.replayed_records), (None, 1));
    let (resume, tally) = run_with(&batch(&[(10, &[LATER_MS]), (11, &[NOW_MS + 1])]), |request| {
        let is_of_replay = matches!(request, Request::ReadSlice(slice) if slice.start_ms == LATER_MS);
        assert!(!is_of_replay, "nothing is claimed for the committed record");
        store.carry_out(request)
    });
    assert_eq!((resume, tally.replayed_records, store.total("key")), (None, 1, 2));
}

#[test]
fn more_verdicts_than_fit_a_transaction_are_written_one_after_the_other() {
    let mut store = Store::default();
    let mut usage = BatchUsage::new();
    for digits in 1..=100 {
        usage.begin_record(number(digits)).unwrap();
    }
    let record =
        BatchRecord { arrived_at_ms: NOW_MS, is_readable: false, put_back_from: PutBackFrom::default() };
    let batch = Batch { shard: ShardName::from_stored("1/r/usage/shard"), usage, records: vec![record; 100] };
    let mut written = Vec::new();
    let (resume, tally) = run_with(&batch, |request| {
        if let Request::WriteHead(write) = request {
            written.push(write.verdicts.len());
        }
        store.carry_out(request)
    });
    assert_eq!((resume, tally.kept_records, written), (None, 100, vec![99, 1, 0]), "the last is the commit");
}
