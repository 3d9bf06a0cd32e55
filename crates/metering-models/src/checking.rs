//! Runs of the model checker.

use stateright::{Checker, HasDiscoveries, Model};

use crate::audit;
use crate::coverage::Event;
use crate::protocol::{COUNTED_ONCE, Counting, ONE_OWNER, SETTLES, TOTALS};
use crate::state::State;
use crate::trace::describe;

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
