//! Comparison of states, for the model checker alone.
//!
//! It is compiled into every build: as a Cargo feature it would compile this crate, and all that
//! depends on it, once more for the model checker.

use std::hash::Hash;

use super::request::Request;
use super::{CachedKey, DecisionCache};
use crate::api_key::KeyDigest;
use crate::clock_reading::ClockReading;

impl Request {
    /// Returns all that the further course of the request depends on, but for the order of events
    /// ([`DecisionCache::synced_since`]).
    #[doc(hidden)]
    pub fn fingerprint(&self) -> impl PartialEq + Hash + use<> {
        (self.digest, self.found.clone(), self.index_missed)
    }
}

impl DecisionCache {
    /// Returns all that the further course of this instance depends on, but for the order of
    /// events ([`Self::synced_since`]). It has ages instead of times, capped where they no longer
    /// matter, and leaves out expired entries.
    #[doc(hidden)]
    pub fn fingerprint(&self, now: ClockReading) -> impl PartialEq + Hash + use<> {
        let settings = &self.settings;
        let log = self.log.as_ref().map(|log| {
            let synced = now.age_ms(log.synced.began).min(settings.sync_interval_ms);
            let followed = now.least_age_ms(log.followed_since).min(settings.index_lag_bound_ms + 1);
            (log.head, log.last.clone(), synced, followed)
        });
        let failed = self.sync_failed.map(|at| now.age_ms(at).min(settings.sync_retry_ms));
        let mut tombstones = self.tombstones.clone();
        tombstones.forget_older_than(settings.tombstone_retention_ms(), now);
        let usable = |cached: &CachedKey| cached.key.version >= tombstones.min_version(&cached.key.key_id);
        let mut keys: Vec<(KeyDigest, u64, u64)> = self
            .keys
            .iter()
            .map(|(digest, cached)| (*digest, cached, now.age_ms(cached.read)))
            .filter(|(_, cached, age)| *age < settings.key_lifetime_ms && usable(cached))
            .map(|(digest, cached, age)| (digest, cached.key.version, age))
            .collect();
        keys.sort_unstable();
        let tombstones: Vec<(String, u64, u64)> = tombstones
            .sorted()
            .into_iter()
            .map(|(key, min_version, raised)| (key, min_version, now.least_age_ms(raised)))
            .collect();
        (log, failed, self.generation, tombstones, keys)
    }
}
