//! The model beside what was measured.

use cost_model::capacity::MONTH_S;
use cost_model::{Capacity, Workload};

/// What the tables consumed for a million calls that were counted: 60 s of
/// `loadtest/profiles/constant.toml` on the local stack, two shared cores.
const MEASURED_LEDGER_WRITES: f64 = 474_588.0;
const MEASURED_CLAIM_WRITES: f64 = 30_294.0;

/// That profile: nine of ten calls are successful, over a stack with the
/// settings of `LocalOptions`, where a record is put each 200 ms.
fn measured() -> Workload {
    Workload {
        zipf_exponent: Some(1.0),
        shards: Some(2.0),
        batch_window_s: 0.2,
        deliveries_per_s: 5.0,
        ..Workload::new(900.0 * MONTH_S, 1_000.0)
    }
}

#[test]
fn writes_are_within_a_tenth_of_what_was_measured() {
    let capacity = Capacity::of(&measured());
    for (modelled, found) in
        [(capacity.ledger_writes, MEASURED_LEDGER_WRITES), (capacity.claim_writes, MEASURED_CLAIM_WRITES)]
    {
        let modelled = capacity.per_million_calls(modelled);
        assert!((modelled / found - 1.0).abs() < 0.1, "modelled {modelled}, measured {found}");
    }
}
