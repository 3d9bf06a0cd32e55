//! Searches for a failing seed, and shortens its trace.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::faults::FaultCounts;
use crate::simulation::{Outcome, Settings, simulate};

/// Number of seeds that are tried with each simplification of a failure.
const SEEDS_PER_SIMPLIFICATION: u64 = 40;

/// The sum of several simulations.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Number of simulated seeds.
    pub seeds: u64,
    /// Number of times that each fault was injected.
    pub faults: FaultCounts,
    /// Number of calls that had to be counted.
    pub billable_calls: u64,
    pub invocations: u64,
    /// Number of calls that the authorizer decided.
    pub decisions: u64,
    /// The first failing seed and its problem.
    pub failure: Option<(u64, String)>,
}

impl Summary {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.faults.merge(&outcome.faults);
        self.billable_calls += outcome.billable_calls;
        self.invocations += outcome.invocations;
        self.decisions += outcome.decisions;
        if let Some(problem) = &outcome.problem {
            self.failure.get_or_insert((seed, problem.clone()));
        }
    }
}

/// Simulates the seeds from `first` to `last` on all cores. Stops early if one
/// fails, or if `continues`, which is called before each seed, returns `false`.
pub fn search(first: u64, last: u64, settings: &Settings, continues: &(dyn Fn() -> bool + Sync)) -> Summary {
    let next = AtomicU64::new(first);
    let has_failed = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    let work = || {
        while !has_failed.load(Ordering::Relaxed) && continues() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > last {
                break;
            }
            let outcome = simulate(seed, settings, false);
            has_failed.fetch_or(outcome.problem.is_some(), Ordering::Relaxed);
            summary.lock().unwrap_or_else(PoisonError::into_inner).add(seed, &outcome);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Looks for a shorter trace of a failure: with fewer faults, then with fewer
/// steps. Returns its seed and settings.
pub fn shorten(seed: u64, settings: &Settings) -> (u64, Settings) {
    let (mut seed, mut settings) = (seed, settings.clone());
    let fails = |seed: u64, settings: &Settings| {
        let summary = search(seed, seed + SEEDS_PER_SIMPLIFICATION, settings, &|| true);
        summary.failure.map(|(seed, _)| seed)
    };
    for fault in settings.faults.clone().iter() {
        let simpler = Settings { faults: settings.faults.without(fault), ..settings.clone() };
        if let Some(failing) = fails(seed, &simpler) {
            (seed, settings) = (failing, simpler);
        }
    }
    let mut removed = settings.steps / 2;
    while removed > 0 {
        let shorter = Settings { steps: settings.steps - removed, ..settings.clone() };
        match fails(seed, &shorter) {
            Some(failing) => {
                (seed, settings) = (failing, shorter);
                removed = removed.min(settings.steps / 2);
            }
            None => removed /= 2,
        }
    }
    (seed, settings)
}
