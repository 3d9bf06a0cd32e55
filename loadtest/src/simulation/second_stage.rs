//! A second stage: the consumers of the shards send the sums of a batch to a second stream that is
//! partitioned by key, and its consumers write the ledger. Then a key has one writer instead of one for
//! each shard. It is not built; this simulation says when it would pay.
//!
//! A batch is sent again after a failure. Its records then have to be the same, so that the second
//! stage recognizes them: the verdicts of a batch, which the head of its shard has before the writes,
//! fix its boundaries and its calls. A record of sums is claimed like a call, by its shard, the
//! sequence numbers of its batch and its bucket; the number of buckets is fixed, whatever the number of
//! shards. The rows keep their fence, by the second stream.

use super::claims::{HEAD_WRITES, ITEM_BYTES, RUN_BYTES, UNIT_BYTES};
use super::settings::SecondStage;
use super::shard::{DataSize, Next, Reading, Shard};
use super::time::microseconds;
use metering_core::call_id::CallId;

/// Bytes of the sum of a key and hour: a key id of 25 bytes, route class, hour, count, fingerprint and latest
/// call.
pub(super) const SUM_BYTES: usize = 64;
/// Bytes of a payload unit, by which records are charged. Source: Kinesis Data Streams pricing.
const PAYLOAD_UNIT_BYTES: usize = 25 * 1_024;
/// Payload units of the largest record. Source: Kinesis Data Streams quotas: 1 MiB.
const UNITS_OF_RECORD: u64 = 40;

/// Sums that the consumer of one shard sends to one shard of the second stream.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sums {
    /// Index of the key of each sum.
    pub keys: Vec<u32>,
    /// Answer times of the sampled calls whose freshness depends on this record.
    pub samples_us: Vec<u64>,
    /// Number of calls in the sums.
    pub calls: u64,
}

impl DataSize for Sums {
    fn bytes(&self) -> usize {
        self.keys.len() * SUM_BYTES
    }
}

impl Sums {
    /// Returns the payload units of the record.
    pub fn payload_units(&self) -> u64 {
        self.bytes().div_ceil(PAYLOAD_UNIT_BYTES) as u64
    }

    /// Returns the number of stream records that the sums fill.
    pub fn records(&self) -> u64 {
        self.payload_units().div_ceil(UNITS_OF_RECORD)
    }
}

/// The second stream with its readers.
pub(super) struct SecondStream {
    shards: Vec<Shard<Sums>>,
    reading: Reading,
}

impl SecondStream {
    pub fn new(settings: SecondStage, reading: Reading) -> Self {
        let reading = Reading { batch_window_us: microseconds(settings.batch_window_s), ..reading };
        Self { shards: (0..settings.shards).map(|_| Shard::default()).collect(), reading }
    }

    /// Returns the number of shards.
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// Returns the shard of a key.
    pub fn shard_of(&self, key: u32) -> usize {
        // The keys are numbered by their frequency, so that neighbours have different shards.
        key as usize % self.shards.len()
    }

    pub fn arrive(&mut self, shard: usize, sums: Sums) {
        self.shards[shard].arrive(sums);
    }

    pub fn read(&mut self, shard: usize, now_us: u64) -> Next {
        self.shards[shard].read(now_us, self.reading)
    }

    pub fn take(&mut self, shard: usize, records: usize) -> Vec<Sums> {
        self.shards[shard].take(records)
    }

    /// Returns the sums that were not yet passed to an invocation.
    pub fn waiting(&self) -> impl Iterator<Item = &Sums> {
        self.shards.iter().flat_map(Shard::waiting)
    }
}

/// Returns the write units of the claims of a batch of this many records of sums, in a page of its own.
pub(super) fn claim_units(records: usize) -> u64 {
    (ITEM_BYTES + records * (CallId::BYTES + RUN_BYTES)).div_ceil(UNIT_BYTES) as u64 + HEAD_WRITES
}
