//! Claims of calls, in pages for slices of request time.

use std::collections::BTreeMap;

use metering_core::call_id::CallId;
use metering_core::claims::page::CLOSED_FROM_BYTES;

use super::shard::{AnsweredSpan, Record};
use super::time::microseconds;

/// Bytes of a record in a page, without its calls. A test of the page measures it.
pub(super) const RUN_BYTES: usize = 33;
/// Bytes of an item without its page: keys, version, expiry and shard.
pub(super) const ITEM_BYTES: usize = 150;
/// Bytes of a write unit. Source: DynamoDB Developer Guide, "Read and write capacity".
pub(super) const UNIT_BYTES: usize = 1_024;
/// Writes to the head of a shard for each batch: after the judgement and after the commit.
pub(super) const HEAD_WRITES: u64 = 2;

/// The open pages of all slices.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Size of the open page of each slice.
    open_bytes: BTreeMap<u64, usize>,
}

/// The claims of a batch in one slice.
#[derive(Debug, Default)]
struct Claimed {
    calls: usize,
    /// Number of records with a call in the slice.
    runs: usize,
}

/// The writes of pages for one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageWrites {
    pub pages: usize,
    /// Write units of all pages.
    pub units: u64,
}

impl Pages {
    /// Claims the calls of a batch.
    pub fn claim(&mut self, batch: &[Record], slice_s: f64) -> PageWrites {
        let mut slices: BTreeMap<u64, Claimed> = BTreeMap::new();
        for record in batch {
            // The calls of a record are assumed to be evenly spread over its time.
            let AnsweredSpan { first_us, last_us } = record.answered;
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
        // Late deliveries for old slices are rare, so their pages can be forgotten.
        while self.open_bytes.len() > 10_000 {
            self.open_bytes.pop_first();
        }
        PageWrites { pages: slices.len(), units }
    }

    /// Adds claims to the open page of a slice and returns the write units.
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
