//! The settings of the function.

use deployment::settings;
use lambda_support::config::{ConfigError, Environment};
use metering_core::decision_cache::CacheSettings;

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `KEYS_TABLE`: the keys.
    pub keys_table: String,
    /// `INVALIDATIONS_TABLE`: the log of their changes.
    pub invalidations_table: String,
    /// `USAGE_TABLE`: the ledger, for monthly limits.
    pub usage_table: String,
    /// `ALERTS_TABLE`: the alerts that were sent.
    pub alerts_table: String,
    /// `ALERTS_TOPIC_ARN`: where alerts about limits go.
    pub alerts_topic_arn: String,
    /// `ENVIRONMENT_NAME`: the dimension of the metrics, `local` by default.
    pub environment_name: String,
    /// `HTTP_API_SIMPLE_RESPONSES`: whether an HTTP API wants `isAuthorized`
    /// instead of a policy, as its authorizer is set up; on by default.
    pub simple_responses: bool,
    /// `DECISION_LIMIT_MS`: how long a decision may take, 4000 by default. Keep
    /// it below the time-out of the function.
    pub decision_limit_ms: u64,
    /// What is remembered for how long.
    pub cache: CacheSettings,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is missing or wrong; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            keys_table: environment.string("KEYS_TABLE", "the DynamoDB table of the keys")?,
            invalidations_table: environment
                .string("INVALIDATIONS_TABLE", "the DynamoDB table of the invalidation log")?,
            usage_table: environment.string("USAGE_TABLE", "the DynamoDB table of the usage ledger")?,
            alerts_table: environment.string("ALERTS_TABLE", "the DynamoDB table of sent alerts")?,
            alerts_topic_arn: environment
                .string("ALERTS_TOPIC_ARN", "the SNS topic for alerts about limits")?,
            environment_name: environment.string_or("ENVIRONMENT_NAME", "local"),
            simple_responses: environment.bool_or("HTTP_API_SIMPLE_RESPONSES", true)?,
            decision_limit_ms: environment.number_or("DECISION_LIMIT_MS", 4_000, 100..=29_000)?,
            cache: cache_settings(environment)?,
        })
    }
}

/// Longer than a read of a key takes, with its retries.
const READ_LIMIT_MS: u64 = 30_000;

fn cache_settings(environment: &Environment) -> Result<CacheSettings, ConfigError> {
    Ok(CacheSettings {
        sync_interval_ms: environment.number_or(
            "SYNC_INTERVAL_MS",
            settings::SYNC_INTERVAL_MS.into(),
            0..=60_000,
        )?,
        sync_retry_ms: 1_000,
        key_lifetime_ms: environment.number_or("CACHE_TTL_MS", 30_000, 0..=600_000)?,
        unknown_lifetime_ms: environment.number_or("UNKNOWN_TTL_MS", 5_000, 0..=60_000)?,
        usage_lifetime_ms: environment.number_or("USAGE_TTL_MS", 30_000, 0..=600_000)?,
        usage_lifetime_near_limit_ms: environment.number_or("USAGE_TTL_NEAR_LIMIT_MS", 5_000, 0..=600_000)?,
        usage_stale_limit_ms: environment.number_or("USAGE_STALE_LIMIT_MS", 300_000, 0..=3_600_000)?,
        index_lag_bound_ms: environment.number_or("INDEX_LAG_BOUND_MS", 300_000, 0..=3_600_000)?,
        read_limit_ms: READ_LIMIT_MS,
        max_keys: environment.number_or("MAX_CACHED_KEYS", 50_000, 1..=1_000_000)?,
        max_unknown: environment.number_or("MAX_CACHED_UNKNOWN", 10_000, 1..=1_000_000)?,
        max_tombstones: environment.number_or("MAX_TOMBSTONES", 100_000, 1..=1_000_000)?,
    })
}
