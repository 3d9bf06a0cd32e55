//! What AWS limits, and how near a simulation comes to it.

use cost_model::capacity::{SHARD_BYTES_PER_S, SHARD_RECORDS_PER_S};
use serde::Serialize;

use super::Settings;
use super::result::Simulated;
use super::table::PARTITION_WRITES_PER_S;

/// A limit and what is asked of it.
#[derive(Debug, Clone, Serialize)]
pub struct Limit {
    /// What is limited.
    pub what: &'static str,
    /// What is asked for.
    pub demand: f64,
    /// What there is.
    pub limit: f64,
    /// Whether AWS raises it on request.
    pub can_be_raised: bool,
    /// Where it stands.
    pub source: &'static str,
}

impl Limit {
    /// Demand as a share of the limit; above 1 it breaks.
    pub fn strain(&self) -> f64 {
        self.demand / self.limit
    }
}

/// All limits, the most strained first.
pub(super) fn limits(settings: &Settings, found: &Simulated) -> Vec<Limit> {
    let shards = f64::from(settings.shards);
    let events = found.calls_per_s / found.records_per_s.max(f64::MIN_POSITIVE);
    let limit_of =
        |what, demand, limit, can_be_raised, source| Limit { what, demand, limit, can_be_raised, source };
    let quotas = "DynamoDB quotas: write units of a table, by default";
    let mut limits = vec![
        limit_of("write units of the ledger", found.ledger_writes_per_s, 40_000.0, true, quotas),
        limit_of("write units of the claims", found.claim_writes_per_s, 40_000.0, true, quotas),
        limit_of(
            "write units of the ledger's busiest partition",
            found.writes_per_partition.1,
            PARTITION_WRITES_PER_S,
            false,
            "DynamoDB Developer Guide, partitions",
        ),
        limit_of(
            "write units of the most frequent key, before its partition is split",
            found.hottest_key_writes_per_s,
            PARTITION_WRITES_PER_S,
            false,
            "DynamoDB Developer Guide, partitions",
        ),
        limit_of(
            "records of a shard",
            found.records_per_s / shards,
            SHARD_RECORDS_PER_S,
            false,
            "Kinesis quotas",
        ),
        limit_of(
            "bytes of a shard",
            found.records_per_s / shards * cost_model::Workload::new(1.0, 1.0).record_bytes(events),
            SHARD_BYTES_PER_S,
            false,
            "Kinesis quotas",
        ),
        limit_of(
            "time of a shard's one batch in flight",
            found.concurrent_invocations / shards,
            1.0,
            false,
            "Lambda Developer Guide, Kinesis: parallelization factor 1",
        ),
        limit_of(
            "concurrent invocations",
            found.concurrent_invocations,
            1_000.0,
            true,
            "Lambda quotas, by default",
        ),
    ];
    limits.sort_by(|left, right| right.strain().total_cmp(&left.strain()));
    limits
}
