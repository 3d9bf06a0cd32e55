//! The limits of AWS, and their utilization in a simulation.

use cost_model::capacity::{SHARD_BYTES_PER_S, SHARD_RECORDS_PER_S};

use super::result::{Limit, SimulationResult};
use super::settings::SimulationSettings;
use super::table::PARTITION_WRITES_PER_S;

/// Returns all limits with their demand, the most utilized first.
pub(super) fn limits(settings: &SimulationSettings, result: &SimulationResult) -> Vec<Limit> {
    let shards = f64::from(settings.shards);
    let events = result.calls_per_s / result.records_per_s.max(f64::MIN_POSITIVE);
    let quotas = "DynamoDB quotas: write units of a table, by default";
    let mut limits = vec![
        limit_of("write units of the ledger", result.ledger_writes_per_s, 40_000.0, true, quotas),
        limit_of("write units of the claims", result.claim_writes_per_s, 40_000.0, true, quotas),
        limit_of(
            "write units of the ledger's busiest partition",
            result.writes_per_partition.busiest_per_s,
            PARTITION_WRITES_PER_S,
            false,
            "DynamoDB Developer Guide, partitions",
        ),
        limit_of(
            "write units of the most frequent key, before DynamoDB splits its partition",
            result.hottest_key_writes_per_s,
            PARTITION_WRITES_PER_S,
            false,
            "DynamoDB Developer Guide, partitions",
        ),
        limit_of(
            "records of a shard",
            result.records_per_s / shards,
            SHARD_RECORDS_PER_S,
            false,
            "Kinesis quotas",
        ),
        limit_of(
            "bytes of a shard",
            result.records_per_s / shards * cost_model::Workload::new(1.0, 1.0).record_bytes(events),
            SHARD_BYTES_PER_S,
            false,
            "Kinesis quotas",
        ),
        limit_of(
            "time of the one batch in flight of a shard",
            result.concurrent_invocations / shards,
            1.0,
            false,
            "Lambda Developer Guide, Kinesis: parallelization factor 1",
        ),
        limit_of(
            "concurrent invocations",
            result.concurrent_invocations
                + result.second_stage.map_or(0.0, |second| second.concurrent_invocations),
            1_000.0,
            true,
            "Lambda quotas, by default",
        ),
    ];
    limits.extend(limits_of_second_stage(settings, result));
    limits.sort_by(|left, right| right.utilization().total_cmp(&left.utilization()));
    limits
}

fn limits_of_second_stage(settings: &SimulationSettings, result: &SimulationResult) -> Vec<Limit> {
    let (Some(stage), Some(second)) = (settings.second_stage, &result.second_stage) else {
        return Vec::new();
    };
    let shards = f64::from(stage.shards);
    vec![
        limit_of(
            "bytes of a shard of the second stream",
            second.bytes_per_s / shards,
            SHARD_BYTES_PER_S,
            false,
            "Kinesis quotas",
        ),
        limit_of(
            "time of the one batch in flight of a shard of the second stream",
            second.concurrent_invocations / shards,
            1.0,
            false,
            "Lambda Developer Guide, Kinesis: parallelization factor 1",
        ),
    ]
}

fn limit_of(what: &'static str, demand: f64, limit: f64, can_be_raised: bool, source: &'static str) -> Limit {
    Limit { what, demand, limit, can_be_raised, source }
}
