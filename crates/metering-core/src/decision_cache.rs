//! The authorizer's cache of keys, and the rules for using it.
//!
//! [`DecisionCache`] is a state machine without clocks, input or output.
//! [`DecisionCache::step`] returns the read that a request needs next. The caller performs the
//! read, reports its result and calls `step` again. The model checker drives the same code through
//! every interleaving.
//!
//! A **copy** of a key is a key record that was cached, or that the index returned. Five rules keep
//! deleted keys out:
//! - **Sync.** The cache and the index are used only if the invalidation log was read since the
//!   request began, or within `sync_interval_ms`.
//! - **Tombstones.** A copy with a version below the key's tombstone is not used (see
//!   [`crate::invalidation`]).
//! - **Head.** A copy with a version above the head of the log is not used: the log does not show
//!   its change yet, or has been restored or recreated.
//! - **Index.** The index lags behind the table. Only an instance that has followed the log for
//!   longer than `index_lag_bound_ms` uses it.
//! - **Fail closed.** While the log cannot be read, and for a key whose copies cannot be used, each
//!   request reads its key with strong consistency. If that read fails, the request is not admitted.
//!
//! A strongly consistent read that the request itself began always decides that request: a change
//! that the read does not see had not returned when the request began. The rules only decide
//! if its result is cached.

mod log;
mod model_checking;
mod request;
mod settings;
mod usage;

use std::hash::Hash;
use std::sync::Arc;

use lru::LruCache;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::authorization::{Decision, Denial, admits};
use crate::clock_reading::ClockReading;
use crate::invalidation::Tombstones;
use crate::quota::Quota;
use crate::window::UtcMonth;

use log::{AboveHead, LogState};
use request::Found;
use usage::CachedUsage;

pub use log::LogCheck;
pub use request::{Read, ReadStart, Request, Step};
pub use settings::CacheSettings;

#[derive(Debug, Clone, PartialEq, Eq)]
struct CachedKey {
    key: Arc<KeyRecord>,
    read: ClockReading,
}

/// The cache of one instance of the authorizer.
#[derive(Debug, Clone)]
pub struct DecisionCache {
    settings: CacheSettings,
    log: Option<LogState>,
    /// Time at which the log could not be read, if its last read failed.
    sync_failed: Option<ClockReading>,
    above_head: Option<AboveHead>,
    /// Counter of the requests and reads that began.
    order: u64,
    /// Counter of the times at which the cache was emptied.
    generation: u64,
    tombstones: Tombstones,
    keys: LruCache<KeyDigest, CachedKey>,
    unknown: LruCache<KeyDigest, ClockReading>,
    usage: LruCache<String, CachedUsage>,
}

impl DecisionCache {
    /// Creates the empty cache of an instance that has just started.
    pub fn new(settings: CacheSettings) -> Self {
        Self {
            settings,
            log: None,
            sync_failed: None,
            above_head: None,
            order: 0,
            generation: 0,
            tombstones: Tombstones::default(),
            // Bounded by `put_bounded`: a bounded `LruCache` would reserve its whole size at each cold start.
            keys: LruCache::unbounded(),
            unknown: LruCache::unbounded(),
            usage: LruCache::unbounded(),
        }
    }

    /// Begins a request whose secret has this digest.
    pub fn begin(&mut self, digest: KeyDigest) -> Request {
        Request {
            digest,
            order: self.next_order(),
            found: None,
            index_missed: false,
            usage_failed: false,
            usage: None,
            read_anything: false,
        }
    }

    /// Begins a read of the log or of a key. Call it before the read is sent.
    pub fn begin_read(&mut self, now: ClockReading) -> ReadStart {
        ReadStart { began: now, order: self.next_order(), generation: self.generation }
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Returns what a request needs next: its decision, or a read.
    ///
    /// A call is admitted, then its key is deleted, and the next call is denied:
    ///
    /// ```
    /// use metering_core::api_key::{KeyDigest, KeyRecord};
    /// use metering_core::authorization::{Decision, Denial};
    /// use metering_core::clock_reading::ClockReading;
    /// use metering_core::decision_cache::{CacheSettings, DecisionCache, Read, Step};
    /// use metering_core::invalidation::{LogEntry, LogRead};
    ///
    /// # let settings = CacheSettings {
    /// #     sync_interval_ms: 1_000,
    /// #     sync_retry_ms: 500,
    /// #     key_lifetime_ms: 30_000,
    /// #     unknown_lifetime_ms: 5_000,
    /// #     usage_lifetime_ms: 30_000,
    /// #     usage_lifetime_near_limit_ms: 5_000,
    /// #     usage_stale_limit_ms: 300_000,
    /// #     index_lag_bound_ms: 60_000,
    /// #     read_limit_ms: 10_000,
    /// #     max_keys: 100,
    /// #     max_unknown: 100,
    /// #     max_tombstones: 100,
    /// # };
    /// let mut cache = DecisionCache::new(settings); // with a sync interval of one second
    /// let digest = KeyDigest::of_secret("um_secret")?;
    /// let key = KeyRecord { key_id: "key-1".to_owned(), digest: Some(digest), ..KeyRecord::default() };
    ///
    /// // A new instance reads the log, which is empty, and the key.
    /// let now = ClockReading { wall_ms: 1_795_509_270_000, monotonic_ms: 0 };
    /// let mut request = cache.begin(digest);
    /// assert_eq!(cache.step(&request, now), Step::Read(Read::Log));
    /// let start = cache.begin_read(now);
    /// cache.synced(start, &LogRead::default(), now);
    /// assert_eq!(cache.step(&request, now), Step::Read(Read::KeyConsistently));
    /// let start = cache.begin_read(now);
    /// cache.found_consistently(&mut request, start, Some(key.clone()), now);
    /// assert!(matches!(cache.step(&request, now), Step::Answer(Decision::Allow { .. })));
    ///
    /// // A second later the log has an entry for the key, so the cached copy is not used.
    /// let now = ClockReading { wall_ms: 1_795_509_271_000, monotonic_ms: 1_000 };
    /// let mut request = cache.begin(digest);
    /// assert_eq!(cache.step(&request, now), Step::Read(Read::Log));
    /// let start = cache.begin_read(now);
    /// let entry = LogEntry { sequence: 1, key_id: "key-1".to_owned(), changed_at_ms: now.wall_ms };
    /// cache.synced(start, &LogRead { head: 1, entries: vec![entry] }, now);
    /// assert_eq!(cache.step(&request, now), Step::Read(Read::KeyConsistently));
    /// let start = cache.begin_read(now);
    /// let deleted = KeyRecord { version: 1, deleted_at_ms: Some(now.wall_ms), digest: None, ..key };
    /// cache.found_consistently(&mut request, start, Some(deleted), now);
    /// let Step::Answer(Decision::Deny { denial, .. }) = cache.step(&request, now) else { panic!() };
    /// assert_eq!(denial, Denial::Deleted);
    /// # Ok::<(), metering_core::api_key::SecretProblem>(())
    /// ```
    pub fn step(&mut self, request: &Request, now: ClockReading) -> Step {
        self.forget_old_tombstones(now);
        match &request.found {
            Some(Found::Key(key)) => return self.judge(request, &key.clone(), now),
            Some(Found::NotFound) => return Step::Answer(Decision::deny(Denial::Unknown)),
            None => {}
        }
        if !self.is_synced(request, now) {
            let log_failed = self.sync_failed.is_some_and(|at| now.age_ms(at) < self.settings.sync_retry_ms);
            return Step::Read(if log_failed { Read::KeyConsistently } else { Read::Log });
        }
        let lifetime_ms = self.settings.key_lifetime_ms;
        let cached = self.keys.get(&request.digest).filter(|cached| now.age_ms(cached.read) < lifetime_ms);
        let cached = cached.map(|cached| cached.key.clone());
        if let Some(key) = cached.filter(|key| self.may_use(key)) {
            return self.judge(request, &key, now);
        }
        if let Some(read) = self.unknown.get(&request.digest)
            && now.age_ms(*read) < self.settings.unknown_lifetime_ms
        {
            return Step::Answer(Decision::deny(Denial::Unknown));
        }
        let needs_table = request.index_missed || !self.trusts_index(now);
        Step::Read(if needs_table { Read::KeyConsistently } else { Read::KeyByIndex })
    }

    /// Applies the tombstone rule and the head rule.
    fn may_use(&self, copy: &KeyRecord) -> bool {
        copy.version >= self.tombstones.min_version(&copy.key_id)
            && self.log.as_ref().is_some_and(|log| copy.version <= log.head)
    }

    /// Applies the sync rule.
    fn is_synced(&self, request: &Request, now: ClockReading) -> bool {
        self.synced_since(request)
            || self
                .log
                .as_ref()
                .is_some_and(|log| now.age_ms(log.synced.began) < self.settings.sync_interval_ms)
    }

    /// Applies the index rule. The comparison is strict, because ages are truncated to whole
    /// milliseconds.
    fn trusts_index(&self, now: ClockReading) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| now.least_age_ms(log.followed_since) > self.settings.index_lag_bound_ms)
    }

    /// Decides a request whose key is known, by the key and its usage.
    fn judge(&mut self, request: &Request, key: &Arc<KeyRecord>, now: ClockReading) -> Step {
        let deny = |denial, quota| Step::Answer(Decision::Deny { denial, key: Some(key.clone()), quota });
        if let Err(denial) = admits(key, &request.digest, now.wall_ms) {
            return deny(denial, None);
        }
        let Some(limit) = key.monthly_limit else {
            return Step::Answer(Decision::Allow { key: key.clone(), quota: None });
        };
        let Ok(month) = UtcMonth::at(now.wall_ms) else {
            return Step::Unavailable("the clock is outside of the range of UTC months");
        };
        let known = self.usage.get(&key.key_id).copied().filter(|known| known.usage.month == month);
        let usage = match (request.usage.filter(|usage| usage.month == month), known) {
            // Another request has read more calls meanwhile.
            (Some(read), Some(known)) if read.total() < known.usage.total() => known.usage,
            (Some(read), _) => read,
            (None, Some(known)) if known.is_current(&self.settings, limit, request, now) => known.usage,
            _ if request.usage_failed => return Step::Unavailable("the usage of the key cannot be read"),
            (None, known) => {
                let known = known.map(|known| known.usage);
                return Step::Read(Read::Usage { key: key.metered_key(), month, known });
            }
        };
        let quota = Quota::new(limit, &usage);
        if quota.is_exhausted() {
            return deny(Denial::OverQuota, Some(quota));
        }
        Step::Answer(Decision::Allow { key: key.clone(), quota: Some(quota) })
    }

    fn forget_old_tombstones(&mut self, now: ClockReading) {
        self.tombstones.forget_older_than(self.settings.tombstone_retention_ms(), now);
    }

    fn bound_tombstones(&mut self, now: ClockReading) {
        if self.tombstones.len() > self.settings.max_tombstones {
            self.forget_everything();
            // The index may still return copies that the forgotten tombstones forbade.
            if let Some(log) = &mut self.log {
                log.followed_since = now;
            }
        }
    }

    /// Empties the cache, and keeps the results of reads in flight out of it.
    fn forget_everything(&mut self) {
        self.generation += 1;
        self.tombstones = Tombstones::default();
        self.keys.clear();
        self.unknown.clear();
    }

    /// Records the key that the index has for the secret, if any.
    pub fn found_by_index(
        &mut self,
        request: &mut Request,
        start: ReadStart,
        key: Option<KeyRecord>,
        now: ClockReading,
    ) {
        self.forget_old_tombstones(now);
        request.read_anything = true;
        match key {
            Some(key) if start.generation == self.generation && self.may_use(&key) => {
                self.cache_key(request, start, key);
            }
            // The index may lag behind the creation or the last change of the key.
            _ => request.index_missed = true,
        }
    }

    /// Records the key that strongly consistent reads found for the secret, if any.
    pub fn found_consistently(
        &mut self,
        request: &mut Request,
        start: ReadStart,
        key: Option<KeyRecord>,
        now: ClockReading,
    ) {
        self.forget_old_tombstones(now);
        request.read_anything = true;
        match key {
            // The change has not returned yet, or a message announced a change that was never made.
            Some(key) if key.version < self.tombstones.min_version(&key.key_id) => {
                request.found = Some(Found::Key(Arc::new(key)));
            }
            Some(key) => {
                self.record_version(&key, now);
                self.cache_key(request, start, key);
            }
            None => {
                request.found = Some(Found::NotFound);
                if start.generation == self.generation {
                    put_bounded(&mut self.unknown, request.digest, start.began, self.settings.max_unknown);
                }
            }
        }
    }

    fn cache_key(&mut self, request: &mut Request, start: ReadStart, key: KeyRecord) {
        let key = Arc::new(key);
        if start.generation == self.generation {
            let cached = CachedKey { key: key.clone(), read: start.began };
            put_bounded(&mut self.keys, request.digest, cached, self.settings.max_keys);
            self.unknown.pop(&request.digest);
        }
        request.found = Some(Found::Key(key));
    }
}

/// Adds an entry, and evicts the least recently used entries beyond `most`.
fn put_bounded<K: Hash + Eq, V>(cache: &mut LruCache<K, V>, key: K, value: V, most: usize) {
    cache.put(key, value);
    while cache.len() > most {
        cache.pop_lru();
    }
}

#[cfg(test)]
mod tests;
