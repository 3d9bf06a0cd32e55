//! The settings of the function.

use access_log::Limits;
use access_log::decoder::{DEFAULT_MAX_EVENTS, DEFAULT_MAX_INFLATED_BYTES};
use deployment::settings;
use lambda_support::config::{ConfigError, Environment};
use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT};
use metering_core::unbilled::UnbilledRoutes;

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
    /// `USAGE_RETENTION_DAYS`: how long the ledger keeps a day, 400 by
    /// default. A month and its limits are read back for 62 days at least.
    pub usage_retention_days: u32,
    /// `CLAIM_RETENTION_DAYS`: how long after it was made a call is recognised,
    /// 35 by default. A call that arrives later goes to quarantine,
    /// since nobody could tell whether it was counted before. It has to be
    /// longer than the stream and the quarantine keep anything.
    pub claim_retention_days: u32,
    /// `CLAIM_LAYOUT`: how calls are spread over slices of claims.
    pub claim_layout: ClaimLayout,
    /// `UNBILLED_ROUTES`: routes and methods whose calls are not counted, none by default.
    pub unbilled: UnbilledRoutes,
    /// `RAISE_RETENTION_BEHIND_HOURS`: how far behind the function has to be
    /// until it has the stream keep its records for seven days, 6 by default.
    pub raise_retention_behind_hours: u32,
    /// `WRITE_CONCURRENCY`: requests under way at once, 32 by default.
    pub write_concurrency: usize,
    /// `MAX_INFLATED_BYTES`: the most a gzipped record may inflate to, 32 MiB by default.
    pub max_inflated_bytes: usize,
    /// `MAX_EVENTS`: the most events of a record, 131,072 by default.
    pub max_events: u32,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is missing or wrong; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            usage_table: environment.string("USAGE_TABLE", "the DynamoDB table of the usage ledger")?,
            claims_table: environment.string("CLAIMS_TABLE", "the DynamoDB table of the claims")?,
            quarantine_queue_url: environment
                .string("QUARANTINE_QUEUE_URL", "the SQS queue for records that cannot be counted")?,
            environment_name: environment.string_or("ENVIRONMENT_NAME", "local"),
            usage_retention_days: environment.number_or(
                "USAGE_RETENTION_DAYS",
                settings::USAGE_RETENTION_DAYS,
                62..=36_500,
            )?,
            claim_retention_days: environment.number_or(
                "CLAIM_RETENTION_DAYS",
                settings::CLAIM_RETENTION_DAYS,
                15..=36_500,
            )?,
            claim_layout: environment.parsed("CLAIM_LAYOUT", DEFAULT_LAYOUT)?,
            unbilled: environment.parsed("UNBILLED_ROUTES", "")?,
            raise_retention_behind_hours: environment.number_or("RAISE_RETENTION_BEHIND_HOURS", 6, 1..=23)?,
            write_concurrency: environment.number_or("WRITE_CONCURRENCY", 32, 1..=1_000)?,
            max_inflated_bytes: environment.number_or(
                "MAX_INFLATED_BYTES",
                DEFAULT_MAX_INFLATED_BYTES,
                1 << 10..=1 << 30,
            )?,
            max_events: environment.number_or("MAX_EVENTS", DEFAULT_MAX_EVENTS, 1_000..=1 << 20)?,
        })
    }

    /// The oldest call that is counted, in days: both the ledger and the claims keep it.
    pub fn max_call_age_days(&self) -> u32 {
        self.usage_retention_days.min(self.claim_retention_days)
    }

    /// What a decoder may use for one record.
    pub fn limits(&self) -> Limits {
        Limits { max_inflated_bytes: self.max_inflated_bytes, max_events: self.max_events }
    }
}
