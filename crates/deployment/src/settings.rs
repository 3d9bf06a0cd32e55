//! Default settings of a deployment.

/// The path at which a customer reads its own usage. A key over its monthly
/// limit is still admitted there, and the calls are not billed.
pub const USAGE_PATH: &str = "/usage";
/// The routes and methods whose calls are not billed by default: [`USAGE_PATH`]
/// and the preflights of browsers.
pub const UNBILLED_ROUTES: &str = "OPTIONS *,/usage";

/// The statuses with which calls are billed by default.
pub const BILLED_STATUSES: &str = "200-299";

/// Lifetime of an authorizer result in API Gateway's cache, in seconds. Zero,
/// because API Gateway admits a deleted key for as long.
pub const AUTHORIZER_CACHE_TTL_S: u32 = 0;
/// Maximum age of the authorizer's last read of the invalidation log, in milliseconds.
pub const SYNC_INTERVAL_MS: u32 = 1_000;
/// Number of shards of the stream, which is provisioned.
pub const SHARD_COUNT: u32 = 1;
/// Maximum number of records in a batch of the event source mapping.
pub const BATCH_SIZE: u32 = 1_000;
/// Maximum time for which the event source mapping collects a batch, in seconds.
pub const BATCH_WINDOW_S: u32 = 20;
/// Beginning of the partitions of the claims table that have the head and the verdicts of a shard.
pub const SHARD_PARTITION_PREFIX: &str = "shard#";
/// Partition of the claims table that has the hours which the reconciler has compared.
pub const COMPARED_HOURS_PARTITION: &str = "reconciliation";
/// Partition of the claims table that has the weights of route classes.
pub const CLASS_WEIGHTS_PARTITION: &str = "class-weights";
/// Days for which the ledger keeps the rows of a day.
pub const USAGE_RETENTION_DAYS: u32 = 400;
/// Days after its request time for which a call is recognised and counted.
pub const CLAIM_RETENTION_DAYS: u32 = 35;

/// Interval at which an event source mapping polls a shard without records, in
/// milliseconds. AWS sets it.
///
/// Source: Lambda Developer Guide, "Using Lambda to process records from Amazon
/// Kinesis Data Streams": "a base rate of once per second".
pub const POLL_INTERVAL_MS: u32 = 1_000;
