//! Finds the highest rate at which a profile passes.
//!
//! First the rate is doubled until it fails, then the gap between the highest
//! that passed and the lowest that failed is halved. A short step can pass
//! while a backlog grows too slowly to be seen, so the rate that was found has
//! to pass a longer run as well; where it does not, a lower one is tried.

use serde::Serialize;

use crate::harness::outcome::Outcome;
use crate::harness::run::{Place, execute};
use crate::histogram::seconds_at;
use crate::profile::{Load, Profile};

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

/// Searches for each profile, side by side: a rate is tried for each before the
/// next rate is, so that what else a machine does is the same for all.
///
/// # Errors
/// When something other than the system under test fails.
pub async fn find(profiles: &[Profile], place: &Place, search: Search) -> anyhow::Result<Vec<Found>> {
    let mut climbs: Vec<Climb> = profiles.iter().map(|_| Climb::new(search)).collect();
    while climbs.iter().any(|climb| climb.next_attempt().is_some()) {
        for (climb, profile) in climbs.iter_mut().zip(profiles) {
            if let Some(attempt) = climb.next_attempt() {
                let (step, outcome) = try_rate(profile, place, attempt).await?;
                climb.note(step, outcome);
            }
        }
    }
    Ok(climbs.into_iter().map(|climb| Found { steps: climb.steps, best: climb.best }).collect())
}

/// The search for one profile.
struct Climb {
    search: Search,
    /// The highest rate that passed, and the lowest that failed.
    passed: f64,
    failed: f64,
    /// The rate to try next.
    rate: f64,
    is_confirming: bool,
    steps: Vec<Step>,
    best: Option<(f64, Outcome)>,
}

/// A rate to try, for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Attempt {
    calls_per_s: f64,
    duration_s: f64,
}

impl Climb {
    fn new(search: Search) -> Self {
        let (passed, failed) = (0.0, f64::INFINITY);
        let (steps, best) = (Vec::new(), None);
        Self { search, passed, failed, rate: search.from, is_confirming: false, steps, best }
    }

    fn next_attempt(&self) -> Option<Attempt> {
        let duration_s = if self.is_confirming { self.search.confirm_s } else { self.search.step_s };
        let goes_on = self.best.is_none() && self.rate >= 1.0;
        goes_on.then_some(Attempt { calls_per_s: self.rate, duration_s })
    }

    fn note(&mut self, step: Step, outcome: Outcome) {
        let is_passed = step.verdict == PASSED;
        self.steps.push(step);
        match (self.is_confirming, is_passed) {
            (true, true) => self.best = Some((self.rate, outcome)),
            (true, false) => self.rate *= STEP_DOWN,
            (false, _) => self.move_on(is_passed),
        }
    }

    /// Doubles the rate until it fails, then halves the gap until it is small.
    fn move_on(&mut self, is_passed: bool) {
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

async fn try_rate(profile: &Profile, place: &Place, attempt: Attempt) -> anyhow::Result<(Step, Outcome)> {
    let Attempt { calls_per_s, duration_s } = attempt;
    eprint!("{}, {calls_per_s:.0} calls/s for {duration_s:.0} s: ", profile.name);
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
