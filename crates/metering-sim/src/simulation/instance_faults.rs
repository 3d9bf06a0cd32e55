//! Faults of the instances, their clocks and messages, and of the invalidation log.

use rand::Rng;

use super::Simulation;
use super::callers::{INDEX_LAG_BOUND_MS, KEY_LIFETIME_MS, MAX_FREEZE_MS, Message, READ_LIMIT_MS};
use crate::faults::Fault;
use crate::keys::instance::WrongClock;
use crate::ports::lock;

/// Maximum difference by which a wall clock is set, in milliseconds.
const MAX_CLOCK_STEP_MS: i64 = 120_000;

impl Simulation<'_> {
    pub(super) fn replace_instance(&mut self) {
        let place = self.pick(self.callers.instances.len());
        if self.injects(Fault::ColdStart, 0.5) {
            let instance = self.new_instance();
            self.trace(|| format!("instance {} replaces the one at {place}", instance.number));
            self.callers.instances[place] = instance;
            let numbers: Vec<u64> = self.callers.instances.iter().map(|instance| instance.number).collect();
            lock(&self.callers.pending).retain(|read| numbers.contains(&read.instance));
        }
    }

    pub(super) fn freeze_instance(&mut self) {
        let place = self.pick(self.callers.instances.len());
        let duration_ms = self.random.random_range(0..MAX_FREEZE_MS);
        let now_ms = self.now_ms;
        let instance = &mut self.callers.instances[place];
        if instance.wrong_clock == WrongClock::Monotonic
            && self.settings.faults.contains(Fault::FrozenInstance)
            && instance.freeze(duration_ms, now_ms)
        {
            self.counts.add(Fault::FrozenInstance);
            self.trace(|| format!("the instance at {place} is frozen for {duration_ms} ms"));
        }
    }

    pub(super) fn set_clock(&mut self) {
        let place = self.pick(self.callers.instances.len());
        let change_ms = self.random.random_range(-MAX_CLOCK_STEP_MS..MAX_CLOCK_STEP_MS);
        let fault = if change_ms < 0 { Fault::ClockSetBack } else { Fault::ClockSetForward };
        if self.callers.instances[place].wrong_clock == WrongClock::Wall && self.injects(fault, 1.0) {
            self.trace(|| format!("the clock of the instance at {place} is set by {change_ms} ms"));
            self.callers.instances[place].set_wall_clock(change_ms);
        }
    }

    pub(super) fn deliver_message(&mut self) {
        if self.callers.messages.is_empty() {
            return;
        }
        let place = self.pick(self.callers.messages.len());
        let message = self.callers.messages[place].clone();
        if self.callers.instances[message.place].is_frozen(self.now_ms) {
            return;
        }
        let is_repeated = self.injects(Fault::RepeatedMessage, 0.2);
        if !is_repeated {
            self.callers.messages.swap_remove(place);
        }
        if self.injects(Fault::LostMessage, 0.3) {
            return;
        }
        let Message { place, key_id, sequence } = message;
        self.trace(|| format!("a message names change {sequence} of {key_id} to the instance at {place}"));
        self.callers.instances[place].notice(&key_id, sequence, self.now_ms);
    }

    /// Restores the log to an earlier state. The log cannot be read until the restore has
    /// ended, which takes longer than the index lags and than a copy of a key is used:
    /// the authorizer relies on that.
    pub(super) fn lose_log(&mut self) {
        if self.callers.tables.change.is_some() || !self.settings.faults.contains(Fault::LogLost) {
            return;
        }
        let lost = self.random.random_range(1..4);
        if self.random.random_bool(0.2) && self.callers.tables.lose_entries(lost) {
            self.callers.losses += 1;
            let outage_ms =
                INDEX_LAG_BOUND_MS.max(KEY_LIFETIME_MS) + READ_LIMIT_MS + self.callers.sync_interval_ms;
            self.callers.log_readable_from_ms = self.now_ms.saturating_add_unsigned(outage_ms);
            self.counts.add(Fault::LogLost);
            self.trace(|| format!("the last {lost} entries of the log are lost"));
        }
    }

    pub(super) fn expire_log(&mut self) {
        if self.injects(Fault::LogExpired, 0.2) {
            self.trace(|| "all entries of the log expire".to_owned());
            self.callers.tables.expire_entries();
        }
    }

    pub(super) fn queue_messages(&mut self, key_id: &str, sequence: u64) {
        for place in 0..self.callers.instances.len() {
            self.callers.messages.push(Message { place, key_id: key_id.to_owned(), sequence });
        }
    }
}
