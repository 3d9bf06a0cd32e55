//! The outcome of a run, as it is written to `result.json`.

use std::path::Path;

use anyhow::Context;
use metering_core::reconciliation::Reconciliation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::harness::baseline::BaselineWrites;
use crate::harness::faults::Recovery;
use crate::harness::identities::IdentityCheck;
use crate::harness::interval::Interval;
use crate::harness::latency_breakdown::LatencyBreakdown;
use crate::harness::memory::MemoryGrowth;
use crate::harness::probe::ProbeResults;
use crate::harness::verdict::Failure;
use crate::harness::worker::Tally;
use crate::histogram::LatencyHistogram;
use crate::profile::Profile;

/// Maximum number of differences in a result.
const MAX_DIFFERENCES: usize = 100;

/// The comparison of the clients' counts with the ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Successful calls, as the clients count them, probes included.
    pub client_calls: u64,
    /// Calls in the ledger.
    pub ledger_calls: u64,
    /// Calls that the ledger lacks, summed over all keys and hours.
    pub missing: u64,
    /// Calls that the ledger has beyond the clients' counts, summed over all keys and hours.
    pub surplus: u64,
    /// Number of pairs of key and hour that were compared.
    pub compared: usize,
    /// The first pairs of key and hour that differ, at most 100.
    pub differences: Vec<CountDifference>,
    /// `true` if the consumer had processed all calls when the counts were compared.
    pub is_settled: bool,
}

/// A key and hour in which the clients and the ledger have different counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountDifference {
    pub api_key_id: String,
    /// Id of the customer; null if the key belongs to none.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// Start of the hour, in milliseconds since 1970.
    pub hour_start_ms: i64,
    /// Successful calls, as the clients count them.
    pub client_calls: u64,
    /// Calls in the ledger.
    pub ledger_calls: u64,
}

impl Counts {
    /// Creates the counts from a reconciliation, in which the clients' counts take the place of the
    /// access log's.
    pub fn new(reconciliation: &Reconciliation, compared: usize, is_settled: bool) -> Self {
        let differences = reconciliation.differences.iter().take(MAX_DIFFERENCES);
        let differences = differences.map(|difference| CountDifference {
            customer_id: difference.key.customer_id.as_deref().map(str::to_owned),
            api_key_id: difference.key.api_key_id.to_string(),
            hour_start_ms: difference.hour_start_ms,
            client_calls: difference.logged,
            ledger_calls: difference.counted,
        });
        Self {
            client_calls: reconciliation.logged,
            ledger_calls: reconciliation.counted,
            missing: reconciliation.missing(),
            surplus: reconciliation.surplus(),
            compared,
            differences: differences.collect(),
            is_settled,
        }
    }
}

/// Consumption of one resource.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PricedLine {
    /// Name of the resource, such as `ledger write units`.
    pub what: String,
    /// Amount for each million successful calls.
    pub per_million_calls: f64,
    /// Price of that amount, in US dollars.
    pub dollars: f64,
}

/// The outcome of a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The profile that was run, with its defaults filled in.
    pub profile: Profile,
    /// Environment of the meter; `local` for a local stack.
    pub environment: String,
    /// Time of the first call, in milliseconds since 1970.
    pub started_ms: i64,
    /// Number of calls in the schedule.
    pub planned_calls: u64,
    /// `true` if the run was stopped by a signal. Only its counts are judged then.
    #[serde(default)]
    pub is_interrupted: bool,
    /// Time from the first call to the last response, in seconds.
    pub took_s: f64,
    /// Time from the last response until all calls were counted, in seconds.
    pub settled_after_s: f64,
    /// Call outcomes by status, with response times.
    pub tally: Tally,
    /// One interval for each second of the run.
    pub intervals: Vec<Interval>,
    /// Freshness of the probes.
    pub freshness: LatencyHistogram,
    /// Freshness by stage of the pipeline.
    pub latency_breakdown: LatencyBreakdown,
    /// All probes.
    pub probes: ProbeResults,
    /// Comparison of the clients' counts with the ledger.
    pub counts: Counts,
    /// Comparison of each call by its identity, if the profile asks for it.
    pub identities: Option<IdentityCheck>,
    /// Consumption of each resource.
    pub consumption: Vec<PricedLine>,
    /// Writes of the baseline design for the same records; `None` on AWS.
    pub baseline: Option<BaselineWrites>,
    /// Effect of each fault on freshness.
    pub recoveries: Vec<Recovery>,
    /// Memory of the processes of a local stack.
    pub memory_growth: Vec<MemoryGrowth>,
    /// Reasons why the run failed, the most severe first; empty if it passed.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// Returns the number of responses a second.
    #[expect(clippy::cast_precision_loss, reason = "calls are far fewer than 2^53")]
    pub fn answered_per_s(&self) -> f64 {
        self.tally.answers() as f64 / self.took_s
    }

    /// Returns the consumption of a resource for each million calls.
    pub fn per_million_calls(&self, what: &str) -> Option<f64> {
        self.consumption.iter().find(|line| line.what == what).map(|line| line.per_million_calls)
    }

    /// Writes `result.json` into a folder.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join("result.json");
        std::fs::write(&path, serde_json::to_string(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads `result.json` from a folder.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not the result of a run.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("result.json");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not the result of a run", path.display()))
    }
}
