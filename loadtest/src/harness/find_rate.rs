//! A search for the highest rate at which a profile passes.
//!
//! The search doubles the rate until it fails. It then halves the gap between
//! the highest rate that passed and the lowest that failed. A backlog can grow
//! too slowly for a short step to show it, so the rate that was found must also
//! pass a longer run. If it does not, lower rates are tried.

use schemars::JsonSchema;
use serde::Serialize;

use crate::harness::interruption::Interruption;
use crate::harness::outcome::Outcome;
use crate::harness::run::{SystemChoice, execute};
use crate::profile::{Load, Profile};

/// Factor by which the rate is lowered after it has failed the longer run.
const STEP_DOWN: f64 = 0.93;
/// Minimum share of the rate that must be answered. Below it, response times grow without bound.
const SUSTAINED: f64 = 0.98;

/// Parameters of a search.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// First rate, in calls a second.
    pub from_calls_per_s: f64,
    /// Length of the run at each rate, in seconds.
    pub step_s: f64,
    /// Length of the confirming run at the rate that was found, in seconds.
    pub confirm_s: f64,
    /// Maximum relative gap between the highest rate that passed and the lowest that failed.
    pub precision: f64,
}

/// A rate that was tried.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Step {
    /// Scheduled calls a second.
    pub calls_per_s: f64,
    /// Length of the run, in seconds.
    pub duration_s: f64,
    /// Responses a second.
    pub answered_per_s: f64,
    /// Freshness at the 99.9th percentile, in seconds.
    pub freshness_p999_s: f64,
    /// Response time at the 99th percentile, in milliseconds.
    pub response_p99_ms: f64,
    /// `passed`, or the reason why not.
    pub verdict: String,
}

/// The result of a search.
pub struct SearchResult {
    /// All rates that were tried, in order.
    pub steps: Vec<Step>,
    /// The highest rate that passed the confirming run; `None` if no rate passed.
    pub best: Option<SustainedRate>,
}

/// A rate that passed the confirming run.
pub struct SustainedRate {
    pub calls_per_s: f64,
    /// Outcome of the confirming run.
    pub outcome: Outcome,
}

/// Searches the rates of several profiles in turns: each profile has one run before any has its
/// next, so that other load of the machine affects all profiles alike. An interruption ends the search with the
/// steps until then. A run that it has cut off is a step only if its counts differ.
///
/// # Errors
/// Returns an error if something other than the system under test fails.
pub async fn find(
    profiles: &[Profile],
    choice: &SystemChoice,
    search: Search,
    interruption: &Interruption,
) -> anyhow::Result<Vec<SearchResult>> {
    let mut climbs: Vec<Climb> = profiles.iter().map(|_| Climb::new(search)).collect();
    while !interruption.is_on() && climbs.iter().any(|climb| climb.next_attempt().is_some()) {
        for (climb, profile) in climbs.iter_mut().zip(profiles) {
            if let Some(attempt) = climb.next_attempt() {
                let (step, outcome) = try_rate(profile, choice, attempt, interruption).await?;
                if !outcome.is_interrupted || !outcome.failures.is_empty() {
                    climb.record(step, outcome);
                }
                if interruption.is_on() {
                    break;
                }
            }
        }
    }
    Ok(climbs.into_iter().map(|climb| SearchResult { steps: climb.steps, best: climb.best }).collect())
}

/// The search for one profile.
struct Climb {
    search: Search,
    /// Highest rate that passed; 0 if none has.
    passed: f64,
    /// Lowest rate that failed; infinite if none has.
    failed: f64,
    /// Next rate to try.
    rate: f64,
    is_confirming: bool,
    steps: Vec<Step>,
    best: Option<SustainedRate>,
}

/// The next run of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Attempt {
    calls_per_s: f64,
    duration_s: f64,
}

impl Climb {
    fn new(search: Search) -> Self {
        let (passed, failed) = (0.0, f64::INFINITY);
        let (steps, best) = (Vec::new(), None);
        Self { search, passed, failed, rate: search.from_calls_per_s, is_confirming: false, steps, best }
    }

    fn next_attempt(&self) -> Option<Attempt> {
        let duration_s = if self.is_confirming { self.search.confirm_s } else { self.search.step_s };
        let is_open = self.best.is_none() && self.rate >= 1.0;
        is_open.then_some(Attempt { calls_per_s: self.rate, duration_s })
    }

    fn record(&mut self, step: Step, outcome: Outcome) {
        let is_passed = step.verdict == PASSED;
        self.steps.push(step);
        match (self.is_confirming, is_passed) {
            (true, true) => self.best = Some(SustainedRate { calls_per_s: self.rate, outcome }),
            (true, false) => self.rate *= STEP_DOWN,
            (false, _) => self.choose_next(is_passed),
        }
    }

    /// Doubles the rate until it fails, then halves the gap (on a logarithmic scale) until it is small.
    fn choose_next(&mut self, is_passed: bool) {
        if is_passed {
            self.passed = self.rate;
        } else {
            self.failed = self.rate;
        }
        self.rate = match (self.passed, self.failed) {
            (passed, f64::INFINITY) => passed * 2.0,
            (0.0, failed) => failed / 2.0,
            (passed, failed) => (passed * failed).sqrt(),
        };
        if self.failed / self.passed.max(1.0) <= 1.0 + self.search.precision {
            (self.is_confirming, self.rate) = (true, self.passed);
        }
    }
}

const PASSED: &str = "passed";

async fn try_rate(
    profile: &Profile,
    choice: &SystemChoice,
    attempt: Attempt,
    interruption: &Interruption,
) -> anyhow::Result<(Step, Outcome)> {
    let Attempt { calls_per_s, duration_s } = attempt;
    eprint!("{}, {calls_per_s:.0} calls/s for {duration_s:.0} s: ", profile.name);
    let profile =
        Profile { load: Load::Constant { calls_per_s, duration_s }, faults: Vec::new(), ..profile.clone() };
    let outcome = Box::pin(execute(&profile, choice, interruption, true)).await?;
    let answered_per_s = outcome.answered_per_s();
    let verdict = match outcome.failures.first() {
        Some(failure) => format!("{}: {}", failure.name(), failure.detail()),
        None if outcome.is_interrupted => "stopped".to_owned(),
        None if answered_per_s < calls_per_s * SUSTAINED => {
            "NOT SUSTAINED: response times grow during the run".to_owned()
        }
        None => PASSED.to_owned(),
    };
    eprintln!("{verdict}");
    let step = Step {
        calls_per_s,
        duration_s,
        answered_per_s,
        freshness_p999_s: outcome.freshness.seconds_at(99.9),
        response_p99_ms: outcome.tally.response.seconds_at(99.0) * 1e3,
        verdict,
    };
    Ok((step, outcome))
}
