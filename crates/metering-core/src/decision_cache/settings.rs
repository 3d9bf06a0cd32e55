//! The durations and sizes of a decision cache.

/// The durations and sizes of a [`super::DecisionCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Maximum age of the last read of the invalidation log, in milliseconds. `0` reads the log on
    /// every request.
    pub sync_interval_ms: u64,
    /// Time after a failed read of the log before the log is read again, in milliseconds. Until
    /// then every request reads its key from the table.
    pub sync_retry_ms: u64,
    /// Time for which a key is cached, in milliseconds.
    pub key_lifetime_ms: u64,
    /// Time for which the cache remembers that no key has a certain secret, in milliseconds.
    pub unknown_lifetime_ms: u64,
    /// Time for which the usage of a month is cached, in milliseconds.
    pub usage_lifetime_ms: u64,
    /// Time for which the usage of a month is cached once the first threshold of the limit is
    /// reached, in milliseconds.
    pub usage_lifetime_near_limit_ms: u64,
    /// Maximum age of cached usage while newer usage cannot be read, in milliseconds.
    pub usage_stale_limit_ms: u64,
    /// Assumed upper bound of the index's lag behind the table, in milliseconds. AWS states none.
    pub index_lag_bound_ms: u64,
    /// Upper bound of the duration of any read, in milliseconds.
    pub read_limit_ms: u64,
    /// Maximum number of cached keys, and of cached usages.
    pub max_keys: usize,
    /// Maximum number of cached secrets that belong to no key.
    pub max_unknown: usize,
    /// Maximum number of tombstones. With more, the cache is emptied.
    pub max_tombstones: usize,
}

impl CacheSettings {
    /// Time for which a tombstone is kept, in milliseconds: until no copy that it forbids can
    /// still be read or cached.
    pub(super) fn tombstone_retention_ms(&self) -> u64 {
        self.index_lag_bound_ms.max(self.key_lifetime_ms).saturating_add(self.read_limit_ms)
    }
}
