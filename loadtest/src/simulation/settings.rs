//! The settings of a simulation.

use local_stack::subscription::DeliveryLag;
use serde::{Deserialize, Serialize};

use crate::profile::Keys;

/// What is simulated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Successful calls a second.
    pub calls_per_s: f64,
    /// Which keys call how often.
    pub keys: Keys,
    /// Shards of the stream.
    pub shards: u32,
    /// How long a batch waits to fill, in seconds.
    pub batch_window_s: f64,
    /// The most records of a batch.
    pub batch_records: usize,
    /// How often an empty shard is asked, in seconds. Lambda asks once a second. Source: Lambda Developer Guide, Kinesis.
    pub poll_interval_s: f64,
    /// The most log events of one record. An assumption: AWS states none.
    pub events_per_record: f64,
    /// How long log events are collected before they are delivered, in seconds. An assumption: AWS states none.
    pub collecting_s: f64,
    /// By how much deliveries lag behind.
    pub lag: Option<DeliveryLag>,
    /// Length of a slice of request time in which calls are claimed, in seconds.
    pub claim_slice_s: f64,
    /// How long a write to DynamoDB takes, in milliseconds.
    pub write_ms: f64,
    /// Writes of one invocation that are under way at once.
    pub concurrent_writes: usize,
    /// Nanoseconds of one core for one call, measured from event to plan.
    pub call_ns: f64,
    /// Memory of the consumer, in MiB; its share of a core grows with it.
    pub memory_mib: f64,
    /// Partitions of the ledger; as many as its writes need, where it is not said.
    pub partitions: Option<usize>,
    /// How long it is measured, in seconds, after all shards are in their rhythm.
    pub measured_s: f64,
    /// The seed.
    pub seed: u64,
}

impl Settings {
    /// The deployed settings, with what was measured and assumed.
    pub fn deployed(calls_per_s: f64, keys: Keys, shards: u32) -> Self {
        let workload = cost_model::Workload::new(1.0, 1.0);
        Self {
            calls_per_s,
            keys,
            shards,
            batch_window_s: workload.batch_window_s,
            batch_records: 100,
            poll_interval_s: 1.0,
            events_per_record: workload.events_per_delivery,
            collecting_s: 1.0 / workload.deliveries_per_s,
            lag: None,
            claim_slice_s: workload.claim_slice_s,
            write_ms: workload.write_ms,
            concurrent_writes: 32,
            call_ns: workload.call_ns,
            memory_mib: workload.memory_mib,
            partitions: None,
            measured_s: 30.0,
            seed: 1,
        }
    }

    /// Until when shards begin to be read and have had their first batch, in seconds.
    pub fn warm_up_s(&self) -> f64 {
        let lag_s = self.lag.map_or(0.0, |lag| lag.p99_ms / 1e3);
        (2.0 * (self.batch_window_s + self.poll_interval_s) + lag_s).ceil() + 1.0
    }

    /// How long calls are made, in seconds.
    pub fn duration_s(&self) -> f64 {
        self.warm_up_s() + self.measured_s
    }
}
