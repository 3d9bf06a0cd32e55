//! Checks each decision of the authorizer against the history of the secrets.

use std::collections::BTreeMap;

use metering_core::api_key::KeyDigest;
use metering_core::authorization::Decision;

/// The history of a secret.
#[derive(Debug, Clone, Default)]
struct Secret {
    key_id: String,
    /// `true` if a change that ends the secret has begun.
    is_ending: bool,
    /// Time at which the change that ended the secret returned, in milliseconds since 1970.
    ended_ms: Option<i64>,
}

/// A call, and the decisions that the history of its secret allows at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// The secret that the call presents.
    pub digest: KeyDigest,
    /// `true` if the secret ended so long before that the call may not be admitted.
    is_too_late: bool,
}

/// Knows which secrets are valid.
#[derive(Debug, Clone, Default)]
pub struct KeyAuditor {
    /// Maximum time from the end of a secret until no call with it is admitted, in milliseconds.
    pub promised_interval_ms: i64,
    secrets: BTreeMap<KeyDigest, Secret>,
}

impl KeyAuditor {
    /// Adds a secret that was given out.
    pub fn add(&mut self, digest: KeyDigest, key_id: &str) {
        self.secrets.insert(digest, Secret { key_id: key_id.to_owned(), ..Secret::default() });
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
        let ended_ms = self.secrets.get(&digest).and_then(|secret| secret.ended_ms);
        let is_too_late = ended_ms.is_some_and(|ended_ms| ended_ms + self.promised_interval_ms <= now_ms);
        Expectation { digest, is_too_late }
    }

    /// Checks the decision on a call. A call may not be admitted an interval after
    /// its secret has ended, and not with another key. A call with a valid secret
    /// may not be denied.
    pub fn check(&self, call: &Expectation, decision: &Decision) -> Result<(), String> {
        let Some(secret) = self.secrets.get(&call.digest) else {
            return if decision.is_allowed() {
                Err("a call with an unknown secret was admitted".to_owned())
            } else {
                Ok(())
            };
        };
        let Secret { key_id, is_ending, ended_ms } = secret;
        match decision {
            Decision::Allow { .. } if call.is_too_late => Err(format!(
                "a call with a secret of {key_id} was admitted, which ended at {ended_ms:?}, more than {} ms before the call began",
                self.promised_interval_ms
            )),
            Decision::Allow { key, .. } if key.key_id != *key_id => {
                Err(format!("a call with a secret of {key_id} was admitted for {}", key.key_id))
            }
            Decision::Deny { denial, .. } if !is_ending => {
                Err(format!("a call with a valid secret of {key_id} was denied: {}", denial.reason()))
            }
            _ => Ok(()),
        }
    }
}
