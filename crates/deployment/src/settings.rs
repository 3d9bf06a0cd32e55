//! The settings of a deployment whose options nobody chooses otherwise.

/// Lifetime of an authorizer answer in API Gateway's cache, in seconds. Zero: a
/// deleted key would be admitted for as long.
pub const AUTHORIZER_CACHE_TTL_S: u64 = 0;
/// Maximum age of the authorizer's last read of the invalidation log, in milliseconds.
pub const SYNC_INTERVAL_MS: u64 = 1_000;
/// The most records of a batch of the event source mapping.
pub const BATCH_SIZE: usize = 100;
/// Time for which a batch waits to fill, in seconds.
pub const BATCH_WINDOW_S: u64 = 5;
/// Days for which the ledger keeps the rows of a day.
pub const USAGE_RETENTION_DAYS: u64 = 400;
/// Days after a call in which it is recognised and counted.
pub const CLAIM_RETENTION_DAYS: u64 = 35;
