//! The result of a simulation.

use schemars::JsonSchema;
use serde::Serialize;

use crate::histogram::LatencyHistogram;

/// The result of a simulation. All rates are per second of the measured time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SimulationResult {
    /// Calls that were counted.
    pub calls_per_s: f64,
    /// Records of the stream.
    pub records_per_s: f64,
    /// Invocations of the consumer.
    pub invocations_per_s: f64,
    /// Average length of an invocation, in milliseconds.
    pub invocation_ms: f64,
    /// Average number of invocations in flight.
    pub concurrent_invocations: f64,
    /// Write units of the ledger.
    pub ledger_writes_per_s: f64,
    /// Write units of the claims.
    pub claim_writes_per_s: f64,
    /// Write units of the baseline: one `ADD` for each key of each record.
    pub baseline_writes_per_s: f64,
    /// Write units of the most frequent key.
    pub hottest_key_writes_per_s: f64,
    /// Number of partitions of the ledger.
    pub partitions: usize,
    /// Write units of the ledger's partitions.
    pub writes_per_partition: PartitionWrites,
    /// Freshness of sampled calls. Calls that still wait at the end are included with their wait
    /// until then.
    pub freshness: LatencyHistogram,
    /// Share of the calls that still wait at the end, from 0 to 1.
    pub waiting_share: f64,
    /// What the second stage adds; null if there is none.
    pub second_stage: Option<SecondStageResult>,
    /// Limits of AWS with their demand, the most utilized first.
    pub limits: Vec<Limit>,
    /// Price of a million calls in US dollars, shard hours included.
    pub dollars_per_million_calls: f64,
    /// The part of that price for writes to the ledger.
    pub ledger_dollars_per_million_calls: f64,
}

/// The second stage of a simulation. All rates are per second of the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct SecondStageResult {
    /// Records on its stream, each with sums of one batch.
    pub records_per_s: f64,
    /// Sums of a key and hour.
    pub sums_per_s: f64,
    /// Bytes of these records.
    pub bytes_per_s: f64,
    /// Invocations of the function that writes the sums.
    pub invocations_per_s: f64,
    /// Average number of its invocations in flight.
    pub concurrent_invocations: f64,
    /// Price of its stream for a million calls, in US dollars.
    pub stream_dollars_per_million_calls: f64,
}

/// Write units a second of the partitions of a table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct PartitionWrites {
    /// Average over all partitions and seconds.
    pub average_per_s: f64,
    /// Average of the busiest partition over all seconds.
    pub busiest_per_s: f64,
    /// Maximum of any partition in any second.
    pub max_per_s: f64,
}

/// A limit of AWS with its demand.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Limit {
    /// Name of the limited resource.
    pub what: &'static str,
    /// Use in the simulation, in the unit of the limit.
    pub demand: f64,
    pub limit: f64,
    /// `true` if AWS raises the limit on request.
    pub can_be_raised: bool,
    /// The page of AWS's documentation that states the limit.
    pub source: &'static str,
}

impl Limit {
    /// Returns the demand as a share of the limit. A value above 1 cannot be sustained.
    pub fn utilization(&self) -> f64 {
        self.demand / self.limit
    }
}
