//! The settings of the function.

use access_log::decoder::DEFAULT_MAX_INFLATED_BYTES;
use lambda_support::config::{ConfigError, Environment};

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `USAGE_TABLE`: the ledger.
    pub usage_table: String,
    /// `CLAIMS_TABLE`: the claims to records.
    pub claims_table: String,
    /// `QUARANTINE_QUEUE_URL`: the queue for records that cannot be counted.
    pub quarantine_queue_url: String,
    /// `ENVIRONMENT_NAME`: the dimension of the metrics, `local` by default.
    pub environment_name: String,
    /// `DETECT_DUPLICATES`: whether records are claimed, on by default.
    pub detect_duplicates: bool,
    /// `USAGE_RETENTION_DAYS`: how long the ledger keeps a day, 400 by default.
    pub usage_retention_days: u32,
    /// `CLAIM_RETENTION_HOURS`: how long a claim is kept, 72 by default. It
    /// has to be longer than the stream keeps its records.
    pub claim_retention_hours: u32,
    /// `WRITE_CONCURRENCY`: requests under way at once, 32 by default.
    pub write_concurrency: usize,
    /// `MAX_INFLATED_BYTES`: the most a gzipped record may inflate to, 32 MiB by default.
    pub max_inflated_bytes: usize,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is missing or wrong; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            usage_table: environment.required("USAGE_TABLE", "the DynamoDB table of the usage ledger")?,
            claims_table: environment.required("CLAIMS_TABLE", "the DynamoDB table of the claims")?,
            quarantine_queue_url: environment
                .required("QUARANTINE_QUEUE_URL", "the SQS queue for records that cannot be counted")?,
            environment_name: environment.optional("ENVIRONMENT_NAME", "local"),
            detect_duplicates: environment.switch("DETECT_DUPLICATES", true)?,
            usage_retention_days: environment.bounded("USAGE_RETENTION_DAYS", 400, 1..=36_500)?,
            claim_retention_hours: environment.bounded("CLAIM_RETENTION_HOURS", 72, 1..=24 * 400)?,
            write_concurrency: environment.bounded("WRITE_CONCURRENCY", 32, 1..=1_000)?,
            max_inflated_bytes: environment.bounded(
                "MAX_INFLATED_BYTES",
                DEFAULT_MAX_INFLATED_BYTES,
                1 << 10..=1 << 30,
            )?,
        })
    }
}
