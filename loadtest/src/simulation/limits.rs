//! What AWS limits, and how near a simulation comes to it.

use cost_model::capacity::{SHARD_BYTES_PER_S, SHARD_RECORDS_PER_S};

use super::result::{Limit, Simulated};
use super::settings::Settings;
use super::table::PARTITION_WRITES_PER_S;

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
