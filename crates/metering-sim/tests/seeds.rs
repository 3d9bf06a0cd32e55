//! A short run of the simulation, in seconds. The command simulates any number of seeds.

use metering_sim::faults::FaultSet;
use metering_sim::search::search;
use metering_sim::simulation::{Settings, simulate};

fn settings() -> Settings {
    Settings { steps: 1_500, faults: FaultSet::all() }
}

#[test]
fn nothing_is_lost_or_counted_twice_and_every_fault_is_injected() {
    let summary = search(0, 79, &settings(), &|| true);
    assert_eq!((summary.failure, summary.seeds), (None, 80));
    for fault in FaultSet::all().iter() {
        assert!(summary.faults.count(fault) > 0, "{} was never injected", fault.name());
    }
}

#[test]
fn a_seed_gives_the_same_trace_again() {
    let (first, second) = (simulate(3, &settings(), true), simulate(3, &settings(), true));
    assert!(first.trace.len() > 100);
    assert_eq!(first.trace, second.trace);
}
