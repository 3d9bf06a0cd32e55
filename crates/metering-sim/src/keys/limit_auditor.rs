//! Checks the decisions on keys with a monthly limit against the ledger, as the instances have read it.

use std::collections::{BTreeMap, BTreeSet};

use metering_core::authorization::{Decision, Denial};
use metering_core::ports::UsageAlert;
use metering_core::quota::Quota;
use metering_core::row_key::RowKey;

use super::auditor::{DecidedAt, Expectation};
use super::calendar::{month_start_ms, next_month_start_ms};
use super::ledger_history::LedgerHistory;
use crate::api_log::DAY_MS;

/// Maximum time for which a read of the ledger shows a row as it was before, in milliseconds.
pub const LEDGER_LAG_MS: i64 = 1_000;

/// A limit of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    /// Maximum number of calls in a month; `None` for no limit.
    calls: Option<u64>,
    /// Time at which the change to the next limit returned, in milliseconds since 1970.
    replaced_ms: Option<i64>,
}

#[derive(Debug, Clone, Default)]
struct LimitedKey {
    customer_id: Option<String>,
    limits: Vec<Limit>,
}

/// A reading of a key's month that an instance got. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub instance: u64,
    pub key_id: String,
    pub month_ms: i64,
    /// Time of the request.
    pub began_ms: i64,
    /// Time at which the read saw the ledger.
    pub seen_ms: i64,
    pub calls: u64,
}

/// A read of usage that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FailedReading {
    instance: u64,
    key_id: String,
    at_ms: i64,
}

/// Knows the limits of the keys, and what the instances have read.
#[derive(Debug, Clone, Default)]
pub struct LimitAuditor {
    /// Maximum time from a change until every call is decided by it, in milliseconds.
    pub promised_interval_ms: i64,
    /// Maximum age of a reading, in milliseconds.
    pub max_age_ms: i64,
    /// Maximum age of a reading from 80 % of the limit on, in milliseconds.
    pub max_age_near_limit_ms: i64,
    /// Maximum age of a reading while the ledger cannot be read, in milliseconds.
    pub max_age_unreadable_ms: i64,
    keys: BTreeMap<String, LimitedKey>,
    readings: Vec<Reading>,
    failed: Vec<FailedReading>,
    /// The key, month and percentage of each alert that was sent.
    sent: BTreeSet<(String, i64, u8)>,
}

impl LimitAuditor {
    /// Adds a key.
    pub fn add(&mut self, key_id: &str, customer_id: Option<&str>, limit: Option<u64>) {
        let limits = vec![Limit { calls: limit, replaced_ms: None }];
        let key = LimitedKey { customer_id: customer_id.map(ToOwned::to_owned), limits };
        self.keys.insert(key_id.to_owned(), key);
    }

    /// Records that a change of a limit begins.
    pub fn begin_change(&mut self, key_id: &str, limit: Option<u64>) {
        if let Some(key) = self.keys.get_mut(key_id) {
            key.limits.push(Limit { calls: limit, replaced_ms: None });
        }
    }

    /// Records that the changes of a key have returned.
    pub fn end_change(&mut self, key_id: &str, now_ms: i64) {
        let limits = self.keys.get_mut(key_id).map(|key| key.limits.as_mut_slice());
        if let Some([earlier @ .., _]) = limits {
            for limit in earlier {
                limit.replaced_ms.get_or_insert(now_ms);
            }
        }
    }

    /// Returns the calls of a key in a month that the ledger has at a time, in milliseconds since 1970.
    pub fn used(&self, history: &LedgerHistory, key_id: &str, month_ms: i64, at_ms: i64) -> u64 {
        self.sum(history, key_id, month_ms, |_| at_ms)
    }

    /// Adds up the rows of a key, each as it was at `at_ms`.
    fn sum(&self, history: &LedgerHistory, key_id: &str, month_ms: i64, at_ms: impl Fn(i64) -> i64) -> u64 {
        let customer_id = self.keys.get(key_id).and_then(|key| key.customer_id.as_deref());
        let is_of_key = |row: &RowKey| {
            let of_customer = row.key().customer_id.as_deref();
            *row.key().api_key_id == *key_id && (of_customer.is_none() || of_customer == customer_id)
        };
        let calls = history.calls(|row| {
            let day_ms = row.day().start_ms();
            (is_of_key(row) && month_start_ms(day_ms) == month_ms).then(|| at_ms(day_ms))
        });
        calls.into_iter().map(|(_, calls)| calls).sum()
    }

    /// Checks a reading, and records it. It has the calls of all days when an instance first read the
    /// month, and what was added today and yesterday. An instance with a wrong clock may not know which
    /// day was yesterday.
    pub fn add_reading(
        &mut self,
        history: &LedgerHistory,
        reading: Reading,
        has_right_clock: bool,
    ) -> Result<(), String> {
        let Reading { instance, key_id, month_ms, seen_ms, calls, .. } = &reading;
        let earlier = self.readings.iter().filter(|other| {
            (&other.instance, &other.key_id, &other.month_ms) == (instance, key_id, month_ms)
        });
        let first_ms = earlier.map(|other| other.seen_ms).min().unwrap_or(*seen_ms);
        let today_ms = seen_ms - seen_ms.rem_euclid(DAY_MS);
        let recent_from_ms = if has_right_clock { today_ms - DAY_MS } else { today_ms };
        let at_least = self.sum(history, key_id, *month_ms, |day_ms| {
            (if day_ms >= recent_from_ms { *seen_ms } else { first_ms }) - LEDGER_LAG_MS
        });
        let at_most = self.used(history, key_id, *month_ms, *seen_ms);
        if !(at_least..=at_most).contains(calls) {
            return Err(format!(
                "instance {instance} reads {calls} calls of {key_id}; the ledger has {at_least} to {at_most}"
            ));
        }
        self.readings.push(reading);
        Ok(())
    }

    /// Records that a reading failed.
    pub fn add_failure(&mut self, instance: u64, key_id: &str, at_ms: i64) {
        self.failed.push(FailedReading { instance, key_id: key_id.to_owned(), at_ms });
    }

    /// Checks a decision on a call. The limit is the present one, or was replaced less than the promised
    /// interval before the call. The usage is a reading of the instance that is young enough. The call is
    /// admitted if and only if the usage is below the limit.
    pub fn check(
        &self,
        instance: u64,
        call: &Expectation,
        decision: &Decision,
        at: DecidedAt,
    ) -> Result<(), String> {
        let (key, quota, is_allowed) = match decision {
            Decision::Allow { key, quota } => (key, quota, true),
            Decision::Deny { denial: Denial::OverQuota, key: Some(key), quota } => (key, quota, false),
            Decision::Deny { denial: Denial::OverQuota, key: None, .. } => {
                return Err("a call is denied by the limit of no key".to_owned());
            }
            Decision::Deny { .. } => return Ok(()),
        };
        let limits = self.limits(&key.key_id, call.began_ms);
        let limit = quota.map(|quota| quota.limit);
        if !limits.contains(&limit) || (limit.is_none() && !is_allowed) {
            return Err(format!(
                "a call of {} is decided by the limit {limit:?}; its limits are {limits:?}",
                key.key_id
            ));
        }
        let Some(quota) = quota else { return Ok(()) };
        if is_allowed != (quota.used < quota.limit) {
            return Err(format!("a call of {} is admitted: {is_allowed}, with {quota:?}", key.key_id));
        }
        self.check_reading(instance, &key.key_id, call.began_ms, quota, at)?;
        let month_ms = month_start_ms(quota.resets_at_ms - 1);
        let newest = self.readings_of(instance, &key.key_id).rfind(|reading| reading.month_ms == month_ms);
        let is_used_up = |calls: u64| limits.iter().all(|limit| limit.is_some_and(|limit| limit <= calls));
        if is_allowed && newest.is_some_and(|newest| is_used_up(newest.calls)) {
            return Err(format!(
                "a call of {} is admitted after its instance read {newest:?}; its limits are {limits:?}",
                key.key_id
            ));
        }
        Ok(())
    }

    /// Returns the limits by which a call that began at a time may be decided.
    fn limits(&self, key_id: &str, began_ms: i64) -> Vec<Option<u64>> {
        let limits = self.keys.get(key_id).map_or([].as_slice(), |key| &key.limits);
        let is_possible = |limit: &&Limit| {
            limit.replaced_ms.is_none_or(|replaced_ms| began_ms < replaced_ms + self.promised_interval_ms)
        };
        limits.iter().filter(is_possible).map(|limit| limit.calls).collect()
    }

    fn readings_of(&self, instance: u64, key_id: &str) -> impl DoubleEndedIterator<Item = &Reading> {
        self.readings.iter().filter(move |other| other.instance == instance && other.key_id == key_id)
    }

    /// Checks that a quota has a reading of the present month that is young enough.
    fn check_reading(
        &self,
        instance: u64,
        key_id: &str,
        began_ms: i64,
        quota: &Quota,
        at: DecidedAt,
    ) -> Result<(), String> {
        let has_failed = self
            .failed
            .iter()
            .any(|failed| failed.instance == instance && failed.key_id == key_id && failed.at_ms >= began_ms);
        // A limit of 0 closes the key on purpose.
        let is_near = quota.limit > 0 && u128::from(quota.used) * 100 >= u128::from(quota.limit) * 80;
        let max_age_ms = match is_near {
            _ if has_failed => self.max_age_unreadable_ms,
            true => self.max_age_near_limit_ms,
            false => self.max_age_ms,
        };
        let is_used = |reading: &Reading| {
            let is_young = reading.began_ms >= began_ms || at.now_ms - reading.began_ms < max_age_ms;
            let is_present = !at.has_right_clock || reading.month_ms == month_start_ms(at.now_ms);
            let resets_at_ms = next_month_start_ms(reading.month_ms);
            reading.calls == quota.used && resets_at_ms == quota.resets_at_ms && is_present && is_young
        };
        if self.readings_of(instance, key_id).any(is_used) {
            return Ok(());
        }
        let newest = self.readings_of(instance, key_id).next_back();
        Err(format!(
            "instance {instance} decides on {key_id} by {quota:?}, which it has not read within {max_age_ms} ms; it has read {newest:?}"
        ))
    }

    /// Checks an alert that an instance sends.
    pub fn check_alert(&self, instance: u64, alert: &UsageAlert) -> Result<(), String> {
        let UsageAlert { key_id, quota, threshold, month, .. } = alert;
        let percent = u128::from(threshold.percent());
        let is_reached = quota.limit > 0 && u128::from(quota.used) * 100 >= u128::from(quota.limit) * percent;
        let is_of_limit = self
            .keys
            .get(key_id)
            .is_some_and(|key| key.limits.iter().any(|limit| limit.calls == Some(quota.limit)));
        let is_read = self
            .readings_of(instance, key_id)
            .any(|reading| reading.calls == quota.used && reading.month_ms == month.first_day().start_ms());
        if is_reached && is_of_limit && is_read {
            return Ok(());
        }
        Err(format!("instance {instance} sends an alert for which there is no reason: {alert:?}"))
    }

    /// Records that an alert was sent.
    pub fn add_sent(&mut self, alert: &UsageAlert) {
        let month_ms = alert.month.first_day().start_ms();
        self.sent.insert((alert.key_id.clone(), month_ms, alert.threshold.percent()));
    }

    /// Checks that each alert was sent for which there was a reading since `from_ms`, when no alert failed.
    pub fn check_sent(&self, from_ms: i64) -> Result<(), String> {
        for reading in self.readings.iter().filter(|reading| reading.began_ms >= from_ms) {
            let [Some(limit @ 1..)] = self.limits(&reading.key_id, i64::MAX)[..] else { continue };
            for percent in [80, 100_u8] {
                let is_reached = u128::from(reading.calls) * 100 >= u128::from(limit) * u128::from(percent);
                let alert = (reading.key_id.clone(), reading.month_ms, percent);
                if is_reached && !self.sent.contains(&alert) {
                    return Err(format!("no alert of {percent} % of {limit} was sent for {reading:?}"));
                }
            }
        }
        Ok(())
    }

    /// Returns `true` if an instance has read the usage of a key in an earlier month.
    pub fn has_read_before(&self, instance: u64, key_id: &str, month_ms: i64) -> bool {
        self.readings_of(instance, key_id).any(|reading| reading.month_ms < month_ms)
    }
}
