//! The settings of a simulation.

use deployment::settings;
use local_stack::cloudwatch_logs::subscription::DeliveryLag;
use serde::{Deserialize, Serialize};

use crate::profile::Keys;

/// The load, the deployment and the assumptions of a simulation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SimulationSettings {
    /// Successful calls a second.
    pub calls_per_s: f64,
    /// Number of keys, and the distribution of calls over them.
    pub keys: Keys,
    /// Number of shards of the stream.
    pub shards: u32,
    /// Time for which a batch waits to fill, in seconds.
    pub batch_window_s: f64,
    /// Maximum records of a batch.
    pub batch_records: usize,
    /// Interval at which a shard without records is polled, in seconds. Lambda polls once a second.
    /// Source: Lambda Developer Guide, Kinesis.
    pub poll_interval_s: f64,
    /// Maximum log events of a record. An assumption: AWS states no number.
    pub events_per_record: f64,
    /// Time for which log events are collected before their delivery, in seconds. An assumption: AWS
    /// states no number.
    pub collecting_s: f64,
    /// Distribution of the lag of deliveries; `None` for no lag.
    pub lag: Option<DeliveryLag>,
    /// Length of a slice of request time in which calls are claimed, in seconds.
    pub claim_slice_s: f64,
    /// Latency of a write to DynamoDB, in milliseconds.
    pub write_ms: f64,
    /// Maximum writes of an invocation in flight.
    pub concurrent_writes: usize,
    /// Processor time for one call, from event to plan, in nanoseconds of a core. A measured value.
    pub call_ns: f64,
    /// Memory of the consumer, in MiB. Its share of a core is proportional to it.
    pub memory_mib: f64,
    /// The second stage; `None` if the consumers of the shards write the ledger, as they do.
    pub second_stage: Option<SecondStage>,
    /// Number of partitions of the ledger; `None` for as many as its writes need.
    pub partitions: Option<usize>,
    /// Length of the measured time after the warm-up, in seconds.
    pub measured_s: f64,
    /// Seed of all random draws.
    pub seed: u64,
}

/// A stream between the consumers of the shards and the ledger, partitioned by key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SecondStage {
    /// Number of shards of its stream.
    pub shards: u32,
    /// Time for which a batch of sums waits to fill, in seconds.
    pub batch_window_s: f64,
}

impl SimulationSettings {
    /// Returns the deployed settings, with the measured and assumed values of the cost model.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
    pub fn deployed(calls_per_s: f64, keys: Keys, shards: u32) -> Self {
        let workload = cost_model::Workload::new(1.0, 1.0);
        Self {
            calls_per_s,
            keys,
            shards,
            batch_window_s: workload.batch_window_s,
            batch_records: settings::BATCH_SIZE as usize,
            poll_interval_s: f64::from(settings::POLL_INTERVAL_MS) / 1e3,
            events_per_record: workload.events_per_delivery,
            collecting_s: 1.0 / workload.deliveries_per_s,
            lag: None,
            claim_slice_s: workload.claim_slice_s,
            write_ms: workload.write_ms,
            concurrent_writes: workload.concurrent_writes as usize,
            call_ns: workload.call_ns,
            memory_mib: workload.memory_mib,
            second_stage: None,
            partitions: None,
            measured_s: 30.0,
            seed: 1,
        }
    }

    /// Returns the time in which all shards are first read and have their first batch, in seconds.
    pub fn warm_up_s(&self) -> f64 {
        let lag_s = self.lag.map_or(0.0, |lag| lag.p99_ms / 1e3);
        let second_s = self.second_stage.map_or(0.0, |stage| stage.batch_window_s + self.poll_interval_s);
        (2.0 * (self.batch_window_s + self.poll_interval_s + second_s) + lag_s).ceil() + 1.0
    }

    /// Returns the time for which calls are made, in seconds: the warm-up and the measured time.
    pub fn duration_s(&self) -> f64 {
        self.warm_up_s() + self.measured_s
    }
}
