//! Runs of the model checker, and what they came across.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use metering_core::batch_run::{Reply, Request};
use metering_core::ports::{LedgerReply, WriteReply};
use stateright::{Checker, HasDiscoveries, Model};

use crate::audit;
use crate::protocol::{COUNTED_ONCE, Counting, ONE_OWNER, SETTLES, TOTALS};
use crate::state::State;
use crate::storage::Operation;
use crate::trace::describe;

/// An event that a model has to come across, or it checks less than it seems to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A row fenced an update off.
    Fenced,
    /// A head was written by another invocation first.
    HeadConflict,
    /// A page was written by another invocation first.
    PageConflict,
    /// A row counts a given-up record.
    RowCounts,
    /// A row does not count a given-up record.
    RowDoesNotCount,
    /// A row refused an update.
    RowRefused,
    /// A part of a record was put into quarantine.
    Kept,
    /// An operation was carried out after it was reported as failed.
    CarriedOutLate,
    GivenUpPutBack,
    QuarantinedPutBack,
    /// A state was continued without faults.
    Settled,
}

const EVENTS: [Event; 11] = [
    Event::Fenced,
    Event::HeadConflict,
    Event::PageConflict,
    Event::RowCounts,
    Event::RowDoesNotCount,
    Event::RowRefused,
    Event::Kept,
    Event::CarriedOutLate,
    Event::GivenUpPutBack,
    Event::QuarantinedPutBack,
    Event::Settled,
];

/// How often a check came across each event.
#[derive(Debug, Default)]
pub struct Coverage([AtomicU64; EVENTS.len()]);

impl Coverage {
    pub fn add(&self, event: Event) {
        self.0[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, event: Event) -> u64 {
        self.0[event as usize].load(Ordering::Relaxed)
    }

    /// Adds the event that a reply is, if it is one.
    pub fn reply(&self, operation: &Operation, reply: &Reply) {
        let event = match (operation, reply) {
            (_, Reply::Ledger(LedgerReply::Fenced(_))) => Event::Fenced,
            (Operation::Tables(Request::WriteHead(_)), Reply::Write(WriteReply::Conflict)) => {
                Event::HeadConflict
            }
            (Operation::Tables(Request::WritePage(_)), Reply::Write(WriteReply::Conflict)) => {
                Event::PageConflict
            }
            (_, Reply::Released(true)) => Event::RowCounts,
            (_, Reply::Released(false)) => Event::RowDoesNotCount,
            (_, Reply::Invalid) => Event::RowRefused,
            (Operation::Keep(_), _) => Event::Kept,
            _ => return,
        };
        self.add(event);
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = EVENTS.map(|event| format!("{event:?} {}", self.count(event)));
        formatter.write_str(&counts.join(", "))
    }
}

/// Returns the problem of a state that violates a property.
fn problem(model: &Counting, property: &str, state: &State) -> String {
    let result = match property {
        COUNTED_ONCE => audit::counted_at_most_once(&state.store),
        ONE_OWNER => audit::one_owner(&state.store),
        TOTALS => audit::totals_at_most_the_counts(&state.store),
        SETTLES => model.settles(state),
        _ => unreachable!("{property} is no property"),
    };
    result.err().unwrap_or_default()
}

/// Prints the steps of a counterexample.
fn print(checker: &impl Checker<Counting>, property: &'static str) -> bool {
    let Some(path) = checker.discovery(property) else { return false };
    println!("not true: {property}: {}", problem(checker.model(), property, path.last_state()));
    for (state, action) in path.into_vec() {
        if let Some(action) = action {
            println!("  {}", describe(&state, &action));
        }
    }
    true
}

/// Checks every state of a model, which has to come across the events.
///
/// # Panics
/// If a property does not hold in a state.
pub fn assert_holds(model: Counting, events: &[Event]) {
    // Depth first, because breadth first keeps too many states in memory.
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
    let coverage = &checker.model().coverage;
    println!("{} states, {} unique; {coverage}", checker.state_count(), checker.unique_state_count());
    let found = [COUNTED_ONCE, ONE_OWNER, TOTALS, SETTLES].map(|property| print(&checker, property));
    assert!(!found.contains(&true), "a property does not hold");
    for event in events {
        assert!(coverage.count(*event) > 0, "no state has {event:?}");
    }
}

/// Checks that a model violates a property.
///
/// # Panics
/// If every state has the property.
pub fn assert_found(model: Counting, property: &'static str) {
    // Breadth first, because that finds a shortest counterexample.
    let finish = HasDiscoveries::AllOf([property].into());
    let checker = model.checker().threads(2).finish_when(finish).spawn_bfs().join();
    println!("{} states, {} unique", checker.state_count(), checker.unique_state_count());
    assert!(print(&checker, property), "without the rule, it has to be found: {property}");
}

/// Checks that a model has the same number of states breadth first and depth first.
///
/// # Panics
/// If the numbers differ.
pub fn assert_same_in_any_order(model: impl Fn() -> Counting) {
    let breadth_first = model().checker().spawn_bfs().join().unique_state_count();
    let depth_first = model().checker().spawn_dfs().join().unique_state_count();
    assert_eq!(depth_first, breadth_first);
}
