//! A model of the invalidation protocol, checked in every interleaving.
//!
//! Instances run the real [`DecisionCache`] over two keys.
//!
//! - Keys are deleted at any time. The writes of a deletion become visible one
//!   by one, in any order, before the deletion returns. The log can be lost or
//!   restored ([`tables`]).
//! - A read begins as soon as it can, sees the table at that time, and its reply
//!   arrives at any later time. (A read that began later could only see more.)
//!   Only a read of the log may see the head later than the entries.
//! - The index shows a key as it was some ticks ago.
//! - Messages reach any instance at any time, repeatedly or never.
//! - Instances restart with empty caches at any time.
//!
//! No request that began an interval after the deletion of its key had returned
//! may be admitted.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::hash::{Hash, Hasher};

use metering_core::api_key::KeyRecord;
use metering_core::clock_reading::ClockReading;
use metering_core::decision_cache::{CacheSettings, DecisionCache, Read, ReadStart, Request, Step};
use metering_core::invalidation::LogRead;
use stateright::{Checker, Model, Property};

#[path = "invalidation_model/tables.rs"]
mod tables;

use tables::{KEYS, Part, Tables, Writer, digest, id};

/// Maximum duration of a read, in ticks. A longer read has timed out.
const READ_LIMIT: u64 = 1;

#[expect(clippy::struct_excessive_bools, reason = "each is a rule that a test removes")]
struct Protocol {
    instances: usize,
    settings: CacheSettings,
    /// Ticks after which a deleted key may no longer be admitted.
    promised_interval: u64,
    /// Maximum lag of the index, in ticks.
    index_lag: u64,
    /// `true` if the reply to a read arrives immediately.
    reads_at_once: bool,
    /// `true` if an instance keeps the tombstones from the log and from messages.
    keeps_tombstones: bool,
    /// `true` if messages notify instances of changes.
    sends_messages: bool,
    writer: Writer,
    /// `true` if the log can be lost or restored.
    loses_log: bool,
}

impl Protocol {
    /// Creates the protocol with all of its rules. A tick is a millisecond of the cache.
    fn new(instances: usize, sync_interval: u64, index_lag: u64, key_lifetime: u64) -> Self {
        let settings = CacheSettings {
            sync_interval_ms: sync_interval,
            sync_retry_ms: 1,
            key_lifetime_ms: key_lifetime,
            unknown_lifetime_ms: 1,
            usage_lifetime_ms: 1,
            usage_lifetime_near_limit_ms: 1,
            usage_stale_limit_ms: 1,
            index_lag_bound_ms: index_lag,
            read_limit_ms: READ_LIMIT,
            max_keys: 10,
            max_unknown: 10,
            max_tombstones: 10,
        };
        Self {
            instances,
            settings,
            promised_interval: sync_interval,
            index_lag,
            reads_at_once: false,
            keeps_tombstones: true,
            sends_messages: true,
            writer: Writer { is_torn: true, waits: true, versions_rise: true },
            loses_log: false,
        }
    }

    /// Returns the protocol with changes whose writes become visible together.
    fn with_whole_changes(self) -> Self {
        Self { writer: Writer { is_torn: false, ..self.writer }, ..self }
    }

    /// Returns the ticks for which the log cannot be read during a restore. A restore
    /// of all entries takes longer than any earlier read is used. A log that lost
    /// entries is recognised, so it can be readable immediately.
    fn outage(&self, kept: usize) -> u64 {
        let settings = &self.settings;
        let longest = settings.key_lifetime_ms.max(self.index_lag) + self.promised_interval + READ_LIMIT;
        if kept == KEYS { longest } else { 0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Reading {
    /// A read of the log from a position, and the log's state at the time.
    Log {
        position: Option<u64>,
        was_lost: bool,
        read: LogRead,
    },
    Index(KeyRecord),
    Table(KeyRecord),
}

#[derive(Clone, Debug)]
struct PendingRequest {
    key: usize,
    request: Request,
    /// `true` if the key's deletion returned so long ago that the request may not be admitted.
    is_too_late: bool,
    reading: Option<(ReadStart, Reading)>,
}

#[derive(Clone, Debug)]
struct Instance {
    cache: DecisionCache,
    pending: Option<PendingRequest>,
}

#[derive(Clone, Debug)]
struct State {
    age_limit: u64,
    tick: u64,
    tables: Tables,
    instances: Vec<Instance>,
    admitted_too_late: bool,
    admitted: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Tick,
    Delete(usize),
    Show(usize, Part),
    LoseLog { kept: usize },
    Begin { instance: usize, key: usize, index_lags: bool },
    Deliver { instance: usize, index_lags: bool, with_later_head: bool },
    LogFails { instance: usize },
    Message { instance: usize, key: usize },
    Restart { instance: usize },
}

fn clock_reading(tick: u64) -> ClockReading {
    ClockReading { wall_ms: i64::try_from(tick).unwrap(), monotonic_ms: tick }
}

impl Instance {
    fn cold(settings: CacheSettings) -> Self {
        Self { cache: DecisionCache::new(settings), pending: None }
    }

    /// Returns a key of all state that affects later steps.
    fn key(&self, now: ClockReading) -> impl PartialEq + Hash + use<> {
        let pending = self.pending.as_ref().map(|pending| {
            let synced = self.cache.synced_since(&pending.request);
            let reading = pending.reading.as_ref().map(|(start, read)| {
                let found = match read {
                    Reading::Log { position, was_lost, read } => {
                        let entries: Vec<_> =
                            read.entries.iter().map(|entry| (entry.sequence, entry.key_id.clone())).collect();
                        (u8::from(*was_lost), read.head, *position, entries)
                    }
                    Reading::Index(key) => (2, key.version, None, Vec::new()),
                    Reading::Table(key) => (3, key.version, None, Vec::new()),
                };
                (now.age_ms(start.began), found)
            });
            (pending.key, pending.request.fingerprint(), pending.is_too_late, synced, reading)
        });
        (self.cache.fingerprint(now), pending)
    }
}

impl State {
    fn shared(&self) -> impl PartialEq + Hash + use<> {
        // Ages instead of ticks, with an upper limit, so that the number of states is finite.
        (self.tables.fingerprint(self.tick, self.age_limit), self.admitted_too_late)
    }

    /// Continues the request of an instance until it waits for a read or ends.
    fn advance(&mut self, instance: usize, index_lags: bool) {
        let now = clock_reading(self.tick);
        let Instance { cache, pending } = &mut self.instances[instance];
        let Some(waiting) = pending else { return };
        let read = match cache.step(&waiting.request, now) {
            Step::Read(Read::Log) => {
                let position = cache.log_position();
                let (was_lost, read) = (self.tables.was_lost, self.tables.read_log(position));
                Reading::Log { position, was_lost, read }
            }
            Step::Read(Read::KeyByIndex) if index_lags => Reading::Index(Tables::outdated_key(waiting.key)),
            Step::Read(Read::KeyByIndex) => Reading::Index(self.tables.key(waiting.key)),
            Step::Read(Read::KeyConsistently) => Reading::Table(self.tables.key(waiting.key)),
            Step::Answer(decision) => {
                self.admitted |= decision.is_allowed();
                self.admitted_too_late |= decision.is_allowed() && waiting.is_too_late;
                *pending = None;
                return;
            }
            step => panic!("{step:?} cannot happen here"),
        };
        waiting.reading = Some((cache.begin_read(now), read));
    }

    fn deliver(&mut self, instance: usize, with_later_head: bool, keeps_tombstones: bool) {
        let now = clock_reading(self.tick);
        let Instance { cache, pending } = &mut self.instances[instance];
        let pending = pending.as_mut().unwrap();
        let (start, read) = pending.reading.take().unwrap();
        match read {
            Reading::Log { position, mut read, .. } => {
                if with_later_head {
                    read = self.tables.with_head(read, position);
                }
                if !keeps_tombstones {
                    read.entries.iter_mut().for_each(|entry| "unknown".clone_into(&mut entry.key_id));
                }
                cache.synced(start, &read, now);
            }
            Reading::Index(key) => cache.found_by_index(&mut pending.request, start, Some(key), now),
            Reading::Table(key) => cache.found_consistently(&mut pending.request, start, Some(key), now),
        }
    }

    /// Adds the possible outcomes of the read that an instance waits for.
    fn deliveries(&self, instance: usize, index_lag: u64, actions: &mut Vec<Action>) {
        let Some(pending) = &self.instances[instance].pending else { return };
        let mut with_later_head = false;
        if let Some((_, Reading::Log { position, was_lost, read })) = &pending.reading {
            actions.push(Action::LogFails { instance });
            if !self.tables.can_read_log(self.tick) {
                return;
            }
            with_later_head = self.tables.with_head(read.clone(), *position) != *read
                // A Query does not read both a lost log and its successor.
                && self.tables.was_lost == *was_lost;
        }
        let deliver = |index_lags, with_later_head| Action::Deliver { instance, index_lags, with_later_head };
        actions.push(deliver(false, false));
        if with_later_head {
            actions.push(deliver(false, true));
        }
        if self.tables.index_may_lag(pending.key, self.tick, index_lag) {
            actions.push(deliver(true, false));
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.instances.iter().zip(&other.instances);
        self.shared() == other.shared()
            && pairs.into_iter().all(|(left, right)| {
                left.key(clock_reading(self.tick)) == right.key(clock_reading(other.tick))
            })
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.shared().hash(hasher);
        let now = clock_reading(self.tick);
        // Instances are interchangeable, so their order does not matter.
        let hash = |instance: &Instance| {
            let mut hasher = std::hash::DefaultHasher::new();
            instance.key(now).hash(&mut hasher);
            hasher.finish()
        };
        let mut hashes: Vec<u64> = self.instances.iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.hash(hasher);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let instances = (0..self.instances).map(|_| Instance::cold(self.settings)).collect();
        vec![State {
            age_limit: self.index_lag.max(self.promised_interval) + 1,
            tick: 0,
            tables: Tables::new(self.writer),
            instances,
            admitted_too_late: false,
            admitted: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let (tick, tables) = (state.tick, &state.tables);
        actions.push(Action::Tick);
        for key in 0..KEYS {
            if tables.can_begin(key, tick) {
                actions.push(Action::Delete(key));
            }
            actions.extend(tables.hidden(key).into_iter().map(|part| Action::Show(key, part)));
        }
        if self.loses_log && !tables.was_lost && tables.is_at_rest() {
            actions.extend((0..=KEYS).map(|kept| Action::LoseLog { kept }));
        }
        for (instance, Instance { cache, pending }) in state.instances.iter().enumerate() {
            if pending.is_some() {
                state.deliveries(instance, self.index_lag, actions);
            } else {
                for key in 0..KEYS {
                    actions.push(Action::Begin { instance, key, index_lags: false });
                    if tables.index_may_lag(key, tick, self.index_lag) {
                        actions.push(Action::Begin { instance, key, index_lags: true });
                    }
                }
            }
            let notified = (0..KEYS).filter(|key| tables.returned(*key, tick).is_some());
            if self.keeps_tombstones && self.sends_messages {
                actions.extend(notified.map(|key| Action::Message { instance, key }));
            }
            if cache.log_position().is_some() || pending.is_some() {
                actions.push(Action::Restart { instance });
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => {
                state.tick += 1;
                let now = clock_reading(state.tick);
                for instance in &mut state.instances {
                    let reading = instance.pending.as_ref().and_then(|pending| pending.reading.as_ref());
                    if reading.is_some_and(|(start, _)| now.age_ms(start.began) > READ_LIMIT) {
                        instance.pending = None;
                    }
                }
            }
            Action::Delete(key) => state.tables.begin(key, state.tick),
            Action::Show(key, part) => state.tables.show(key, part, state.tick),
            Action::LoseLog { kept } => state.tables.lose_log(kept, state.tick, self.outage(kept)),
            Action::Begin { instance, key, index_lags } => {
                let returned = state.tables.returned(key, state.tick);
                let is_too_late = returned.is_some_and(|(_, ticks)| ticks >= self.promised_interval);
                let request = state.instances[instance].cache.begin(digest(key));
                state.instances[instance].pending =
                    Some(PendingRequest { key, request, is_too_late, reading: None });
                state.advance(instance, index_lags);
                while self.reads_at_once && state.instances[instance].pending.is_some() {
                    state.deliver(instance, false, self.keeps_tombstones);
                    state.advance(instance, index_lags);
                }
            }
            Action::Deliver { instance, index_lags, with_later_head } => {
                state.deliver(instance, with_later_head, self.keeps_tombstones);
                state.advance(instance, index_lags);
            }
            Action::LogFails { instance } => {
                let failing = &mut state.instances[instance];
                failing.cache.sync_failed(clock_reading(state.tick));
                failing.pending.as_mut().unwrap().reading = None;
                state.advance(instance, false);
            }
            Action::Message { instance, key } => {
                let (sequence, _) = state.tables.returned(key, state.tick).unwrap();
                let now = clock_reading(state.tick);
                state.instances[instance].cache.record_invalidation(&id(key), sequence, now);
            }
            Action::Restart { instance } => state.instances[instance] = Instance::cold(self.settings),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOT_TOO_LATE, |_, state: &State| !state.admitted_too_late),
            Property::sometimes("a key is admitted", |_, state: &State| state.admitted),
        ]
    }
}

const NOT_TOO_LATE: &str = "no request is admitted an interval after the deletion of its key returned";

fn assert_holds(protocol: Protocol) {
    // Depth first, because breadth first keeps too many states in memory.
    let checker = protocol.checker().threads(2).spawn_dfs().join();
    println!("{} states, {} unique", checker.state_count(), checker.unique_state_count());
    checker.assert_properties();
}

fn assert_broken(protocol: Protocol) {
    // Breadth first, because that finds a shortest counterexample.
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    let path = checker.discovery(NOT_TOO_LATE).expect("without the rule, a deleted key is admitted");
    println!("without the rule: {:?}", path.into_actions());
}

#[test]
fn one_instance_in_every_interleaving_of_its_reads() {
    // Sync interval, lag of the index and lifetime of a key, in ticks.
    for (sync_interval, index_lag, key_lifetime) in [(0, 1, 2), (1, 1, 2), (1, 0, 3), (2, 1, 2)] {
        assert_holds(Protocol::new(1, sync_interval, index_lag, key_lifetime).with_whole_changes());
    }
}

#[test]
fn one_instance_beside_changes_that_become_visible_write_by_write() {
    for sync_interval in [0, 1] {
        for index_lag in [0, 1] {
            assert_holds(Protocol { sends_messages: false, ..Protocol::new(1, sync_interval, index_lag, 1) });
        }
    }
}

#[test]
fn one_instance_whose_log_is_lost_or_restored() {
    for sync_interval in [0, 1] {
        let protocol = Protocol::new(1, sync_interval, 0, 1);
        let protocol = Protocol { loses_log: true, sends_messages: false, ..protocol };
        assert_holds(protocol.with_whole_changes());
    }
}

/// Instances share only the tables, so one instance can violate the property in
/// every way in which three can, and the tests above check one instance fully.
/// Several instances are checked with immediate reads, and with shorter lags and
/// lifetimes, to bound the number of states.
#[test]
fn three_instances_two_keys() {
    let protocol = Protocol { reads_at_once: true, sends_messages: false, ..Protocol::new(3, 0, 0, 1) };
    assert_holds(protocol.with_whole_changes());
}

#[test]
fn two_instances_that_remember_keys_for_longer_than_the_interval() {
    assert_holds(Protocol { reads_at_once: true, ..Protocol::new(2, 1, 0, 2).with_whole_changes() });
}

#[test]
fn without_the_sync_rule_a_deleted_key_is_admitted() {
    let mut protocol = Protocol::new(1, 1, 1, 2).with_whole_changes();
    protocol.settings.sync_interval_ms = u64::MAX;
    assert_broken(protocol);
}

#[test]
fn without_the_tombstones_a_deleted_key_is_admitted() {
    let protocol = |index_lag, key_lifetime| Protocol {
        keeps_tombstones: false,
        ..Protocol::new(1, 1, index_lag, key_lifetime).with_whole_changes()
    };
    assert_broken(protocol(1, 2));
    // A stale index alone suffices, without a cached key.
    assert_broken(protocol(2, 1));
}

#[test]
fn without_the_index_rule_a_cold_instance_admits_a_deleted_key() {
    let mut protocol = Protocol::new(1, 1, 1, 2).with_whole_changes();
    protocol.settings.index_lag_bound_ms = 0;
    protocol.index_lag = 2;
    assert_broken(protocol);
}

#[test]
fn where_a_change_does_not_wait_for_the_one_before_a_deleted_key_is_admitted() {
    let mut protocol = Protocol { reads_at_once: true, ..Protocol::new(1, 1, 0, 2) };
    protocol.writer.waits = false;
    assert_broken(protocol);
}

#[test]
fn where_versions_fall_with_a_log_that_was_lost_a_deleted_key_is_admitted() {
    let protocol = Protocol { loses_log: true, reads_at_once: true, ..Protocol::new(1, 1, 1, 2) };
    let mut protocol = protocol.with_whole_changes();
    protocol.writer.versions_rise = false;
    assert_broken(protocol);
}

/// If two states with the same key had different successors, the visited states
/// would depend on which of them is visited first.
#[test]
fn states_that_are_taken_for_the_same_go_on_alike() {
    let protocol = || Protocol::new(1, 0, 1, 1).with_whole_changes().checker().threads(1);
    let breadth_first = protocol().spawn_bfs().join();
    breadth_first.assert_properties();
    let breadth_first = breadth_first.unique_state_count();
    let depth_first = protocol().spawn_dfs().join().unique_state_count();
    assert_eq!(depth_first, breadth_first);
}
