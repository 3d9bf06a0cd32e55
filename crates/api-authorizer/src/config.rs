//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};
use metering_core::decision_cache::CacheSettings;

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the keys.
    pub keys_table: String,
    /// The table of the invalidation log.
    pub invalidations_table: String,
    /// The table of the usage ledger, for monthly limits.
    pub usage_table: String,
    /// The table of the alerts that were sent.
    pub alerts_table: String,
    /// The topic for alerts about monthly limits.
    pub alerts_topic_arn: String,
    /// The value of the metrics' dimension `Environment`.
    pub environment_name: String,
    /// `true` if the HTTP API's authorizer is set up for simple responses
    /// (`isAuthorized`) instead of policies.
    pub simple_responses: bool,
    /// The maximum time of a decision, in milliseconds. It has to be below the
    /// time-out of the function.
    pub decision_limit_ms: u64,
    /// The lifetimes and bounds of the cache.
    pub cache: CacheSettings,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing or invalid; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            keys_table: environment.required(&variables::KEYS_TABLE)?,
            invalidations_table: environment.required(&variables::INVALIDATIONS_TABLE)?,
            usage_table: environment.required(&variables::USAGE_TABLE)?,
            alerts_table: environment.required(&variables::ALERTS_TABLE)?,
            alerts_topic_arn: environment.required(&variables::ALERTS_TOPIC_ARN)?,
            environment_name: environment.text(&variables::ENVIRONMENT_NAME),
            simple_responses: environment.bool(&variables::HTTP_API_SIMPLE_RESPONSES)?,
            decision_limit_ms: environment.number(&variables::DECISION_LIMIT_MS)?,
            cache: cache_settings(environment)?,
        })
    }
}

/// Longer than the read of a key takes, including its retries.
const READ_LIMIT_MS: u64 = 30_000;

fn cache_settings(environment: &Environment) -> Result<CacheSettings, ConfigError> {
    Ok(CacheSettings {
        sync_interval_ms: environment.number(&variables::SYNC_INTERVAL_MS)?,
        sync_retry_ms: 1_000,
        key_lifetime_ms: environment.number(&variables::CACHE_TTL_MS)?,
        unknown_lifetime_ms: environment.number(&variables::UNKNOWN_TTL_MS)?,
        usage_lifetime_ms: environment.number(&variables::USAGE_TTL_MS)?,
        usage_lifetime_near_limit_ms: environment.number(&variables::USAGE_TTL_NEAR_LIMIT_MS)?,
        usage_stale_limit_ms: environment.number(&variables::USAGE_STALE_LIMIT_MS)?,
        index_lag_bound_ms: environment.number(&variables::INDEX_LAG_BOUND_MS)?,
        read_limit_ms: READ_LIMIT_MS,
        max_keys: environment.number(&variables::MAX_CACHED_KEYS)?,
        max_unknown: environment.number(&variables::MAX_CACHED_UNKNOWN)?,
        max_tombstones: environment.number(&variables::MAX_TOMBSTONES)?,
    })
}
