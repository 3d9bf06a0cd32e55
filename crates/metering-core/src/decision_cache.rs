//! What one instance of the authorizer remembers, and what it has to read
//! before it may answer.
//!
//! A state machine without clocks or input and output: [`DecisionCache::step`]
//! says what is needed next, the caller does it, tells the result and asks
//! again. A model checker drives the same code through every interleaving.
//!
//! The rules that keep a deleted key out:
//! - **sync**: nothing remembered, and no index, is used unless the log of
//!   invalidations was read since the request began, or within
//!   `sync_interval_ms`;
//! - **tombstones**: a copy of a key below its tombstone is not used (see
//!   [`crate::invalidation`]);
//! - **head**: a copy of a key above the head of the log is not used: the log
//!   has not told of its change yet, or has begun anew;
//! - **index**: the index lags, so it is used only by an instance that has
//!   followed the log for longer than the index can lag;
//! - **fail closed**: while the log cannot be read, and for a key whose copies
//!   cannot be used, every request reads its key with strong consistency, or is
//!   not answered.
//!
//! A strongly consistent read that a request itself began is always an answer
//! to that request: a change that it does not see had not returned when the
//! request began. Only whether it is remembered is in question.

use std::hash::Hash;
use std::sync::Arc;

use lru::LruCache;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::authorization::{Decision, Denial, admits};
use crate::clock_reading::ClockReading;
use crate::invalidation::{LogEntry, LogRead, Tombstones};
use crate::quota::{MonthUsage, Quota, Threshold};
use crate::window::UtcMonth;

/// Durations and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// How old the last look at the log may be; 0 to look at each request.
    pub sync_interval_ms: u64,
    /// How long to do without the log after it could not be read.
    pub sync_retry_ms: u64,
    /// How long a key is remembered.
    pub key_lifetime_ms: u64,
    /// How long it is remembered that there is no such key.
    pub unknown_lifetime_ms: u64,
    /// How long a month's usage is remembered.
    pub usage_lifetime_ms: u64,
    /// The same, once the first threshold of the limit is reached.
    pub usage_lifetime_near_limit_ms: u64,
    /// How old a month's usage may be where a newer cannot be read.
    pub usage_stale_limit_ms: u64,
    /// By how much the index may lag behind the table.
    pub index_lag_bound_ms: u64,
    /// Longer than any read takes.
    pub read_limit_ms: u64,
    /// The most keys to remember, and as many usages.
    pub max_keys: usize,
    /// The most secrets to remember that belong to no key.
    pub max_unknown: usize,
    /// The most tombstones.
    pub max_tombstones: usize,
}

impl CacheSettings {
    /// How long a tombstone is kept: until nothing that it forbids can turn up.
    fn tombstone_retention_ms(&self) -> u64 {
        self.index_lag_bound_ms.max(self.key_lifetime_ms).saturating_add(self.read_limit_ms)
    }
}

/// Next step of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The request is decided.
    Answer(Decision),
    /// The request cannot be decided now, for this reason. It is not admitted.
    Unavailable(&'static str),
    /// A read is needed; report its result, then call [`DecisionCache::step`] again.
    Read(Read),
}

/// A read that a request needs before it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The invalidation log after [`DecisionCache::log_position`]. Report it with
    /// [`DecisionCache::synced`] or [`DecisionCache::sync_failed`].
    Log,
    /// The key by the index of digests, eventually consistent. Report it with
    /// [`DecisionCache::found_by_index`].
    KeyByIndex,
    /// The key by strongly consistent reads. Report it with
    /// [`DecisionCache::found_consistently`].
    KeyConsistently,
    /// The usage of a key in a month. Report it with [`DecisionCache::usage_read`]
    /// or [`DecisionCache::usage_failed`].
    Usage {
        /// Id of the key.
        key_id: String,
        /// UTC month to read.
        month: UtcMonth,
        /// The last usage read of this month: days before it need no second read.
        known: Option<MonthUsage>,
    },
}

/// What a read of the log told of the log itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCheck {
    /// It is what it has to be, as far as this instance can tell.
    Sound,
    /// Its head is below one that was read before, its last entry is another
    /// than before, or a key has had a version above the head for longer than
    /// any read or change takes: the log was lost or restored.
    Behind,
}

/// A request under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    digest: KeyDigest,
    order: u64,
    found: Option<Found>,
    index_missed: bool,
    usage_failed: bool,
    usage: Option<MonthUsage>,
    read_anything: bool,
}

impl Request {
    /// The secret's digest.
    pub fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    /// What decides how it goes on, but for the order of things, for comparing states.
    pub fn fingerprint(&self) -> impl PartialEq + Hash + use<> {
        (self.digest, self.found.clone(), self.index_missed)
    }

    /// Whether the key had to be read, since it was not remembered.
    pub fn read_key(&self) -> bool {
        self.read_anything
    }
}

/// What a lookup of this very request found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Found {
    Key(Arc<KeyRecord>),
    NotFound,
}

/// When something began, relative to other things of this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadStart {
    /// When.
    pub began: ClockReading,
    order: u64,
    generation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LogState {
    head: u64,
    /// The entry of the head; `None` where there is none, or it was not read.
    last: Option<LogEntry>,
    /// When the last read of it began.
    synced: ReadStart,
    /// Since when no entry can have been missed.
    followed_since: ClockReading,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    key: Arc<KeyRecord>,
    read: ClockReading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RememberedUsage {
    usage: MonthUsage,
    read: ClockReading,
    told: Option<Threshold>,
}

/// A version of a key above the head of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AboveHead {
    version: u64,
    found: ClockReading,
}

/// What an instance remembers.
#[derive(Debug, Clone)]
pub struct DecisionCache {
    settings: CacheSettings,
    log: Option<LogState>,
    sync_failed: Option<ClockReading>,
    above_head: Option<AboveHead>,
    order: u64,
    generation: u64,
    tombstones: Tombstones,
    keys: LruCache<KeyDigest, Remembered>,
    unknown: LruCache<KeyDigest, ClockReading>,
    usage: LruCache<String, RememberedUsage>,
}

impl DecisionCache {
    /// An instance that has just started.
    pub fn new(settings: CacheSettings) -> Self {
        Self {
            settings,
            log: None,
            sync_failed: None,
            above_head: None,
            order: 0,
            generation: 0,
            tombstones: Tombstones::default(),
            // Bounded by hand: a bounded one would reserve its whole size at each cold start.
            keys: LruCache::unbounded(),
            unknown: LruCache::unbounded(),
            usage: LruCache::unbounded(),
        }
    }

    /// Begins a request with this secret.
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

    /// Begins a read, of the log or of a key.
    pub fn begin_read(&mut self, now: ClockReading) -> ReadStart {
        ReadStart { began: now, order: self.next_order(), generation: self.generation }
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// What a request needs next.
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
        let remembered = self.keys.get(&request.digest).filter(|known| now.age_ms(known.read) < lifetime_ms);
        let remembered = remembered.map(|known| known.key.clone());
        if let Some(key) = remembered.filter(|key| self.may_use(key)) {
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

    /// The rules of tombstones and of the head.
    fn may_use(&self, copy: &KeyRecord) -> bool {
        copy.version >= self.tombstones.min_version(&copy.key_id)
            && self.log.as_ref().is_some_and(|log| copy.version <= log.head)
    }

    /// The sync rule.
    fn is_synced(&self, request: &Request, now: ClockReading) -> bool {
        self.synced_since(request)
            || self
                .log
                .as_ref()
                .is_some_and(|log| now.age_ms(log.synced.began) < self.settings.sync_interval_ms)
    }

    /// The index rule. Longer, not as long: ages are cut to whole milliseconds.
    fn trusts_index(&self, now: ClockReading) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| now.least_age_ms(log.followed_since) > self.settings.index_lag_bound_ms)
    }

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
            (Some(read), _) => read,
            (None, Some(known)) if self.is_current(limit, &known, request, now) => known.usage,
            _ if request.usage_failed => return Step::Unavailable("the usage of the key cannot be read"),
            (None, known) => {
                let known = known.map(|known| known.usage);
                return Step::Read(Read::Usage { key_id: key.key_id.clone(), month, known });
            }
        };
        let quota = Quota::of(limit, &usage);
        if quota.is_exhausted() {
            return deny(Denial::OverQuota, Some(quota));
        }
        Step::Answer(Decision::Allow { key: key.clone(), quota: Some(quota) })
    }

    fn is_current(&self, limit: u64, known: &RememberedUsage, request: &Request, now: ClockReading) -> bool {
        let settings = &self.settings;
        let lifetime_ms = if request.usage_failed {
            settings.usage_stale_limit_ms
        } else if Quota::of(limit, &known.usage).threshold_reached().is_some() {
            settings.usage_lifetime_near_limit_ms
        } else {
            settings.usage_lifetime_ms
        };
        now.age_ms(known.read) < lifetime_ms
    }

    /// Where the next read of the log begins; `None` where none was read yet.
    /// It is before the last entry that is known, so that this is read again.
    pub fn log_position(&self) -> Option<u64> {
        self.log.as_ref().map(|log| log.head.saturating_sub(1))
    }

    /// The sequence of the last entry of the log that is known; `None` where
    /// none was read yet.
    pub fn log_head(&self) -> Option<u64> {
        self.log.as_ref().map(|log| log.head)
    }

    /// Takes what a read of the log found, which began with `start` and asked
    /// for what comes after [`Self::log_position`].
    pub fn synced(&mut self, start: ReadStart, read: &LogRead, now: ClockReading) -> LogCheck {
        self.sync_failed = None;
        let (mut check, mut followed_since) = (LogCheck::Sound, now);
        let known = self.log.take();
        match known {
            Some(log) if start.order <= log.synced.order => {
                self.log = Some(log); // An older read, which ended late.
                return check;
            }
            Some(log) if continues(&log, read) => followed_since = log.followed_since,
            known => {
                // What was read before may have changed before the head.
                self.forget_everything();
                if known.is_some_and(|log| is_another(&log, read)) {
                    check = LogCheck::Behind;
                }
            }
        }
        let last = read.entry(read.head).cloned();
        self.log = Some(LogState { head: read.head, last, synced: start, followed_since });
        self.forget_old_tombstones(now);
        for entry in &read.entries {
            self.tombstones.raise(&entry.key_id, entry.sequence, now);
        }
        self.bound_tombstones(now);
        if self.head_stays_below_a_key(start.began) { LogCheck::Behind } else { check }
    }

    /// Whether a key has had a version above the head for longer than the
    /// writes of a change can be visible one by one.
    fn head_stays_below_a_key(&mut self, now: ClockReading) -> bool {
        let Some(above) = self.above_head else { return false };
        if self.log.as_ref().is_some_and(|log| above.version <= log.head) {
            self.above_head = None;
        }
        self.above_head.is_some() && now.least_age_ms(above.found) > self.settings.read_limit_ms
    }

    /// Notes that the log could not be read.
    pub fn sync_failed(&mut self, now: ClockReading) {
        self.sync_failed = Some(now);
    }

    /// Takes an invalidation that arrived by message.
    pub fn notice(&mut self, key_id: &str, sequence: u64, now: ClockReading) {
        self.forget_old_tombstones(now);
        self.tombstones.raise(key_id, sequence, now);
        self.bound_tombstones(now);
    }

    fn forget_old_tombstones(&mut self, now: ClockReading) {
        self.tombstones.forget_older_than(self.settings.tombstone_retention_ms(), now);
    }

    fn bound_tombstones(&mut self, now: ClockReading) {
        if self.tombstones.len() > self.settings.max_tombstones {
            self.forget_everything();
            // What the forgotten tombstones forbade may still turn up in the index.
            if let Some(log) = &mut self.log {
                log.followed_since = now;
            }
        }
    }

    /// Forgets all keys, and what reads under way will find.
    fn forget_everything(&mut self) {
        self.generation += 1;
        self.tombstones = Tombstones::default();
        self.keys.clear();
        self.unknown.clear();
    }

    /// Takes what the index has for the secret.
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
                self.remember(request, start, key);
            }
            // It may be too new for the index, or too old in it.
            _ => request.index_missed = true,
        }
    }

    /// Takes what strongly consistent reads have for the secret.
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
            // Its change has not returned, or a message told of one that there never was.
            Some(key) if key.version < self.tombstones.min_version(&key.key_id) => {
                request.found = Some(Found::Key(Arc::new(key)));
            }
            Some(key) => {
                self.note_version(&key, now);
                self.remember(request, start, key);
            }
            None => {
                request.found = Some(Found::NotFound);
                if start.generation == self.generation {
                    bounded_put(&mut self.unknown, request.digest, start.began, self.settings.max_unknown);
                }
            }
        }
    }

    fn note_version(&mut self, key: &KeyRecord, now: ClockReading) {
        if self.log.as_ref().is_some_and(|log| key.version > log.head) {
            let found = self.above_head.map_or(now, |above| above.found);
            let version = self.above_head.map_or(0, |above| above.version).max(key.version);
            self.above_head = Some(AboveHead { version, found });
        }
    }

    fn remember(&mut self, request: &mut Request, start: ReadStart, key: KeyRecord) {
        let key = Arc::new(key);
        if start.generation == self.generation {
            let remembered = Remembered { key: key.clone(), read: start.began };
            bounded_put(&mut self.keys, request.digest, remembered, self.settings.max_keys);
            self.unknown.pop(&request.digest);
        }
        request.found = Some(Found::Key(key));
    }

    /// Takes the usage of a key's month. Returns the thresholds that nobody
    /// was told of yet, as far as this instance knows.
    pub fn usage_read(
        &mut self,
        request: &mut Request,
        key_id: &str,
        usage: MonthUsage,
        began: ClockReading,
    ) {
        request.usage = Some(usage);
        let told = self.usage.peek(key_id).filter(|known| known.usage.month == usage.month);
        let told = told.and_then(|known| known.told);
        let remembered = RememberedUsage { usage, read: began, told };
        bounded_put(&mut self.usage, key_id.to_owned(), remembered, self.settings.max_keys);
    }

    /// Notes that the usage could not be read.
    pub fn usage_failed(&mut self, request: &mut Request) {
        request.usage_failed = true;
    }

    /// The threshold of a limit that somebody should be told of now, unless
    /// another instance has done so.
    pub fn threshold_to_tell(&self, key_id: &str, quota: &Quota) -> Option<Threshold> {
        let told = self.usage.peek(key_id)?.told;
        quota.threshold_reached().filter(|reached| told.is_none_or(|told| told < *reached))
    }

    /// Notes that somebody was told of a threshold.
    pub fn threshold_told(&mut self, key_id: &str, threshold: Threshold) {
        if let Some(remembered) = self.usage.peek_mut(key_id) {
            remembered.told = Some(threshold);
        }
    }

    /// Whether the log was read since the request began.
    pub fn synced_since(&self, request: &Request) -> bool {
        self.log.as_ref().is_some_and(|log| log.synced.order > request.order)
    }

    /// What decides how this instance goes on from now, but for the order of
    /// things ([`Self::synced_since`]), for comparing states: ages instead of
    /// times, and nothing of what can never matter again.
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
        let usable = |known: &Remembered| known.key.version >= tombstones.min_version(&known.key.key_id);
        let mut keys: Vec<(KeyDigest, u64, u64)> = self
            .keys
            .iter()
            .map(|(digest, known)| (*digest, known, now.age_ms(known.read)))
            .filter(|(_, known, age)| *age < settings.key_lifetime_ms && usable(known))
            .map(|(digest, known, age)| (digest, known.key.version, age))
            .collect();
        keys.sort_unstable();
        let tombstones: Vec<(String, u64, u64)> = tombstones
            .sorted()
            .into_iter()
            .map(|(key, tombstone, raised)| (key, tombstone, now.least_age_ms(raised)))
            .collect();
        (log, failed, self.generation, tombstones, keys)
    }
}

/// Whether a read shows the log that was known, and all that followed.
fn continues(known: &LogState, read: &LogRead) -> bool {
    read.head >= known.head
        && read.is_whole_after(known.head.saturating_sub(1))
        && read.entry(known.head) == known.last.as_ref()
}

/// Whether a read shows another log than the one that was known; not merely a
/// part of it.
fn is_another(known: &LogState, read: &LogRead) -> bool {
    let last = read.entry(known.head);
    read.head < known.head || (last.is_some() && known.last.is_some() && last != known.last.as_ref())
}

fn bounded_put<K: Hash + Eq, V>(cache: &mut LruCache<K, V>, key: K, value: V, most: usize) {
    cache.put(key, value);
    while cache.len() > most {
        cache.pop_lru();
    }
}

#[cfg(test)]
mod tests;
