//! Whether a run passed, and if not, why: three kinds that are never mixed up.

use metering_core::reconciliation::Reconciliation;
use serde::{Deserialize, Serialize};

use crate::harness::fault_schedule::Recovery;
use crate::harness::memory::Growth;
use crate::harness::worker::Tally;
use crate::histogram::{Times, seconds_at};
use crate::profile::{Percentile, Profile};

/// Something that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "camelCase")]
pub enum Failure {
    /// The ledger and the clients have different counts.
    CountsDiffer(String),
    /// The load test itself could not do what its profile says, so its
    /// percentiles are those of another load.
    HarnessTooSlow(String),
    /// The system was not as fast or as steady as it has to be.
    ObjectiveMissed(String),
}

impl Failure {
    /// The exit status of a run whose gravest failure is this.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::CountsDiffer(_) => 10,
            Self::HarnessTooSlow(_) => 11,
            Self::ObjectiveMissed(_) => 12,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CountsDiffer(_) => "COUNTS DIFFER",
            Self::HarnessTooSlow(_) => "HARNESS TOO SLOW",
            Self::ObjectiveMissed(_) => "OBJECTIVE MISSED",
        }
    }

    /// What exactly is wrong.
    pub fn detail(&self) -> &str {
        let (Self::CountsDiffer(detail) | Self::HarnessTooSlow(detail) | Self::ObjectiveMissed(detail)) =
            self;
        detail
    }
}

/// What is judged.
pub struct Evidence<'e> {
    /// What had to hold.
    pub profile: &'e Profile,
    /// How many calls there should be.
    pub planned_calls: u64,
    /// What became of them.
    pub tally: &'e Tally,
    /// Freshness of the probes.
    pub freshness: &'e Times,
    /// Clients against ledger.
    pub reconciliation: &'e Reconciliation,
    /// Whether everything had gone through the consumer when the counts were compared.
    pub is_settled: bool,
    /// What faults did.
    pub recoveries: &'e [Recovery],
    /// How memory developed.
    pub growth: &'e [Growth],
}

/// All failures, the gravest first.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    counts(evidence, &mut failures);
    harness(evidence, &mut failures);
    objectives(evidence, &mut failures);
    failures
}

fn counts(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    let found = evidence.reconciliation;
    if let Some(first) = found.differences.first() {
        failures.push(Failure::CountsDiffer(format!(
            "clients saw {} successful calls and the ledger has {}: {} are missing and {} too many, in {} hours of keys; first of {}: {} seen, {} counted{}",
            found.logged,
            found.counted,
            found.missing(),
            found.surplus(),
            found.differences.len(),
            first.api_key_id,
            first.logged,
            first.counted,
            if evidence.is_settled { "" } else { "; not everything had gone through the consumer" },
        )));
    }
}

fn harness(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    let Evidence { tally, planned_calls, .. } = evidence;
    if tally.sent < *planned_calls {
        failures.push(Failure::HarnessTooSlow(format!("{} of {planned_calls} calls were sent", tally.sent)));
    }
    let allowed_ms = evidence.profile.client.max_send_lateness_ms;
    let late_us = tally.lateness.value_at_percentile(99.9);
    if late_us > allowed_ms * 1_000 {
        failures.push(Failure::HarnessTooSlow(format!(
            "at the 99.9th percentile a worker took up a call {} ms after it was due, and {allowed_ms} ms are allowed; use more workers, other machines, or a lower rate",
            late_us / 1_000
        )));
    }
}

fn objectives(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    let Evidence { profile, tally, .. } = evidence;
    let objectives = &profile.objectives;
    let mut missed = |detail: String| failures.push(Failure::ObjectiveMissed(detail));
    for (what, times, wanted) in [
        ("freshness", evidence.freshness, &objectives.freshness),
        ("response time", &tally.response, &objectives.response),
    ] {
        for Percentile { percentile, seconds } in wanted {
            let found = seconds_at(times, *percentile);
            if times.is_empty() {
                missed(format!("{what} was not measured: no call of a probe was answered and counted"));
            } else if found > *seconds {
                missed(format!("{what} p{percentile} is {found:.3} s, and {seconds} s are allowed"));
            }
        }
    }
    if tally.unexpected > objectives.unexpected_answers || tally.unanswered > objectives.unexpected_answers {
        missed(format!(
            "{} calls were answered otherwise than the backend was asked to, {} not at all",
            tally.unexpected, tally.unanswered
        ));
    }
    for growth in evidence.growth {
        let Some(allowed) = objectives.memory_growth_percent else { break };
        if growth.percent() > allowed {
            missed(format!(
                "the memory of {} grew by {:.1} % (from {:.1} to {:.1} MiB), and {allowed} % are allowed",
                growth.name,
                growth.percent(),
                growth.second_quarter_mib,
                growth.last_quarter_mib
            ));
        }
    }
    for recovery in evidence.recoveries {
        let Some(allowed_s) = objectives.recovery_s else { break };
        if recovery.recovered_after_s > allowed_s {
            missed(format!(
                "after {:?} it took {:.1} s until freshness was as before, and {allowed_s} s are allowed",
                recovery.fault.kind, recovery.recovered_after_s
            ));
        }
    }
}
