//! Callers, instances of the authorizer, and their reads.

use metering_core::api_key::KeyDigest;
use metering_core::authorization::Decision;
use metering_core::decision_cache::CacheSettings;
use rand::Rng;

use super::Simulation;
use crate::faults::Fault;
use crate::keys::auditor::{DecidedAt, KeyAuditor};
use crate::keys::instance::{Instance, WrongClock};
use crate::keys::ledger_history::LedgerHistory;
use crate::keys::limit_auditor::LimitAuditor;
use crate::keys::ports::{KeyPorts, PendingReads};
use crate::keys::tables::KeyTables;
use crate::ports::lock;

/// Number of instances.
const INSTANCES: usize = 3;
/// Assumed bound of the index's lag, in milliseconds. The simulated lag stays below it.
pub(super) const INDEX_LAG_BOUND_MS: u64 = 5_000;
/// Maximum duration of a read, in milliseconds. A longer one has failed.
pub(super) const READ_LIMIT_MS: u64 = 4_000;
/// Time for which a key is cached, in milliseconds.
pub(super) const KEY_LIFETIME_MS: u64 = 8_000;
/// Maximum time for which an instance is frozen, in milliseconds.
pub(super) const MAX_FREEZE_MS: i64 = 120_000;
/// Time for which usage is cached, in milliseconds: below 80 % of a limit, from there on, and while it
/// cannot be read.
const USAGE_LIFETIMES_MS: [u64; 3] = [6_000, 2_000, 20_000];

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
    /// `true` if keys have monthly limits.
    pub has_limits: bool,
    pub limits: LimitAuditor,
    pub ledger: LedgerHistory,
    /// Time from which the instances can read the ledger, in milliseconds since 1970.
    pub ledger_readable_from_ms: i64,
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
    pub losses: u64,
    /// Time from which the restored log can be read, in milliseconds since 1970.
    pub log_readable_from_ms: i64,
    pub instances: Vec<Instance>,
    next_instance: u64,
    pub pending: PendingReads,
    pub sync_interval_ms: u64,
}

/// Returns a number of milliseconds as a duration of the simulation.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn settings(sync_interval_ms: u64) -> CacheSettings {
    CacheSettings {
        sync_interval_ms,
        sync_retry_ms: 500,
        key_lifetime_ms: KEY_LIFETIME_MS,
        unknown_lifetime_ms: 5_000,
        usage_lifetime_ms: USAGE_LIFETIMES_MS[0],
        usage_lifetime_near_limit_ms: USAGE_LIFETIMES_MS[1],
        usage_stale_limit_ms: USAGE_LIFETIMES_MS[2],
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
        self.callers.auditor.promised_interval_ms = signed(interval_ms);
        let limits = &mut self.callers.limits;
        limits.promised_interval_ms = signed(interval_ms);
        [limits.max_age_ms, limits.max_age_near_limit_ms, limits.max_age_unreadable_ms] =
            USAGE_LIFETIMES_MS.map(signed);
        for _ in 0..3 {
            self.create_key();
        }
        for _ in 0..INSTANCES {
            let instance = self.new_instance();
            self.callers.instances.push(instance);
        }
    }

    pub(super) fn new_instance(&mut self) -> Instance {
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
            35..75 => self.continue_read(true)?,
            75..85 => self.continue_change(),
            85..91 => self.deliver_message(),
            91 => self.replace_instance(),
            92..95 => self.freeze_instance(),
            95..98 => self.set_clock(),
            98 if self.random.random_bool(0.3) => self.lose_ledger(),
            98 => self.lose_log(),
            _ => self.expire_log(),
        }
        if self.callers.has_limits {
            // A call needs the usage as well.
            self.poll_instances()?;
            self.continue_read(true)?;
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
            self.continue_read(false)?;
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
        let waits_ms = signed(self.callers.sync_interval_ms + READ_LIMIT_MS);
        let readable_from_ms = self.callers.log_readable_from_ms.max(self.callers.ledger_readable_from_ms);
        self.now_ms = self.now_ms.max(readable_from_ms) + MAX_FREEZE_MS + waits_ms;
        let undecided = self.callers.undecided;
        for digest in self.callers.auditor.digests() {
            let call = self.callers.auditor.expect(digest, self.now_ms);
            for instance in &mut self.callers.instances {
                instance.call(call);
            }
        }
        self.drain_callers()?;
        self.callers.limits.check_sent(self.now_ms)?;
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
                    self.trace(|| format!("instance {number} cannot decide on {:?}", call.digest));
                    self.callers.undecided += 1;
                    self.callers.answered.push(AnsweredCall { key_id: None, status: 500 });
                    continue;
                };
                self.trace(|| format!("instance {number} decides: {}", describe(&decision)));
                self.callers.decisions += 1;
                self.callers.auditor.check(&call, &decision, at)?;
                self.check_limit(number, &call, &decision, at)?;
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
}

fn describe(decision: &Decision) -> String {
    match decision {
        Decision::Allow { key, .. } => format!("{} version {} is admitted", key.key_id, key.version),
        Decision::Deny { denial, .. } => format!("denied as {}", denial.reason()),
    }
}
