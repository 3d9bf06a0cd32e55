//! A run that sees the head of another run's transaction, and not its verdicts.
//!
//! DynamoDB isolates a transaction from a read of one item, and not from reads of several. Source:
//! DynamoDB Developer Guide, "Isolation levels for DynamoDB transactions".

use std::borrow::Cow;

use memory_ports::Store;
use metering_core::aggregate::{BatchUsage, CallFacts};
use metering_core::batch_run::{Batch, BatchRecord, BatchRun, Reply, Request, RequestToken, RunSettings};
use metering_core::call_id::CallId;
use metering_core::claims::layout::{ClaimLayout, LogStreamHash};
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::metered_key::CallBreakdown;
use metering_core::ports::QuarantinedRecord;
use metering_core::sequence_number::SequenceNumber;
use metering_core::window::{CallWindow, DAY_MS};

const CALL_MS: i64 = 1_795_509_270_000;
const SETTINGS: RunSettings = RunSettings { max_call_age_ms: 35 * DAY_MS };

fn name(number: &str) -> RecordName {
    RecordName {
        shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000"),
        sequence_number: SequenceNumber::parse(number).expect("a number"),
    }
}

/// A batch of one record with one call, as a version of the function judges it.
fn batch(number: &str, is_countable: bool, put_back_from: PutBackFrom) -> Batch {
    let layout: ClaimLayout = "0:10000:1".parse().expect("a layout");
    let RecordName { shard, sequence_number } = name(number);
    let mut usage = BatchUsage::new();
    usage.begin_record(sequence_number).expect("the first record");
    let breakdown = CallBreakdown::of_key("key", CallWindow::at(CALL_MS).expect("a time").day);
    usage.add_call(0, CallId::new("call", CALL_MS), breakdown, CallFacts::at(CALL_MS), is_countable);
    usage.end_record(&layout, LogStreamHash::default());
    let record = BatchRecord { arrived_at_ms: CALL_MS, is_readable: true, put_back_from };
    Batch { shard, usage, records: vec![record] }
}

fn carry_out(store: &mut Store, number: &str, request: &Request) -> Reply {
    if let Request::Keep(..) = request {
        store.keep(&QuarantinedRecord {
            record: name(number),
            arrived_at_ms: CALL_MS,
            put_back_from: PutBackFrom::default(),
            reason: Cow::Borrowed("too-old"),
            detail: String::new(),
            payload: Vec::new(),
        });
    }
    store.carry_out(request)
}

/// Continues a run to its end.
fn finish(run: &mut BatchRun<'_>, store: &mut Store, number: &str) {
    while let Some((token, request)) = run.next() {
        let reply = carry_out(store, number, &request);
        run.answer(token, reply);
    }
    assert!(run.is_done());
}

/// Continues a run until it writes verdicts.
fn until_verdicts(run: &mut BatchRun<'_>, store: &mut Store) -> (RequestToken, Request) {
    while let Some((token, request)) = run.next() {
        if matches!(request, Request::WriteHead(_)) {
            return (token, request);
        }
        let reply = store.carry_out(&request);
        run.answer(token, reply);
    }
    panic!("the run writes no verdict");
}

#[test]
fn a_call_that_one_run_quarantines_is_not_counted_by_a_run_that_sees_its_head_and_not_its_verdict() {
    let mut store = Store::default();
    let (strict, able) =
        (batch("10", false, PutBackFrom::default()), batch("10", true, PutBackFrom::default()));
    // The first run judges the call as too old. Its transaction is visible in part: the head, and
    // not the verdict.
    let mut first = BatchRun::new(&strict, SETTINGS);
    let (token, Request::WriteHead(write)) = until_verdicts(&mut first, &mut store) else { unreachable!() };
    let mut is_head = true;
    let written = store.write_torn(&write, || !std::mem::replace(&mut is_head, false));
    // A second run of the record, by a version that can count the call, reads meanwhile.
    let mut second = BatchRun::new(&able, SETTINGS);
    for _ in 0..2 {
        let (token, request) = second.next().expect("a read");
        let reply = store.carry_out(&request);
        second.answer(token, reply);
    }
    // The transaction ends, and both runs continue.
    store.show_torn(&name("10").shard);
    finish(&mut second, &mut store, "10");
    first.answer(token, written);
    finish(&mut first, &mut store, "10");
    let counted = store.total("key");
    assert_eq!((counted, store.keeps > 0), (0, true), "it is in quarantine, perhaps once for each run");
    // What is in quarantine is put back, both times.
    for number in ["20", "30"] {
        let put_back = batch(number, true, PutBackFrom::default().and(&name("10")));
        finish(&mut BatchRun::new(&put_back, SETTINGS), &mut store, number);
        assert_eq!(store.total("key"), 1);
    }
}
