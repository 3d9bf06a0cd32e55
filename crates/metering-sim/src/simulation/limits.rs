//! Monthly limits of keys.

use metering_core::authorization::{Decision, Denial};
use rand::Rng;

use super::callers::AnsweredCall;
use super::{KeySource, Simulation};
use crate::faults::Fault;
use crate::keys::auditor::{DecidedAt, Expectation};
use crate::keys::calendar::{month_start_ms, next_month_start_ms};

/// Number of calls that the ledger has before the first decision.
const EARLIER_CALLS: usize = 24;
/// The keys of these calls.
const EARLIER_KEYS: [&str; 3] = ["a", "b", "c"];
/// Maximum time before the end of a month at which a simulation starts that ends in the next one, in milliseconds.
const MAX_MS_BEFORE_END: i64 = 80_000;
/// Maximum time for which the instances cannot read the ledger, in milliseconds.
const MAX_OUTAGE_MS: i64 = 30_000;
/// The customers of keys.
const CUSTOMERS: [Option<&str>; 3] = [None, Some("acme"), Some("b")];

impl Simulation<'_> {
    /// Draws whether keys have limits, and counts some calls before the first decision.
    pub(super) fn fill_ledger(&mut self) -> Result<(), String> {
        self.callers.has_limits =
            self.settings.faults.contains(Fault::LimitReached) && self.random.random_bool(0.6);
        if !self.callers.has_limits {
            return Ok(());
        }
        if self.settings.faults.contains(Fault::MonthEnded) && self.random.random_bool(0.3) {
            self.now_ms = next_month_start_ms(self.now_ms) - self.random.random_range(0..MAX_MS_BEFORE_END);
        }
        for call in 0..EARLIER_CALLS {
            let key_id = Some(EARLIER_KEYS[call % EARLIER_KEYS.len()].to_owned());
            self.callers.answered.push(AnsweredCall { key_id, status: 200 });
        }
        while !self.callers.answered.is_empty() {
            self.produce();
        }
        self.drain()
    }

    /// Draws the customer of a new key.
    pub(super) fn draw_customer(&mut self) -> Option<&'static str> {
        if self.callers.has_limits { CUSTOMERS[self.pick(CUSTOMERS.len())] } else { None }
    }

    /// Draws a limit for a key: near the usage that the ledger has, 0 or none.
    pub(super) fn draw_limit(&mut self, key_id: &str) -> Option<u64> {
        if !self.callers.has_limits || self.random.random_bool(0.15) {
            return None;
        }
        if self.random.random_bool(0.05) {
            return Some(0);
        }
        let (month_ms, now_ms) = (month_start_ms(self.now_ms), self.now_ms);
        let used = self.callers.limits.used(&self.callers.ledger, key_id, month_ms, now_ms);
        Some(used.saturating_sub(1) + self.random.random_range(0..10))
    }

    /// Checks a decision on a key with a limit.
    pub(super) fn check_limit(
        &mut self,
        instance: u64,
        call: &Expectation,
        decision: &Decision,
        at: DecidedAt,
    ) -> Result<(), String> {
        let limits = &self.callers.limits;
        limits.check(instance, call, decision, at)?;
        if let Decision::Deny { denial: Denial::OverQuota, .. } = decision {
            self.counts.add(Fault::LimitReached);
        }
        if let Decision::Allow { key, quota: Some(quota) } = decision {
            let month_ms = month_start_ms(quota.resets_at_ms - 1);
            let used = limits.used(&self.callers.ledger, &key.key_id, month_ms, self.now_ms);
            if used > quota.used && self.settings.faults.contains(Fault::OldUsage) {
                self.counts.add(Fault::OldUsage);
            }
        }
        Ok(())
    }

    /// Makes the ledger unreadable for the instances for a while.
    pub(super) fn lose_ledger(&mut self) {
        if self.callers.has_limits && self.settings.faults.contains(Fault::UnreadableUsage) {
            self.callers.ledger_readable_from_ms = self.now_ms + self.random.random_range(0..MAX_OUTAGE_MS);
            self.trace(|| "the instances cannot read the ledger for a while".to_owned());
        }
    }

    /// Records what the ledger has for a row after a write to it.
    pub(super) fn record_usage(&mut self, row: &metering_core::row_key::RowKey) {
        if self.key_source == KeySource::Authorizer {
            let store = &crate::ports::lock(&self.backend).store;
            self.callers.ledger.record(store, row, self.now_ms);
        }
    }
}
