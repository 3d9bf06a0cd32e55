//! Compares the model with measurements.

use cost_model::capacity::MONTH_S;
use cost_model::{Capacity, Workload};

/// Measured write units of a table for a million counted calls, at 1,000 calls/s
/// with 1,000 keys for 60 s, on the local stack and two shared cores.
const LEDGER_WRITES: f64 = 474_588.0;
const CLAIM_WRITES: f64 = 30_294.0;
/// Measured write units of both tables with `loadtest/profiles/bench.toml`. Source: docs/BENCHMARKS.md.
const BENCH_WRITES: f64 = 221_391.0;

/// The capacity for the successful calls of a load test on a stack with the
/// settings of `LocalOptions`: two shards, and a record every 200 ms.
fn load_test(calls_per_s: f64, batch_window_s: f64) -> Capacity {
    Capacity::from_workload(&Workload {
        zipf_exponent: Some(1.0),
        shards: Some(2.0),
        batch_window_s,
        deliveries_per_s: 5.0,
        ..Workload::new(calls_per_s * MONTH_S, 1_000.0)
    })
}

fn assert_near(capacity: &Capacity, modelled: f64, measured: f64) {
    let modelled = capacity.per_million_calls(modelled);
    assert!((modelled / measured - 1.0).abs() < 0.1, "modelled {modelled}, measured {measured}");
}

/// Assumes the settings of `loadtest/profiles/constant.toml`, of whose calls nine
/// in ten are successful.
#[test]
fn writes_with_a_short_window_are_within_a_tenth_of_what_was_measured() {
    let capacity = load_test(900.0, 0.2);
    assert_near(&capacity, capacity.ledger_writes, LEDGER_WRITES);
    assert_near(&capacity, capacity.claim_writes, CLAIM_WRITES);
}

#[test]
fn writes_with_the_deployed_window_are_within_a_tenth_of_what_was_measured() {
    let capacity = load_test(1_000.0, 5.0);
    assert_near(&capacity, capacity.ledger_writes + capacity.claim_writes, BENCH_WRITES);
}
