//! The claims of calls, in pages of slices of request time.

use std::collections::BTreeMap;

use metering_core::call_id::CallId;
use metering_core::claims::page::CLOSED_FROM_BYTES;

use super::shard::Record;
use super::time::microseconds;

/// Bytes of a record in a page, beside its calls. Measured by a test of the page.
const RUN_BYTES: usize = 33;
/// Bytes of an item beside its page: its keys, version, expiry and shard.
const ITEM_BYTES: usize = 150;
/// Bytes of a write unit. Source: DynamoDB Developer Guide, "Read and write capacity".
const UNIT_BYTES: usize = 1_024;
/// Writes of a shard's head for each batch: judged and committed.
pub(super) const HEAD_WRITES: u64 = 2;

/// The open page of each slice.
#[derive(Debug, Default)]
pub(super) struct Pages {
    open_bytes: BTreeMap<u64, usize>,
}

/// What a batch claims in one slice.
#[derive(Debug, Default)]
struct Claimed {
    calls: usize,
    runs: usize,
}

impl Pages {
    /// Claims the calls of a batch. Returns how many pages are written, and the
    /// write units of all of them.
    pub fn claim(&mut self, batch: &[Record], slice_s: f64) -> (usize, u64) {
        let mut slices: BTreeMap<u64, Claimed> = BTreeMap::new();
        for record in batch {
            // Calls were made evenly over the time in which they were collected.
            let (first_us, last_us) = record.answered_us;
            let slice_us = microseconds(slice_s).max(1);
            let (first, last) = (first_us / slice_us, last_us / slice_us);
            let parts = usize::try_from(last - first).unwrap_or(0) + 1;
            for slice in first..=last {
                let claimed = slices.entry(slice).or_default();
                claimed.calls += record.keys.len().div_ceil(parts);
                claimed.runs += 1;
            }
        }
        let units = slices.iter().map(|(slice, claimed)| self.write(*slice, claimed)).sum();
        // Later deliveries of calls long past are few.
        while self.open_bytes.len() > 10_000 {
            self.open_bytes.pop_first();
        }
        (slices.len(), units)
    }

    fn write(&mut self, slice: u64, claimed: &Claimed) -> u64 {
        let open = self.open_bytes.entry(slice).or_insert(ITEM_BYTES);
        *open += claimed.calls * CallId::BYTES + claimed.runs * RUN_BYTES;
        let units = open.div_ceil(UNIT_BYTES);
        if *open >= CLOSED_FROM_BYTES {
            *open = ITEM_BYTES;
        }
        units as u64
    }
}
