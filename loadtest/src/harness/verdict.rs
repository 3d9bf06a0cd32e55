//! The verdict on a run. Its kinds of failure are kept apart, because they
//! ask for different actions.

use metering_core::reconciliation::Reconciliation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit_status;
use crate::harness::faults::Recovery;
use crate::harness::identities::IdentityCheck;
use crate::harness::memory::MemoryGrowth;
use crate::harness::worker::Tally;
use crate::histogram::LatencyHistogram;
use crate::profile::{Percentile, Profile};

/// A reason why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
pub enum Failure {
    /// The ledger and the clients have different counts.
    CountsDiffer(String),
    /// A fault of the profile had no effect.
    FaultNotInjected(String),
    /// The load test could not send the calls of its profile on schedule, so its percentiles
    /// describe another load.
    HarnessTooSlow(String),
    /// The system missed an objective of the profile.
    ObjectiveMissed(String),
}

impl Failure {
    /// Returns the exit status of a run whose most severe failure is this.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::CountsDiffer(_) => exit_status::COUNTS_DIFFER,
            Self::FaultNotInjected(_) => exit_status::FAULT_NOT_INJECTED,
            Self::HarnessTooSlow(_) => exit_status::HARNESS_TOO_SLOW,
            Self::ObjectiveMissed(_) => exit_status::OBJECTIVE_MISSED,
        }
    }

    /// Returns the name of the failure in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CountsDiffer(_) => "COUNTS DIFFER",
            Self::FaultNotInjected(_) => "FAULT NOT INJECTED",
            Self::HarnessTooSlow(_) => "HARNESS TOO SLOW",
            Self::ObjectiveMissed(_) => "OBJECTIVE MISSED",
        }
    }

    /// Returns the details, with the numbers.
    pub fn detail(&self) -> &str {
        let (Self::CountsDiffer(detail)
        | Self::FaultNotInjected(detail)
        | Self::HarnessTooSlow(detail)
        | Self::ObjectiveMissed(detail)) = self;
        detail
    }
}

/// The measurements that a verdict is based on.
pub struct Evidence<'e> {
    pub profile: &'e Profile,
    /// Number of calls in the schedule.
    pub planned_calls: u64,
    /// `true` if the run was stopped before the end of its schedule.
    pub is_interrupted: bool,
    pub tally: &'e Tally,
    /// Freshness of the probes.
    pub freshness: &'e LatencyHistogram,
    /// Comparison of the clients' counts with the ledger.
    pub reconciliation: &'e Reconciliation,
    /// `true` if the consumer had processed all calls when the counts were compared.
    pub is_settled: bool,
    /// Comparison by identity, if the profile asks for it.
    pub identities: Option<&'e IdentityCheck>,
    pub recoveries: &'e [Recovery],
    pub memory_growth: &'e [MemoryGrowth],
}

/// Returns all failures, the most severe first. A run that was interrupted is judged by its counts alone.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    judge_counts(evidence, &mut failures);
    judge_identities(evidence, &mut failures);
    if evidence.is_interrupted {
        return failures;
    }
    judge_faults(evidence, &mut failures);
    judge_harness(evidence, &mut failures);
    judge_objectives(evidence, &mut failures);
    failures
}

fn judge_counts(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    let reconciliation = evidence.reconciliation;
    if let Some(first) = reconciliation.differences.first() {
        failures.push(Failure::CountsDiffer(format!(
            "the clients count {} successful calls, the ledger {}: {} missing and {} surplus, in {} pairs of key and hour; the first is {}: {} at the clients, {} in the ledger{}",
            reconciliation.logged,
            reconciliation.counted,
            reconciliation.missing(),
            reconciliation.surplus(),
            reconciliation.differences.len(),
            first.key.api_key_id,
            first.logged,
            first.counted,
            if evidence.is_settled { "" } else { "; the consumer had not processed all calls" },
        )));
    }
}

/// Judges the comparison by identity.
fn judge_identities(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    if let Some(identities) = evidence.identities.filter(|identities| !identities.is_exact()) {
        failures.push(Failure::CountsDiffer(identities.sentence()));
    }
}

fn judge_faults(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    for fault in &evidence.profile.faults {
        let has_effect = |recovery: &&Recovery| recovery.fault == *fault && recovery.effects > 0;
        if evidence.recoveries.iter().find(has_effect).is_none() {
            let at_s = fault.at_s;
            failures.push(Failure::FaultNotInjected(format!("{:?} at {at_s} s had no effect", fault.kind)));
        }
    }
}

fn judge_harness(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    let Evidence { tally, planned_calls, .. } = evidence;
    if tally.sent < *planned_calls {
        failures.push(Failure::HarnessTooSlow(format!("{} of {planned_calls} calls were sent", tally.sent)));
    }
    let allowed_ms = evidence.profile.client.max_send_lateness_ms;
    let late_us = tally.lateness.value_at_percentile(99.9);
    if late_us > allowed_ms * 1_000 {
        failures.push(Failure::HarnessTooSlow(format!(
            "the send lateness p99.9 is {} ms, above the limit of {allowed_ms} ms; use more workers, other machines, or a lower rate",
            late_us / 1_000
        )));
    }
}

fn judge_objectives(evidence: &Evidence<'_>, failures: &mut Vec<Failure>) {
    let Evidence { profile, tally, .. } = evidence;
    let objectives = &profile.objectives;
    let mut missed = |detail: String| failures.push(Failure::ObjectiveMissed(detail));
    for (what, latencies, wanted) in [
        ("freshness", evidence.freshness, &objectives.freshness),
        ("response time", &tally.response, &objectives.response),
    ] {
        for Percentile { percentile, seconds } in wanted {
            let found = latencies.seconds_at(*percentile);
            if latencies.is_empty() {
                missed(format!("the {what} was not measured: no probe was answered and counted"));
            } else if found > *seconds {
                missed(format!("the {what} p{percentile} is {found:.3} s, above the limit of {seconds} s"));
            }
        }
    }
    if tally.unexpected > objectives.unexpected_answers || tally.unanswered > objectives.unexpected_answers {
        missed(format!(
            "{} responses had another status than requested, and {} calls had no response",
            tally.unexpected, tally.unanswered
        ));
    }
    for growth in evidence.memory_growth {
        let Some(allowed) = objectives.memory_growth_percent else { break };
        if growth.percent() > allowed {
            missed(format!(
                "the memory of {} grew by {:.1} % (from {:.1} to {:.1} MiB), above the limit of {allowed} %",
                growth.name,
                growth.percent(),
                growth.second_quarter_mib,
                growth.last_quarter_mib
            ));
        }
    }
    for recovery in evidence.recoveries {
        let Some(allowed_s) = objectives.recovery_s else { break };
        for (what, after_s) in
            [("freshness", recovery.recovered_after_s), ("answers", recovery.answered_after_s)]
        {
            if after_s > allowed_s {
                let kind = recovery.fault.kind;
                missed(format!(
                    "{what} recovered {after_s:.1} s after {kind:?}, above the limit of {allowed_s} s"
                ));
            }
        }
    }
}
