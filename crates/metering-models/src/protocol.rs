//! The model: the actions that are possible in a state.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use stateright::{Model, Property};

use crate::audit;
use crate::batches::{CallNumber, Version};
use crate::coverage::{Coverage, Event};
use crate::shared::hash_of;
use crate::state::{Budget, Outcome, State, Surroundings, Who};
use crate::storage::Rule;

/// A model of counting.
#[derive(Debug, Default)]
pub struct Counting {
    /// The calls of the records on each shard.
    pub records: Vec<Vec<Vec<CallNumber>>>,
    /// The versions of the function that run at once.
    pub versions: Vec<Version>,
    pub budget: Budget,
    /// `true` if an invocation of all records of the first shard has crashed at any time before.
    pub first_crashes: bool,
    /// The shards onto which the operator puts records back.
    pub put_back_to: Vec<usize>,
    /// The rule that is removed.
    pub without: Option<Rule>,
    pub coverage: Coverage,
    /// The results of [`audit::settles`], by the hash of all that they depend on.
    pub settled: Mutex<HashMap<u64, Result<(), String>>>,
}

/// An action. Shards, invocations and operations are given by their indexes.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Invoke { shard: usize, end: usize, version: Version },
    Complete { who: Who, operation: usize, outcome: Outcome },
    CarryOutLate(usize),
    TimeOut { shard: usize },
    Replay { shard: usize, from: usize },
    GiveUp { shard: usize },
    RefuseUpdates,
    AcceptUpdates,
    PutBackGivenUp { place: usize, to: usize },
    PutBack { place: usize, to: usize, stays: bool },
}

pub const COUNTED_ONCE: &str = "no call is counted twice";
pub const ONE_OWNER: &str = "a call has one owner";
pub const TOTALS: &str = "no total exceeds the counts by key, unless a batch was given up";
pub const SETTLES: &str = "without further faults, each call is counted exactly once";

impl Counting {
    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { without: self.without, coverage: &self.coverage }
    }

    /// Returns `true` if a model can go on only with late operations, zombies and operators.
    fn is_at_rest(state: &State) -> bool {
        let is_read = |shard: &crate::state::Shard| shard.done == shard.records.len();
        state.shards.iter().all(|shard| shard.live.is_none())
            && (state.budget.invocations == 0 || state.shards.iter().all(is_read))
    }

    /// Continues a state at rest without faults, and checks the result. Such a continuation of any
    /// other state is one of the model's paths.
    pub fn settles(&self, state: &State) -> Result<(), String> {
        if !Self::is_at_rest(state) {
            return Ok(());
        }
        let key = hash_of(&(&state.store, &state.shards, &state.given_up, state.has_given_up));
        let known = self.settled.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            self.coverage.add(Event::Settled);
            let result = audit::settles(state.clone(), self.surroundings());
            self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(key, result.clone());
            result
        })
    }

    fn operations(state: &State, who: Who, actions: &mut Vec<Action>) {
        let invocation = state.invocation(who);
        for (operation, requested) in invocation.operations().enumerate() {
            let mut add = |outcome| actions.push(Action::Complete { who, operation, outcome });
            add(Outcome::CarriedOut);
            if state.budget.faults > 0 {
                add(Outcome::Refused);
                if requested.is_write() {
                    add(Outcome::ReplyLost);
                    add(Outcome::Late);
                    add(Outcome::SentAgain);
                }
            }
        }
    }

    fn of_the_mapping(&self, state: &State, shard: usize, actions: &mut Vec<Action>) {
        let place = &state.shards[shard];
        if place.live.is_some() {
            actions.push(Action::TimeOut { shard });
        } else if state.budget.invocations > 0 {
            for end in place.done + 1..=place.records.len() {
                actions.extend(self.versions.iter().map(|version| Action::Invoke {
                    shard,
                    end,
                    version: *version,
                }));
            }
        }
        if state.budget.replays > 0 {
            actions.extend((0..place.done).map(|from| Action::Replay { shard, from }));
        }
        if state.budget.give_ups > 0 && place.live.is_none() && place.failed.is_some() {
            actions.push(Action::GiveUp { shard });
        }
    }

    fn of_the_operator(&self, state: &State, actions: &mut Vec<Action>) {
        for to in self.put_back_to.iter().copied() {
            actions.extend((0..state.given_up.len()).map(|place| Action::PutBackGivenUp { place, to }));
            let quarantined = if state.budget.put_backs > 0 { state.store.quarantine.len() } else { 0 };
            for place in 0..quarantined {
                actions.extend([false, true].map(|stays| Action::PutBack { place, to, stays }));
            }
        }
    }
}

impl Model for Counting {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State::new(&self.records, self.budget);
        let mut states = vec![state.clone()];
        if self.first_crashes {
            state.invoke(0, state.shards[0].records.len(), self.versions[0]);
        }
        while state.shards[0].live.is_some() {
            let mut crashed = state.clone();
            crashed.time_out(0);
            crashed.end_zombies();
            states.push(crashed);
            state.complete(Who::Live(0), 0, Outcome::CarriedOut, self.surroundings());
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for shard in 0..state.shards.len() {
            if state.shards[shard].live.is_some() {
                Self::operations(state, Who::Live(shard), actions);
            }
            self.of_the_mapping(state, shard, actions);
        }
        for zombie in 0..state.zombies.len() {
            Self::operations(state, Who::Zombie(zombie), actions);
        }
        actions.extend((0..state.late.len()).map(Action::CarryOutLate));
        if !state.store.refused_keys.is_empty() {
            if state.shards.iter().all(|shard| shard.live.is_none()) {
                actions.push(Action::AcceptUpdates);
            }
        } else if state.budget.refusals > 0 {
            actions.push(Action::RefuseUpdates);
        }
        self.of_the_operator(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let surroundings = self.surroundings();
        match action {
            Action::Invoke { shard, end, version } => {
                state.budget.invocations -= 1;
                state.invoke(shard, end, version);
            }
            Action::Complete { who, operation, outcome } => {
                state.budget.faults -= u8::from(outcome != Outcome::CarriedOut);
                state.complete(who, operation, outcome, surroundings);
            }
            Action::CarryOutLate(place) => {
                let operation = state.late.remove(place);
                state.carry_out(&operation, surroundings);
                self.coverage.add(Event::CarriedOutLate);
            }
            Action::TimeOut { shard } => state.time_out(shard),
            Action::Replay { shard, from } => {
                state.budget.replays -= 1;
                state.replay(shard, from);
            }
            Action::GiveUp { shard } => {
                state.budget.give_ups -= 1;
                state.give_up(shard);
            }
            Action::RefuseUpdates => {
                state.budget.refusals -= 1;
                state.refuse_updates();
            }
            Action::AcceptUpdates => state.accept_updates(),
            Action::PutBackGivenUp { place, to } => state.put_back_given_up(place, to, surroundings),
            Action::PutBack { place, to, stays } => {
                state.budget.put_backs -= 1;
                state.put_back(place, to, stays, surroundings);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(COUNTED_ONCE, |_, state: &State| {
                audit::counted_at_most_once(&state.store).is_ok()
            }),
            Property::always(ONE_OWNER, |_, state: &State| audit::one_owner(&state.store).is_ok()),
            Property::always(TOTALS, |_, state: &State| {
                state.has_given_up || audit::totals_at_most_the_counts(&state.store).is_ok()
            }),
            Property::always(SETTLES, |model: &Self, state: &State| model.settles(state).is_ok()),
        ]
    }
}
