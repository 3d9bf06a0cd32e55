//! The calls of a run, second by second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::histogram::LatencyHistogram;

/// About one second of a run.
///
/// Its histograms are encoded, because a histogram in memory is some thousand times larger, and a
/// long run has many intervals.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Start of the interval, in seconds from the start of the run.
    pub at_s: f64,
    /// Number of calls that were sent.
    pub sent: u64,
    /// Number of responses.
    pub answered: u64,
    /// Number of calls with another status than requested, or without a response.
    pub failed: u64,
    /// Encoded histogram of the response times.
    #[schemars(with = "LatencyHistogram")]
    pub response: String,
    /// Encoded histogram of the freshness of the probes that were counted in this interval.
    #[schemars(with = "LatencyHistogram")]
    pub freshness: String,
}
