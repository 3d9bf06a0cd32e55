//! A short run of the simulation, in seconds. The command simulates any number of seeds.

use clap::Parser;
use metering_sim::arguments::Arguments;
use metering_sim::faults::{Fault, FaultSet};
use metering_sim::search::search;
use metering_sim::simulation::{Settings, simulate};

fn settings() -> Settings {
    Settings { steps: 400, faults: FaultSet::all() }
}

#[test]
fn nothing_is_lost_counted_twice_or_wrongly_admitted_and_every_fault_is_injected() {
    let summary = search(0, 299, &settings(), &|| true);
    assert_eq!((summary.failure, summary.seeds), (None, 300));
    for fault in FaultSet::all().iter() {
        assert!(summary.faults.count(fault) > 0, "{} was never injected", fault.name());
    }
}

#[test]
fn a_seed_gives_the_same_trace_again() {
    // One seed for each source of keys.
    for seed in 0..8 {
        let (first, second) = (simulate(seed, &settings(), true), simulate(seed, &settings(), true));
        assert!(first.trace.len() > 50, "seed {seed}");
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
}

#[test]
fn without_a_fault_the_fault_is_never_injected() {
    let faults = [Fault::LostReply, Fault::GivenUp, Fault::StaleIndex, Fault::LogLost, Fault::KeyDeleted];
    for fault in faults.into_iter().chain([Fault::SecretExpired]) {
        let settings = Settings { faults: FaultSet::all().without(fault), ..settings() };
        let summary = search(0, 39, &settings, &|| true);
        assert_eq!((summary.failure, summary.faults.count(fault)), (None, 0), "{}", fault.name());
    }
}

/// Each line has the options that the command printed for a failure. A change of the
/// simulation makes another story of them, which must not fail either.
#[test]
fn failures_of_before_do_not_fail_again() {
    let lines = include_str!("kept-failures.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let arguments = Arguments::parse_from(["metering-sim"].into_iter().chain(line.split_whitespace()));
        let seed = arguments.seed.expect("a kept failure has a seed");
        assert_eq!(simulate(seed, &arguments.settings(), false).problem, None, "{line}");
    }
}
