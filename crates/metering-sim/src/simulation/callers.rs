//! Callers, instances of the authorizer, and their reads.

use metering_core::api_key::KeyDigest;
use metering_core::authorization::Decision;
use metering_core::decision_cache::CacheSettings;
use rand::Rng;

use super::Simulation;
use crate::faults::Fault;
use crate::keys::auditor::{DecidedAt, KeyAuditor};
use crate::keys::instance::{Instance, WrongClock};
use crate::keys::ports::{KeyPorts, KeyRead, KeyReply, PendingRead, PendingReads};
use crate::keys::tables::{Change, KeyTables};
use crate::ports::lock;

/// Number of instances.
const INSTANCES: usize = 3;
/// Assumed bound of the index's lag, in milliseconds. The simulated lag stays below it.
const INDEX_LAG_BOUND_MS: u64 = 5_000;
/// Maximum duration of a read, in milliseconds. A longer one has failed.
const READ_LIMIT_MS: u64 = 4_000;
/// Time for which a key is cached, in milliseconds.
const KEY_LIFETIME_MS: u64 = 8_000;
/// Maximum time for which an instance is frozen, in milliseconds.
const MAX_FREEZE_MS: i64 = 120_000;
/// Maximum difference by which a wall clock is set, in milliseconds.
const MAX_CLOCK_STEP_MS: i64 = 120_000;

/// A call that the API has answered, and whose line it will log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnsweredCall {
    /// The id of the key that was admitted; `None` if the call was denied.
    pub key_id: Option<String>,
    /// The status of the response.
    pub status: u16,
}

/// A message about a change of a key, on its way to one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub place: usize,
    pub key_id: String,
    pub sequence: u64,
}

/// Keys, the instances that admit them, and their callers.
#[derive(Debug, Default)]
pub(super) struct Callers {
    pub tables: KeyTables,
    pub auditor: KeyAuditor,
    pub answered: Vec<AnsweredCall>,
    pub messages: Vec<Message>,
    pub next_key: u32,
    /// The secrets that the change in progress ends.
    pub ending: Vec<KeyDigest>,
    /// Number of calls that were decided.
    pub decisions: u64,
    /// Number of calls that an instance could not decide.
    undecided: u64,
    /// Number of times that the log was lost.
    losses: u64,
    /// Time from which the restored log can be read, in milliseconds since 1970.
    pub log_readable_from_ms: i64,
    instances: Vec<Instance>,
    next_instance: u64,
    pending: PendingReads,
    sync_interval_ms: u64,
}

fn settings(sync_interval_ms: u64) -> CacheSettings {
    CacheSettings {
        sync_interval_ms,
        sync_retry_ms: 500,
        key_lifetime_ms: KEY_LIFETIME_MS,
        unknown_lifetime_ms: 5_000,
        usage_lifetime_ms: 30_000,
        usage_lifetime_near_limit_ms: 5_000,
        usage_stale_limit_ms: 300_000,
        index_lag_bound_ms: INDEX_LAG_BOUND_MS,
        read_limit_ms: READ_LIMIT_MS,
        // Small, so that entries are evicted and the cache is emptied.
        max_keys: 4,
        max_unknown: 2,
        max_tombstones: 4,
    }
}

impl Simulation<'_> {
    /// Creates the first keys, and starts the instances.
    pub(super) fn start_callers(&mut self) {
        let interval_ms = [0, 1_000, 5_000][self.pick(3)];
        self.callers.sync_interval_ms = interval_ms;
        self.callers.auditor.promised_interval_ms = i64::try_from(interval_ms).unwrap_or(i64::MAX);
        for _ in 0..3 {
            self.create_key();
        }
        for _ in 0..INSTANCES {
            let instance = self.new_instance();
            self.callers.instances.push(instance);
        }
    }

    fn new_instance(&mut self) -> Instance {
        let instance = self.callers.next_instance;
        self.callers.next_instance += 1;
        let wrong_clock = if self.random.random_bool(0.5) { WrongClock::Wall } else { WrongClock::Monotonic };
        let ports = KeyPorts { instance, pending: self.callers.pending.clone() };
        Instance::start(ports, settings(self.callers.sync_interval_ms), wrong_clock, self.now_ms)
    }

    /// Carries out one step of the callers, the instances or their keys.
    pub(super) fn step_callers(&mut self) -> Result<(), String> {
        match self.random.random_range(0..100) {
            0..35 => self.call_some(),
            35..75 => self.continue_read(true),
            75..85 => self.continue_change(),
            85..91 => self.deliver_message(),
            91 => self.replace_instance(),
            92..95 => self.freeze_instance(),
            95..98 => self.set_clock(),
            98 => self.lose_log(),
            _ => self.expire_log(),
        }
        self.poll_instances()
    }

    /// Completes all calls without faults.
    pub(super) fn drain_callers(&mut self) -> Result<(), String> {
        loop {
            self.poll_instances()?;
            if lock(&self.callers.pending).is_empty() {
                return Ok(());
            }
            self.continue_read(false);
        }
    }

    /// Calls every instance with every secret after all faults. Each call is decided: every valid
    /// secret is admitted, and no other.
    pub(super) fn audit_callers(&mut self) -> Result<(), String> {
        self.drain_callers()?;
        if self.callers.instances.is_empty() {
            return Ok(());
        }
        self.end_change();
        let waits_ms = i64::try_from(self.callers.sync_interval_ms + READ_LIMIT_MS).unwrap_or(0);
        self.now_ms = self.now_ms.max(self.callers.log_readable_from_ms) + MAX_FREEZE_MS + waits_ms;
        let undecided = self.callers.undecided;
        for digest in self.callers.auditor.digests() {
            let call = self.callers.auditor.expect(digest, self.now_ms);
            for instance in &mut self.callers.instances {
                instance.call(call);
            }
        }
        self.drain_callers()?;
        match self.callers.undecided - undecided {
            0 => Ok(()),
            calls => Err(format!("{calls} calls were not decided although no read failed")),
        }
    }

    fn call_some(&mut self) {
        let place = self.pick(self.callers.instances.len());
        if self.callers.instances[place].is_frozen(self.now_ms) {
            return;
        }
        for _ in 0..self.random.random_range(1..4) {
            let digests = self.callers.auditor.digests();
            let choice = self.pick(digests.len() + 1);
            let unknown = || KeyDigest::of_bytes(b"no key has this secret");
            let digest = digests.get(choice).copied().unwrap_or_else(unknown);
            let call = self.callers.auditor.expect(digest, self.now_ms);
            self.callers.instances[place].call(call);
        }
    }

    /// Polls all instances, and checks the calls that they answer.
    fn poll_instances(&mut self) -> Result<(), String> {
        for place in 0..self.callers.instances.len() {
            if self.callers.instances[place].is_frozen(self.now_ms) {
                continue;
            }
            let Instance { number, wrong_clock, .. } = self.callers.instances[place];
            let at = DecidedAt { now_ms: self.now_ms, has_right_clock: wrong_clock != WrongClock::Wall };
            for (call, answer) in self.callers.instances[place].poll(self.now_ms) {
                let Some(decision) = answer else {
                    self.callers.undecided += 1;
                    self.callers.answered.push(AnsweredCall { key_id: None, status: 500 });
                    continue;
                };
                self.trace(|| format!("instance {number} decides: {}", describe(&decision)));
                self.callers.decisions += 1;
                self.callers.auditor.check(&call, &decision, at)?;
                if call.is_expired && at.has_right_clock && !decision.is_allowed() {
                    self.counts.add(Fault::SecretExpired);
                }
                let key_id = match &decision {
                    Decision::Allow { key, .. } => Some(key.key_id.clone()),
                    Decision::Deny { .. } => None,
                };
                let status = if key_id.is_some() { self.draw_status() } else { 403 };
                self.callers.answered.push(AnsweredCall { key_id, status });
            }
        }
        let now_ms = self.now_ms;
        for read in lock(&self.callers.pending).iter_mut() {
            read.requested_at_ms.get_or_insert(now_ms);
        }
        Ok(())
    }

    /// Lets a pending read see the tables, or lets its reply arrive.
    fn continue_read(&mut self, may_fail: bool) {
        let pending = self.callers.pending.clone();
        let count = lock(&pending).len();
        if count == 0 {
            return;
        }
        let place = self.pick(count);
        let mut read = lock(&pending).swap_remove(place);
        let requested_at_ms = read.requested_at_ms.unwrap_or(self.now_ms);
        let is_over = self.now_ms - requested_at_ms > i64::try_from(READ_LIMIT_MS).unwrap_or(i64::MAX);
        let is_lost = matches!(read.read, KeyRead::Log(_)) && self.now_ms < self.callers.log_readable_from_ms;
        if is_over || is_lost || (may_fail && self.injects(Fault::FailedRead, 0.05)) {
            self.trace(|| format!("a read of instance {} fails: {:?}", read.instance, read.read));
            drop(read.reply.send(None));
            return;
        }
        if read.seen.is_none() {
            read.seen = Some(self.see(&read, may_fail));
            if may_fail && self.injects(Fault::LateReply, 0.4) {
                read.losses = self.callers.losses;
                lock(&pending).push(read);
                return;
            }
        } else if let (KeyRead::Log(position), Some(KeyReply::Log(seen))) = (&read.read, &read.seen)
            && read.losses == self.callers.losses
            && self.random.random_bool(0.5)
        {
            // The read returns the head last, so it may see a later one.
            read.seen = Some(KeyReply::Log(self.callers.tables.with_head(seen.clone(), *position)));
        }
        let PendingRead { instance, read, seen, reply, .. } = read;
        self.trace(|| format!("instance {instance} reads {read:?}: {seen:?}"));
        // The instance may have been replaced.
        drop(reply.send(seen));
    }

    fn see(&mut self, read: &PendingRead, may_lag: bool) -> KeyReply {
        if self.callers.tables.change.as_ref().is_some_and(Change::is_partly_visible) {
            self.counts.add(Fault::PartlyVisibleChange);
        }
        match &read.read {
            KeyRead::Table(digest) => KeyReply::Key(self.callers.tables.find(digest).map(Box::new)),
            KeyRead::Log(position) => KeyReply::Log(self.callers.tables.read_log(*position)),
            KeyRead::Index(digest) => {
                let may_lag = may_lag && self.settings.faults.contains(Fault::StaleIndex);
                let lag_ms = if may_lag { self.random.random_range(0..INDEX_LAG_BOUND_MS) } else { 0 };
                let at_ms = self.now_ms.saturating_sub_unsigned(lag_ms);
                let found = self.callers.tables.find_by_index(digest, at_ms);
                if found != self.callers.tables.find_by_index(digest, self.now_ms) {
                    self.counts.add(Fault::StaleIndex);
                }
                KeyReply::Key(found.map(Box::new))
            }
        }
    }

    fn replace_instance(&mut self) {
        let place = self.pick(self.callers.instances.len());
        if self.injects(Fault::ColdStart, 0.5) {
            let instance = self.new_instance();
            self.trace(|| format!("instance {} replaces the one at {place}", instance.number));
            self.callers.instances[place] = instance;
            let numbers: Vec<u64> = self.callers.instances.iter().map(|instance| instance.number).collect();
            lock(&self.callers.pending).retain(|read| numbers.contains(&read.instance));
        }
    }

    fn freeze_instance(&mut self) {
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

    fn set_clock(&mut self) {
        let place = self.pick(self.callers.instances.len());
        let change_ms = self.random.random_range(-MAX_CLOCK_STEP_MS..MAX_CLOCK_STEP_MS);
        let fault = if change_ms < 0 { Fault::ClockSetBack } else { Fault::ClockSetForward };
        if self.callers.instances[place].wrong_clock == WrongClock::Wall && self.injects(fault, 1.0) {
            self.trace(|| format!("the clock of the instance at {place} is set by {change_ms} ms"));
            self.callers.instances[place].set_wall_clock(change_ms);
        }
    }

    fn deliver_message(&mut self) {
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
    fn lose_log(&mut self) {
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

    fn expire_log(&mut self) {
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

fn describe(decision: &Decision) -> String {
    match decision {
        Decision::Allow { key, .. } => format!("{} version {} is admitted", key.key_id, key.version),
        Decision::Deny { denial, .. } => format!("denied as {}", denial.reason()),
    }
}
