//! The writes of a batch: ledger rows and pages of claims.

use crate::workload::Workload;

/// Bytes of a call in a page of claims.
const CLAIM_BYTES: f64 = 12.0;
/// Bytes of a record in a page of claims.
const CLAIM_RUN_BYTES: f64 = 33.0;
/// Bytes of a page's item without its claims.
const PAGE_ITEM_BYTES: f64 = 150.0;
/// Length at which a page is closed, in bytes.
const PAGE_CLOSED_FROM_BYTES: f64 = 8_192.0;
/// Bytes of a write unit. Source: DynamoDB Developer Guide, "Read and write capacity".
const UNIT_BYTES: f64 = 1_024.0;
/// Requests to the shard head for each batch: one read, and a write of the verdicts and of the commit.
pub(crate) const HEAD_REQUESTS: f64 = 3.0;
/// Writes among [`HEAD_REQUESTS`].
pub(crate) const HEAD_WRITES: f64 = 2.0;

/// Number of pages of claims that a batch writes, and the write units of each.
pub(crate) fn claims(workload: &Workload, calls: f64, records: f64, invocations: f64) -> (f64, f64) {
    // A batch has the calls of its window and of one delivery before it.
    let span_s = workload.batch_window_s + 1.0 / workload.deliveries_per_s;
    let pages = (span_s / workload.claim_slice_s + 1.0).min(calls.max(1.0));
    let added = (calls * CLAIM_BYTES + records * CLAIM_RUN_BYTES) / pages;
    // Several batches extend a page until it is closed, so on average half of it is written before.
    let batches = (invocations * workload.claim_slice_s * pages).max(1.0);
    let closed = (added * batches).min(PAGE_CLOSED_FROM_BYTES.max(added));
    let present = (closed - added) / 2.0;
    // A page is written in whole units.
    (pages, ((PAGE_ITEM_BYTES + present + added) / UNIT_BYTES + 0.5).max(1.0))
}

/// Number of rows that a batch of `calls` calls writes: one for each of its keys.
pub(crate) fn rows(workload: &Workload, calls: f64) -> f64 {
    let Some(exponent) = workload.zipf_exponent else { return distinct(calls, workload.keys) };
    let weights = || ranks(workload.keys).map(|rank| rank.powf(-exponent));
    let all: f64 = weights().sum();
    weights().map(|weight| -(-calls * weight / all).exp_m1()).sum()
}

fn ranks(keys: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(1.0), |rank| Some(rank + 1.0)).take_while(move |rank| *rank <= keys)
}

/// Expected number of different keys of `calls` calls, if keys are used uniformly.
fn distinct(calls: f64, keys: f64) -> f64 {
    // For many keys, 1 - 1/keys cannot be distinguished from 1.
    keys * -(calls * (-1.0 / keys).ln_1p()).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_never_has_more_rows_than_calls_or_keys() {
        for (calls, keys) in [(1.0, 1.0), (1.0, 1e6), (1e6, 50.0), (100.0, 100.0)] {
            let rows = distinct(calls, keys);
            assert!(rows <= calls + 1e-9 && rows <= keys + 1e-9, "{calls} {keys} {rows}");
        }
        assert!((distinct(1e6, 50.0) - 50.0).abs() < 1e-6);
        assert!((distinct(100.0, 100.0) - 63.397).abs() < 0.01, "{}", distinct(100.0, 100.0));
    }

    #[test]
    fn skewed_traffic_has_fewer_rows_and_none_at_all_as_many() {
        let workload = |zipf_exponent| Workload { zipf_exponent, ..Workload::new(1.0, 1_000.0) };
        let uniform = rows(&workload(None), 1_000.0);
        assert!((rows(&workload(Some(0.0)), 1_000.0) / uniform - 1.0).abs() < 1e-3);
        assert!(rows(&workload(Some(1.0)), 1_000.0) < 0.7 * uniform);
    }

    #[test]
    fn pages_are_closed_where_the_consumer_closes_them() {
        let page = include_str!("../../metering-core/src/claims/page.rs");
        assert!(page.contains("CLOSED_FROM_BYTES: usize = 8 * 1024;"));
        assert!((PAGE_CLOSED_FROM_BYTES - 8.0 * 1_024.0).abs() < f64::EPSILON);
    }
}
