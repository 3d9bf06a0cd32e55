//! The settings of a deployment for which nobody chooses an option.

/// Lifetime of an authorizer answer in API Gateway's cache, in seconds. Zero: a
/// deleted key would be admitted for as long.
pub const AUTHORIZER_CACHE_TTL_S: u32 = 0;
/// Maximum age of the authorizer's last read of the invalidation log, in milliseconds.
pub const SYNC_INTERVAL_MS: u32 = 1_000;
/// The most records of a batch of the event source mapping.
pub const BATCH_SIZE: u32 = 100;
/// Time for which a batch waits to fill, in seconds.
pub const BATCH_WINDOW_S: u32 = 5;
/// Days for which the ledger keeps the rows of a day.
pub const USAGE_RETENTION_DAYS: u32 = 400;
/// Days after a call for which it is recognised and counted.
pub const CLAIM_RETENTION_DAYS: u32 = 35;

/// Interval at which an event source mapping polls a shard without records, in
/// milliseconds. AWS sets it.
///
/// Source: Lambda Developer Guide, "Using Lambda to process records from Amazon
/// Kinesis Data Streams": "a base rate of once per second".
pub const POLL_INTERVAL_MS: u32 = 1_000;
