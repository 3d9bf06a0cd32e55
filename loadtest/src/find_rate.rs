//! Finds the highest rate at which a profile passes.
//!
//! First the rate is doubled until it fails, then the gap between the highest
//! that passed and the lowest that failed is halved. A short step can pass
//! while a backlog grows too slowly to be seen, so the rate that was found has
//! to pass a longer run as well; where it does not, a lower one is tried.

use serde::Serialize;

use crate::histogram::seconds_at;
use crate::outcome::Outcome;
use crate::profile::{Load, Profile};
use crate::run::{Place, execute};

/// By how much the rate is lowered when it does not pass the longer run.
const STEP_DOWN: f64 = 0.93;
/// The share of the rate that has to be answered; below it, answers come later and later.
const SUSTAINED: f64 = 0.98;

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// The first rate.
    pub from: f64,
    /// How long a rate is tried, in seconds.
    pub step_s: f64,
    /// How long the rate that was found has to pass, in seconds.
    pub confirm_s: f64,
    /// How near the last passed and the first failed rate have to be, as a share.
    pub precision: f64,
}

/// One rate that was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// The rate.
    pub calls_per_s: f64,
    /// For how long, in seconds.
    pub duration_s: f64,
    /// What was answered.
    pub answered_per_s: f64,
    /// Freshness at the 99.9th percentile, in seconds.
    pub freshness_p999_s: f64,
    /// Response time at the 99th percentile, in milliseconds.
    pub response_p99_ms: f64,
    /// Whether it passed, or why not.
    pub verdict: String,
}

/// What was found.
pub struct Found {
    /// Every rate that was tried.
    pub steps: Vec<Step>,
    /// The highest that passed the longer run, with its outcome.
    pub best: Option<(f64, Outcome)>,
}

/// Searches.
///
/// # Errors
/// When something other than the system under test fails.
pub async fn find(profile: &Profile, place: &Place, search: Search) -> anyhow::Result<Found> {
    let mut steps = Vec::new();
    let (mut passed, mut failed) = (0.0_f64, f64::INFINITY);
    let mut rate = search.from;
    while failed / passed.max(1.0) > 1.0 + search.precision && rate >= 1.0 {
        let (step, _) = attempt(profile, place, rate, search.step_s).await?;
        if step.verdict == PASSED {
            passed = rate;
        } else {
            failed = rate;
        }
        steps.push(step);
        rate = match (passed, failed) {
            (_, f64::INFINITY) => passed * 2.0,
            (0.0, failed) => failed / 2.0,
            _ => (passed * failed).sqrt(),
        };
    }
    let mut rate = passed;
    while rate >= 1.0 {
        let (step, outcome) = attempt(profile, place, rate, search.confirm_s).await?;
        let is_passed = step.verdict == PASSED;
        steps.push(step);
        if is_passed {
            return Ok(Found { steps, best: Some((rate, outcome)) });
        }
        rate *= STEP_DOWN;
    }
    Ok(Found { steps, best: None })
}

const PASSED: &str = "passed";

async fn attempt(
    profile: &Profile,
    place: &Place,
    calls_per_s: f64,
    duration_s: f64,
) -> anyhow::Result<(Step, Outcome)> {
    eprint!("{calls_per_s:.0} calls/s for {duration_s:.0} s: ");
    let profile =
        Profile { load: Load::Constant { calls_per_s, duration_s }, faults: Vec::new(), ..profile.clone() };
    let outcome = Box::pin(execute(&profile, place, true)).await?;
    let answered_per_s = outcome.answered_per_s();
    let verdict = match outcome.failures.first() {
        Some(failure) => format!("{}: {}", failure.name(), failure.detail()),
        None if answered_per_s < calls_per_s * SUSTAINED => {
            "NOT SUSTAINED: answers come later and later".to_owned()
        }
        None => PASSED.to_owned(),
    };
    eprintln!("{verdict}");
    let step = Step {
        calls_per_s,
        duration_s,
        answered_per_s,
        freshness_p999_s: seconds_at(&outcome.freshness, 99.9),
        response_p99_ms: seconds_at(&outcome.tally.response, 99.0) * 1e3,
        verdict,
    };
    Ok((step, outcome))
}
