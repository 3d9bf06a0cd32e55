//! The result of a simulation.

use serde::Serialize;

use crate::histogram::{Times, serde_text};

/// What a simulation showed; rates are per second of the measured time.
#[derive(Debug, Clone, Serialize)]
pub struct Simulated {
    /// Calls that were counted.
    pub calls_per_s: f64,
    /// Records of the stream.
    pub records_per_s: f64,
    /// Invocations of the consumer.
    pub invocations_per_s: f64,
    /// How long one of them takes on average, in milliseconds.
    pub invocation_ms: f64,
    /// Invocations under way on average.
    pub concurrent_invocations: f64,
    /// Write units of the ledger.
    pub ledger_writes_per_s: f64,
    /// Write units of claims.
    pub claim_writes_per_s: f64,
    /// What one bare ADD per key and record would write.
    pub naive_writes_per_s: f64,
    /// Write units of the most frequent key.
    pub hottest_key_writes_per_s: f64,
    /// Partitions of the ledger.
    pub partitions: usize,
    /// Write units of a partition: average, of the busiest, and of it in its busiest second.
    pub writes_per_partition: (f64, f64, f64),
    /// Freshness. Calls that still wait at the end are in it with what they have waited.
    #[serde(with = "serde_text")]
    pub freshness: Times,
    /// The share of calls that still wait at the end.
    pub waiting_share: f64,
    /// Each limit of AWS that there is, the most strained first.
    pub limits: Vec<Limit>,
    /// Dollars for each million calls: what is consumed, and the hours of shards.
    pub dollars_per_million_calls: f64,
    /// Of these, for writes to the ledger.
    pub ledger_dollars_per_million_calls: f64,
}

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
