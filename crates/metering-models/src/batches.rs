//! The calls of the models, the records that contain them, and batches of these.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use metering_core::aggregate::{BatchUsage, CallFacts};
use metering_core::batch_run::{Batch, BatchRecord};
use metering_core::call_id::CallId;
use metering_core::claims::layout::{ClaimLayout, LogStreamHash, SliceKey};
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::metered_key::CallBreakdown;
use metering_core::sequence_number::SequenceNumber;
use metering_core::window::{CallWindow, DAY_MS, HOUR_MS};

/// A call. Each has a counter of its own in the ledger, because no other has its key and its hour.
#[derive(Debug)]
pub struct Call {
    pub key: &'static str,
    pub requested_at_ms: i64,
}

/// Start of the day of all calls. It is also the start of a slice.
const DAY_START_MS: i64 = 20_000 * DAY_MS;
/// Time at which all records arrive.
pub const ARRIVED_AT_MS: i64 = DAY_START_MS + 3 * HOUR_MS;

const fn call(key: &'static str, minute: i64) -> Call {
    Call { key, requested_at_ms: DAY_START_MS + minute * 60_000 }
}

/// The calls of the models. The first three are in one slice, which begins 50 minutes after midnight
/// and ends 50 minutes later; the last one is in the next slice.
pub const CALLS: [Call; 4] = [call("a", 55), call("a", 65), call("b", 55), call("b", 110)];

/// The index of a call in [`CALLS`].
pub type CallNumber = u8;

/// The call that the versions of the function judge differently.
pub const DOUBTFUL: CallNumber = 0;

impl Call {
    /// Returns the identity of the call.
    pub fn id(&self) -> CallId {
        CallId::new(self.key, self.requested_at_ms)
    }

    /// Returns the day and the hour of the call.
    pub fn window(&self) -> CallWindow {
        CallWindow::at(self.requested_at_ms).unwrap()
    }

    /// Returns the slice in which the call is claimed.
    pub fn slice(&self) -> SliceKey {
        layout().slice_of(self.requested_at_ms, LogStreamHash::default())
    }
}

/// Slices of 50 minutes, so that one slice has calls of two hours.
fn layout() -> &'static ClaimLayout {
    static LAYOUT: OnceLock<ClaimLayout> = OnceLock::new();
    LAYOUT.get_or_init(|| "0:3000000:1".parse().unwrap())
}

/// A version of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Reads and counts every call.
    Able,
    /// Judges the doubtful call to be bad, but knows its key and hour.
    Strict,
    /// Cannot read the doubtful call.
    Blind,
    /// Cannot read any record.
    Unable,
}

/// A record of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    pub number: u32,
    pub calls: Vec<CallNumber>,
    /// The records whose calls it puts back.
    pub put_back_from: PutBackFrom,
}

impl Record {
    pub fn sequence_number(&self) -> SequenceNumber {
        SequenceNumber::parse(&self.number.to_string()).unwrap()
    }

    /// Returns the name of the record, given the index of its shard.
    pub fn name(&self, shard: usize) -> RecordName {
        RecordName { shard: shard_name(shard), sequence_number: self.sequence_number() }
    }
}

pub fn shard_name(shard: usize) -> ShardName {
    ShardName::from_stored(&format!("1/r/usage/{shard}"))
}

/// The records of a shard that one invocation gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delivery {
    pub shard: usize,
    pub records: Vec<Record>,
    pub version: Version,
}

impl Delivery {
    /// Returns the batch, as this version of the function decodes it. Each batch is decoded once,
    /// and never freed: a run refers to its batch.
    pub fn batch(&self) -> &'static Batch {
        static BATCHES: OnceLock<Mutex<HashMap<Delivery, &'static Batch>>> = OnceLock::new();
        let batches = BATCHES.get_or_init(Mutex::default);
        let mut batches = batches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = batches.get(self) {
            return batch;
        }
        let batch = Box::leak(Box::new(self.decode()));
        batches.insert(self.clone(), batch);
        batch
    }

    fn decode(&self) -> Batch {
        let is_readable = self.version != Version::Unable;
        let mut usage = BatchUsage::new();
        let mut records = Vec::new();
        for record in &self.records {
            usage.begin_record(record.sequence_number()).unwrap();
            if is_readable {
                (0..).zip(&record.calls).for_each(|(event, call)| self.add_call(&mut usage, event, *call));
                usage.end_record(layout(), LogStreamHash::default());
            }
            let put_back_from = record.put_back_from.clone();
            records.push(BatchRecord { arrived_at_ms: ARRIVED_AT_MS, is_readable, put_back_from });
        }
        Batch { shard: shard_name(self.shard), usage, records }
    }

    fn add_call(&self, usage: &mut BatchUsage, event: u32, number: CallNumber) {
        let call = &CALLS[usize::from(number)];
        let at_ms = call.requested_at_ms;
        if number == DOUBTFUL && self.version == Version::Blind {
            usage.add_unreadable(event, call.id(), at_ms);
        } else {
            let is_countable = number != DOUBTFUL || self.version == Version::Able;
            let breakdown = CallBreakdown::of_key(call.key, call.window().day);
            usage.add_call(event, call.id(), breakdown, CallFacts::at(at_ms), is_countable);
        }
    }
}
