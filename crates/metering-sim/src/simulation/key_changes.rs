//! Keys that are created, changed, rotated and deleted meanwhile.

use metering_core::api_key::{KeyDigest, KeyRecord, PreviousSecret};
use rand::Rng;

use super::Simulation;
use crate::faults::Fault;

/// Maximum number of keys.
const MAX_KEYS: u32 = 9;
/// Time for which a secret that does not expire in the simulation stays valid, in milliseconds.
const LONG_MS: i64 = 400 * 24 * 3_600_000;
/// Maximum time after which a key or a replaced secret expires, in milliseconds.
const MAX_SHORT_MS: i64 = 120_000;

impl Simulation<'_> {
    /// Creates a key with the next letter as its id.
    pub(super) fn create_key(&mut self) {
        if self.callers.next_key >= MAX_KEYS {
            return;
        }
        let key_id = key_id(self.callers.next_key);
        self.callers.next_key += 1;
        let digest = self.new_secret();
        let expires_at_ms = self.draw_expiry(0.2);
        let customer_id = self.draw_customer();
        self.callers.limits.add(&key_id, customer_id, None);
        let monthly_limit = self.draw_limit(&key_id);
        self.callers.limits.add(&key_id, customer_id, monthly_limit);
        let key = KeyRecord {
            key_id: key_id.clone(),
            customer_id: customer_id.map(ToOwned::to_owned),
            monthly_limit,
            digest: Some(digest),
            expires_at_ms,
            ..KeyRecord::default()
        };
        self.callers.tables.create(key, self.now_ms);
        self.callers.auditor.add(digest, &key_id, expires_at_ms);
        self.trace(|| {
            format!(
                "key {key_id} is created, and expires at {expires_at_ms:?}; its limit is {monthly_limit:?}"
            )
        });
    }

    /// Draws whether a secret expires soon, and when.
    fn draw_expiry(&mut self, probability: f64) -> Option<i64> {
        let expires =
            self.settings.faults.contains(Fault::SecretExpired) && self.random.random_bool(probability);
        expires.then(|| self.now_ms + self.random.random_range(0..MAX_SHORT_MS))
    }

    fn new_secret(&mut self) -> KeyDigest {
        let mut secret = [0; 16];
        self.random.fill(&mut secret);
        KeyDigest::of_bytes(&secret)
    }

    /// Makes a write of the present change visible, or begins a change.
    pub(super) fn continue_change(&mut self) {
        if self.callers.tables.change.is_none() {
            self.begin_change();
        } else {
            self.show_write();
        }
        while self.callers.tables.change.is_some()
            && !self.settings.faults.contains(Fault::PartlyVisibleChange)
        {
            self.show_write();
        }
    }

    /// Makes all writes of the present change visible.
    pub(super) fn end_change(&mut self) {
        while self.callers.tables.change.is_some() {
            self.show_write();
        }
    }

    fn show_write(&mut self) {
        let Some(change) = &self.callers.tables.change else { return };
        let (hidden, new_secret) = (change.hidden.clone(), change.new_secret);
        let place = self.pick(hidden.len());
        self.trace(|| format!("the write of the {:?} becomes visible", hidden[place]));
        let Some(key) = self.callers.tables.show(place, self.now_ms) else { return };
        self.trace(|| format!("change {} of {} has returned", key.version, key.key_id));
        for ended in self.callers.ending.drain(..) {
            self.callers.auditor.end(&ended, self.now_ms);
        }
        if let Some(digest) = new_secret {
            self.callers.auditor.add(digest, &key.key_id, key.expires_at_ms);
        }
        self.callers.auditor.end_limits(&key.key_id, self.now_ms);
        self.callers.limits.end_change(&key.key_id, self.now_ms);
        self.queue_messages(&key.key_id, key.version);
    }

    fn begin_change(&mut self) {
        if self.random.random_bool(0.3) {
            return self.create_key();
        }
        let number = self.random.random_range(0..self.callers.next_key);
        let key_id = key_id(number);
        if self.now_ms < self.callers.log_readable_from_ms {
            return;
        }
        let Some(key) = self.callers.tables.key(&key_id).cloned() else { return };
        let (Some(digest), None) = (key.digest, key.deleted_at_ms) else { return };
        if self.callers.has_limits && self.random.random_bool(0.5) {
            self.change_limit(key);
        } else if self.random.random_bool(0.5) {
            self.delete(key, digest);
        } else {
            self.rotate(key, digest);
        }
    }

    fn change_limit(&mut self, mut key: KeyRecord) {
        if !self.injects(Fault::LimitChanged, 1.0) {
            return;
        }
        key.monthly_limit = self.draw_limit(&key.key_id);
        self.callers.limits.begin_change(&key.key_id, key.monthly_limit);
        self.begin(key, None);
    }

    fn delete(&mut self, mut key: KeyRecord, digest: KeyDigest) {
        if !self.injects(Fault::KeyDeleted, 1.0) {
            return;
        }
        let previous = key.previous.take().map(|previous| previous.digest);
        key.deleted_at_ms = Some(self.now_ms);
        key.digest = None;
        self.callers.ending = previous.into_iter().chain([digest]).collect();
        self.begin(key, None);
    }

    fn rotate(&mut self, mut key: KeyRecord, digest: KeyDigest) {
        if !self.injects(Fault::KeyRotated, 1.0) {
            return;
        }
        let previous = key.previous.take().map(|previous| previous.digest);
        let new = self.new_secret();
        key.digest = Some(new);
        self.callers.ending = previous.into_iter().collect();
        if self.random.random_bool(0.5) {
            self.callers.ending.push(digest);
        } else {
            let valid_until_ms = self.draw_expiry(0.5).unwrap_or(self.now_ms + LONG_MS);
            key.previous = Some(PreviousSecret { digest, valid_until_ms });
            self.callers.auditor.begin_limit(&digest, valid_until_ms);
        }
        self.begin(key, Some(new));
    }

    /// Begins a change, which ends the secrets in [`super::callers::Callers::ending`].
    fn begin(&mut self, key: KeyRecord, new_secret: Option<KeyDigest>) {
        for ended in &self.callers.ending {
            self.callers.auditor.begin_end(ended);
        }
        self.trace(|| {
            let KeyRecord { key_id, monthly_limit, deleted_at_ms, .. } = &key;
            let is_deleted = deleted_at_ms.is_some();
            format!(
                "a change of {key_id} begins; it is deleted: {is_deleted}, its limit is {monthly_limit:?}"
            )
        });
        self.callers.tables.begin(key, new_secret, self.now_ms);
    }
}

/// Returns the id of a key, which is a letter.
fn key_id(number: u32) -> String {
    char::from_u32(u32::from('a') + number).map_or(String::new(), String::from)
}
