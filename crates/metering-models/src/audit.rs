//! The properties: what the ledger, the claims and the quarantine have to say about each call.

use std::collections::BTreeMap;

use memory_ports::Store;

use crate::batches::{CALLS, CallNumber, Version};
use crate::state::{Outcome, State, Surroundings, Who};
use crate::storage::pages_of;

/// Maximum number of records to put back. No model has more.
const MAX_PUT_BACKS: u32 = 50;

/// Returns how often a call is counted. It alone has its key and its hour.
fn times_counted(store: &Store, call: CallNumber) -> u64 {
    let call = &CALLS[usize::from(call)];
    let window = call.window();
    let rows =
        store.rows.iter().filter(|(row, _)| &*row.key().api_key_id == call.key && row.day() == window.day);
    rows.map(|(_, row)| row.hours[usize::from(window.hour)]).sum()
}

/// Checks that no call is counted twice.
pub fn counted_at_most_once(store: &Store) -> Result<(), String> {
    (0..).zip(&CALLS).try_for_each(|(number, call)| match times_counted(store, number) {
        0 | 1 => Ok(()),
        times => Err(format!("{call:?} is counted {times} times")),
    })
}

/// Returns the number of calls of an hour in the rows of a shard: by key, and in total.
fn sums(store: &Store) -> BTreeMap<(String, usize), [u64; 2]> {
    let mut sums: BTreeMap<(String, usize), [u64; 2]> = BTreeMap::new();
    for (row, counters) in &store.rows {
        let is_total = row.key().is_totals();
        for (hour, calls) in counters.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
            sums.entry((row.shard.to_string(), hour)).or_default()[usize::from(is_total)] += calls;
        }
    }
    sums
}

/// Checks that no total exceeds the counts by key.
pub fn totals_at_most_the_counts(store: &Store) -> Result<(), String> {
    sums(store).into_iter().try_for_each(|(place, [by_key, total])| match total {
        total if total <= by_key => Ok(()),
        _ => Err(format!("{place:?}: the total is {total}, and {by_key} calls are counted by key")),
    })
}

/// Checks that no call has two owners.
pub fn one_owner(store: &Store) -> Result<(), String> {
    CALLS.iter().try_for_each(|call| {
        let pages = pages_of(store, call.slice());
        let ids = pages.iter().flat_map(|page| &page.page.runs).flat_map(|run| &run.ids);
        match ids.filter(|id| **id == call.id()).count() {
            0 | 1 => Ok(()),
            owners => Err(format!("{call:?} has {owners} owners")),
        }
    })
}

/// Continues without faults until nothing is left to do. Checks that each call is counted or can be
/// put back, and that it is counted exactly once after everything was put back, and after a replay.
pub fn settles(mut state: State, surroundings: Surroundings<'_>) -> Result<(), String> {
    state.accept_updates();
    drain(&mut state, surroundings)?;
    nothing_is_lost(&state)?;
    put_everything_back(&mut state, surroundings)?;
    counted_exactly_once(&state).map_err(|problem| format!("after everything was put back: {problem}"))?;
    for shard in 0..state.shards.len() {
        state.replay(shard, 0);
    }
    drain(&mut state, surroundings)?;
    counted_exactly_once(&state).map_err(|problem| format!("after a replay: {problem}"))
}

/// Puts back all given-up batches, then all quarantined records.
fn put_everything_back(state: &mut State, surroundings: Surroundings<'_>) -> Result<(), String> {
    for _ in 0..MAX_PUT_BACKS {
        if !state.given_up.is_empty() {
            state.put_back_given_up(0, 0, surroundings);
        } else if !state.store.quarantine.is_empty() {
            state.put_back(0, 0, false, surroundings);
        } else {
            return Ok(());
        }
        drain(state, surroundings)?;
    }
    Err("what is put back goes to quarantine again and again".to_owned())
}

/// Delivers all records, and completes all operations.
fn drain(state: &mut State, surroundings: Surroundings<'_>) -> Result<(), String> {
    for shard in 0..state.shards.len() {
        while state.shards[shard].done < state.shards[shard].records.len() {
            let done = state.shards[shard].done;
            state.invoke(shard, state.shards[shard].records.len(), Version::Able);
            while state.shards[shard].live.is_some() {
                state.complete(Who::Live(shard), 0, Outcome::CarriedOut, surroundings);
            }
            if state.shards[shard].done == done {
                return Err(format!("record {done} of shard {shard} is delivered again and again"));
            }
        }
    }
    Ok(())
}

fn calls_of(state: &State) -> impl Iterator<Item = CallNumber> {
    let records = state.shards.iter().flat_map(|shard| shard.records.iter());
    records.flat_map(|record| record.calls.iter().copied())
}

fn nothing_is_lost(state: &State) -> Result<(), String> {
    let in_quarantine = |call| state.store.quarantine.iter().any(|kept| kept.payload.contains(&call));
    let in_bucket = |call| {
        state.given_up.iter().any(|(shard, from, end)| {
            state.shards[*shard].records[*from..*end].iter().any(|record| record.calls.contains(&call))
        })
    };
    for call in calls_of(state) {
        if times_counted(&state.store, call) == 0 && !in_quarantine(call) && !in_bucket(call) {
            return Err(format!("{:?} is lost", CALLS[usize::from(call)]));
        }
    }
    Ok(())
}

fn counted_exactly_once(state: &State) -> Result<(), String> {
    for call in calls_of(state) {
        let times = times_counted(&state.store, call);
        if times != 1 {
            return Err(format!("{:?} is counted {times} times", CALLS[usize::from(call)]));
        }
    }
    // A batch that was given up between its writes may have been counted by key alone.
    if state.has_given_up {
        return Ok(());
    }
    sums(&state.store).into_iter().try_for_each(|(place, [by_key, total])| match total {
        total if total == by_key => Ok(()),
        _ => Err(format!("{place:?}: the total is {total}, and {by_key} calls are counted by key")),
    })
}
