//! Everything that a run found out. `result.json` is this.

use std::path::Path;

use anyhow::Context;
use metering_core::reconciliation::Reconciliation;
use serde::{Deserialize, Serialize};

use crate::harness::fault_schedule::Recovery;
use crate::harness::memory::Growth;
use crate::harness::naive::NaiveWrites;
use crate::harness::probe::Measured;
use crate::harness::split::Split;
use crate::harness::verdict::Failure;
use crate::harness::worker::Tally;
use crate::histogram::{Times, serde_text};
use crate::profile::Profile;

/// How many differing hours are kept one by one.
const KEPT_DIFFERENCES: usize = 100;

/// A second of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Interval {
    /// When it began, in seconds from the start.
    pub at_s: f64,
    /// Calls that were sent in it.
    pub sent: u64,
    /// Calls that were answered in it.
    pub answered: u64,
    /// Response times, as the text of a histogram.
    pub response: String,
    /// Freshness of what was counted in it, as the text of a histogram.
    pub freshness: String,
}

/// Clients against ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Successful calls that clients saw.
    pub seen: u64,
    /// Calls in the ledger.
    pub counted: u64,
    /// Calls that the ledger lacks, key by key and hour by hour.
    pub missing: u64,
    /// Calls that it has too many, key by key and hour by hour.
    pub surplus: u64,
    /// Keys and hours that were compared.
    pub compared: usize,
    /// The first hours that differ: key, start of the hour, seen, counted.
    pub differences: Vec<(String, i64, u64, u64)>,
    /// Whether everything had gone through the consumer by then.
    pub is_settled: bool,
}

impl Counts {
    /// The counts of a reconciliation.
    pub fn of(found: &Reconciliation, compared: usize, is_settled: bool) -> Self {
        let differences = found.differences.iter().take(KEPT_DIFFERENCES);
        Self {
            seen: found.logged,
            counted: found.counted,
            missing: found.missing(),
            surplus: found.surplus(),
            compared,
            differences: differences
                .map(|at| (at.api_key_id.clone(), at.hour_start_ms, at.logged, at.counted))
                .collect(),
            is_settled,
        }
    }
}

/// One line of what a million successful calls consumed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PricedLine {
    /// What was consumed.
    pub what: String,
    /// How much, for each million successful calls.
    pub per_million_calls: f64,
    /// What that costs, in dollars.
    pub dollars: f64,
}

/// Everything that a run found out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// What was run.
    pub profile: Profile,
    /// On what.
    pub environment: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// Calls that there should be.
    pub planned_calls: u64,
    /// From the first call to the last answer, in seconds.
    pub took_s: f64,
    /// How long everything took after that to be counted, in seconds.
    pub settled_after_s: f64,
    /// What became of the calls.
    pub tally: Tally,
    /// Second by second.
    pub intervals: Vec<Interval>,
    /// Freshness of the probes.
    #[serde(with = "serde_text")]
    pub freshness: Times,
    /// Its parts.
    pub split: Split,
    /// The probes one by one.
    pub probes: Measured,
    /// Clients against ledger.
    pub counts: Counts,
    /// What was consumed.
    pub consumption: Vec<PricedLine>,
    /// Write units that the design without aggregation would have used.
    pub naive: Option<NaiveWrites>,
    /// What faults did.
    pub recoveries: Vec<Recovery>,
    /// How memory developed.
    pub growth: Vec<Growth>,
    /// What is not as it has to be, the gravest first.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// Answered calls a second.
    #[expect(clippy::cast_precision_loss, reason = "calls are far fewer than 2^53")]
    pub fn answered_per_s(&self) -> f64 {
        self.tally.answers() as f64 / self.took_s
    }

    /// The line of consumption of this name, for each million calls.
    pub fn per_million_calls(&self, what: &str) -> Option<f64> {
        self.consumption.iter().find(|line| line.what == what).map(|line| line.per_million_calls)
    }

    /// Writes `result.json`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join("result.json");
        std::fs::write(&path, serde_json::to_string(self)?)
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Reads `result.json`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("result.json");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no result of a run", path.display()))
    }
}
