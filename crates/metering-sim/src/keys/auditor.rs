//! Checks each decision of the authorizer against the history of the secrets.

use std::collections::BTreeMap;

use metering_core::api_key::KeyDigest;
use metering_core::authorization::{Decision, Denial};

/// The history of a secret.
#[derive(Debug, Clone, Default)]
struct Secret {
    key_id: String,
    /// `true` if a change that ends the secret has begun.
    is_ending: bool,
    /// Time at which the change that ended the secret returned, in milliseconds since 1970.
    ended_ms: Option<i64>,
    /// Times from which the secret is invalid without a further change.
    limits: Vec<TimeLimit>,
}

/// A time from which a secret is invalid. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeLimit {
    valid_until_ms: i64,
    /// Time from which every instance knows the limit; `None` while its change has not returned.
    known_from_ms: Option<i64>,
}

/// A call, and the decisions that the history of its secret allows at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// The secret that the call presents.
    pub digest: KeyDigest,
    /// Time at which the call began, in milliseconds since 1970.
    pub began_ms: i64,
    /// `true` if the secret ended so long before that the call may not be admitted.
    is_too_late: bool,
    /// `true` if the secret's time was over, and every instance knew of it. An instance with a wrong
    /// wall clock cannot tell.
    pub is_expired: bool,
}

/// The time of a decision, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecidedAt {
    /// The true time.
    pub now_ms: i64,
    /// `true` if the wall clock of the instance shows it.
    pub has_right_clock: bool,
}

/// Knows which secrets are valid.
#[derive(Debug, Clone, Default)]
pub struct KeyAuditor {
    /// Maximum time from the end of a secret until no call with it is admitted, in milliseconds.
    pub promised_interval_ms: i64,
    secrets: BTreeMap<KeyDigest, Secret>,
}

impl KeyAuditor {
    /// Adds a secret that was given out, of a key that ends at `expires_at_ms`, in milliseconds since 1970.
    pub fn add(&mut self, digest: KeyDigest, key_id: &str, expires_at_ms: Option<i64>) {
        let limit = |valid_until_ms| TimeLimit { valid_until_ms, known_from_ms: Some(i64::MIN) };
        let limits = expires_at_ms.map(limit).into_iter().collect();
        self.secrets.insert(digest, Secret { key_id: key_id.to_owned(), limits, ..Secret::default() });
    }

    /// Records that a change begins after which a secret is valid until a time, in milliseconds since 1970.
    pub fn begin_limit(&mut self, digest: &KeyDigest, valid_until_ms: i64) {
        if let Some(secret) = self.secrets.get_mut(digest) {
            secret.limits.push(TimeLimit { valid_until_ms, known_from_ms: None });
        }
    }

    /// Records that the changes of a key have returned.
    pub fn end_limits(&mut self, key_id: &str, now_ms: i64) {
        for secret in self.secrets.values_mut().filter(|secret| secret.key_id == key_id) {
            for limit in &mut secret.limits {
                limit.known_from_ms.get_or_insert(now_ms + self.promised_interval_ms);
            }
        }
    }

    /// Records that a change which ends a secret begins.
    pub fn begin_end(&mut self, digest: &KeyDigest) {
        if let Some(secret) = self.secrets.get_mut(digest) {
            secret.is_ending = true;
        }
    }

    /// Records that the change which ends a secret has returned.
    pub fn end(&mut self, digest: &KeyDigest, now_ms: i64) {
        if let Some(secret) = self.secrets.get_mut(digest) {
            secret.ended_ms = Some(now_ms);
        }
    }

    /// Returns the secrets that were given out.
    pub fn digests(&self) -> Vec<KeyDigest> {
        self.secrets.keys().copied().collect()
    }

    /// Returns the decisions that are allowed for a call that begins now.
    pub fn expect(&self, digest: KeyDigest, now_ms: i64) -> Expectation {
        let Some(Secret { ended_ms, limits, .. }) = self.secrets.get(&digest) else {
            return Expectation { digest, began_ms: now_ms, is_too_late: false, is_expired: false };
        };
        let is_too_late = ended_ms.is_some_and(|ended_ms| ended_ms + self.promised_interval_ms <= now_ms);
        let is_over = |limit: &TimeLimit| {
            limit.valid_until_ms <= now_ms && limit.known_from_ms.is_some_and(|known_ms| known_ms <= now_ms)
        };
        Expectation { digest, began_ms: now_ms, is_too_late, is_expired: limits.iter().any(is_over) }
    }

    /// Checks the decision on a call. A call may not be admitted an interval after
    /// its secret has ended, not after its time by an instance with the right time, and not with
    /// another key. A call with a valid secret may not be denied, except by a limit, which is not judged here.
    pub fn check(&self, call: &Expectation, decision: &Decision, at: DecidedAt) -> Result<(), String> {
        let Some(secret) = self.secrets.get(&call.digest) else {
            return if decision.is_allowed() {
                Err("a call with an unknown secret was admitted".to_owned())
            } else {
                Ok(())
            };
        };
        let Secret { key_id, is_ending, ended_ms, limits } = secret;
        let may_be_over = limits.iter().any(|limit| !at.has_right_clock || limit.valid_until_ms <= at.now_ms);
        match decision {
            Decision::Allow { .. } if call.is_too_late => Err(format!(
                "a call with a secret of {key_id} was admitted, which ended at {ended_ms:?}, more than {} ms before the call began",
                self.promised_interval_ms
            )),
            Decision::Allow { .. } if call.is_expired && at.has_right_clock => {
                Err(format!("a call with a secret of {key_id} was admitted after its time: {limits:?}"))
            }
            Decision::Allow { key, .. } if key.key_id != *key_id => {
                Err(format!("a call with a secret of {key_id} was admitted for {}", key.key_id))
            }
            Decision::Deny { denial: Denial::OverQuota, key: Some(key), .. } if key.key_id == *key_id => {
                Ok(())
            }
            Decision::Deny { denial, .. } if !is_ending && !may_be_over => {
                Err(format!("a call with a valid secret of {key_id} was denied: {}", denial.reason()))
            }
            _ => Ok(()),
        }
    }
}
