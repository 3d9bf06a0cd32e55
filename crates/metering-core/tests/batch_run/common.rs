//! Batches, and the driver of their runs.

use memory_ports::Store;
use metering_core::aggregate::{BatchUsage, CallFacts, RecordIndex};
use metering_core::batch_run::{Batch, BatchRecord, BatchRun, Reply, Request, RunSettings, RunTally};
use metering_core::call_id::CallId;
use metering_core::claims::layout::LogStreamHash;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::metered_key::CallBreakdown;
use metering_core::sequence_number::SequenceNumber;
use metering_core::window::{CallWindow, DAY_MS};

/// 2026-11-24T08:34:30Z.
pub const NOW_MS: i64 = 1_795_509_270_000;
/// The time of a call that is claimed in another slice than a call at [`NOW_MS`].
pub const LATER_MS: i64 = NOW_MS + 10_000;
/// Maximum age of a call that is counted.
pub const MAX_CALL_AGE_MS: i64 = 35 * DAY_MS;
/// The shard of a batch that names no other.
pub const SHARD: &str = "1/r/usage/shard";
/// More requests than any run of these tests makes.
const MAX_REQUESTS: usize = 2_000;

/// The part of a call that this version of the function can use.
#[derive(Clone)]
enum Content {
    Good,
    /// The call has a key and a time, and is not counted.
    Bad,
    /// The key or the time of the call cannot be read.
    Unreadable,
}

/// A record of a batch.
#[derive(Clone)]
pub struct Record {
    digits: u32,
    calls: Vec<(i64, &'static str, Content)>,
    attributes: BatchRecord,
}

/// A record with a sequence number and calls of the key `key` at these times.
pub fn record(digits: u32, times: &[i64]) -> Record {
    let attributes =
        BatchRecord { arrived_at_ms: NOW_MS, is_readable: true, put_back_from: PutBackFrom::default() };
    let calls = times.iter().map(|time| (*time, "key", Content::Good)).collect();
    Record { digits, calls, attributes }
}

impl Record {
    pub fn with_call_of(mut self, key: &'static str, call_ms: i64) -> Self {
        self.calls.push((call_ms, key, Content::Good));
        self
    }

    pub fn with_bad_call(mut self, call_ms: i64) -> Self {
        self.calls.push((call_ms, "key", Content::Bad));
        self
    }

    pub fn with_unreadable_call(mut self, call_ms: i64) -> Self {
        self.calls.push((call_ms, "", Content::Unreadable));
        self
    }

    pub fn unreadable(mut self) -> Self {
        self.attributes.is_readable = false;
        self
    }

    pub fn arrived_at(mut self, arrived_at_ms: i64) -> Self {
        self.attributes.arrived_at_ms = arrived_at_ms;
        self
    }

    pub fn putting_back(mut self, owner: &RecordName) -> Self {
        self.attributes.put_back_from = self.attributes.put_back_from.and(owner);
        self
    }
}

pub fn number(digits: u32) -> SequenceNumber {
    SequenceNumber::parse(&digits.to_string()).unwrap()
}

/// The name of a record of [`SHARD`].
pub fn name(digits: u32) -> RecordName {
    RecordName { shard: ShardName::from_stored(SHARD), sequence_number: number(digits) }
}

/// Records of one shard, each with the times of its calls. All calls are of one key.
pub fn batch(records: &[(u32, &[i64])]) -> Batch {
    let records: Vec<Record> = records.iter().map(|(digits, times)| record(*digits, times)).collect();
    batch_of(&records)
}

pub fn batch_of(records: &[Record]) -> Batch {
    batch_in(SHARD, records)
}

pub fn batch_in(shard: &str, records: &[Record]) -> Batch {
    let mut usage = BatchUsage::new();
    for record in records {
        usage.begin_record(number(record.digits)).unwrap();
        for (event, (call_ms, key, content)) in (0..).zip(&record.calls) {
            let id = CallId::new("call", *call_ms);
            let breakdown = CallBreakdown::of_key(key, CallWindow::at(*call_ms).unwrap().day);
            match content {
                Content::Good => usage.add_call(event, id, breakdown, CallFacts::at(*call_ms), true),
                Content::Bad => usage.add_call(event, id, breakdown, CallFacts::at(*call_ms), false),
                Content::Unreadable => usage.add_unreadable(event, id, *call_ms),
            }
        }
        usage.end_record(&"0:10000:1".parse().unwrap(), LogStreamHash::default());
    }
    let records = records.iter().map(|record| record.attributes.clone()).collect();
    Batch { shard: ShardName::from_stored(shard), usage, records }
}

/// Runs a batch whose requests `answer` carries out. Returns the index of the record to resume from,
/// and the counts of the run.
pub fn run_with(batch: &Batch, mut answer: impl FnMut(&Request) -> Reply) -> (Option<usize>, RunTally) {
    let mut run = BatchRun::new(batch, RunSettings { max_call_age_ms: MAX_CALL_AGE_MS });
    let mut requests = 0;
    while let Some((token, request)) = run.next() {
        assert!(!run.is_done(), "a run that waits for a reply is not over");
        requests += 1;
        assert!(requests <= MAX_REQUESTS, "the run does not end");
        run.answer(token, answer(&request));
    }
    assert!(run.is_done());
    (run.outcome().lowest_failed().map(RecordIndex::position), run.tally())
}

pub fn run(store: &mut Store, batch: &Batch) -> (Option<usize>, RunTally) {
    run_with(batch, |request| store.carry_out(request))
}
