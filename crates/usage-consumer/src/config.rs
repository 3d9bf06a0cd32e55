//! The settings of the function.

use access_log::Limits;
use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};
use metering_core::billing_rules::BillingRules;
use metering_core::claims::layout::ClaimLayout;

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the usage ledger.
    pub usage_table: String,
    /// The table of the claims.
    pub claims_table: String,
    /// The queue for records that cannot be counted.
    pub quarantine_queue_url: String,
    /// The value of the metrics' dimension `Environment`.
    pub environment_name: String,
    /// Days for which the ledger keeps the rows of a day.
    pub usage_retention_days: u32,
    /// Days after its request time for which a call is recognised. A call that
    /// arrives later is quarantined, because the claims no longer show whether
    /// it was counted.
    pub claim_retention_days: u32,
    /// The slices and groups in which calls are claimed.
    pub claim_layout: ClaimLayout,
    /// The statuses and routes whose calls are counted.
    pub rules: BillingRules,
    /// Hours by which the function has to be behind before it raises the
    /// retention of the stream to seven days.
    pub raise_retention_behind_hours: u32,
    /// The maximum number of concurrent requests.
    pub write_concurrency: usize,
    /// The maximum size of a gzipped record after decompression, in bytes.
    pub max_inflated_bytes: usize,
    /// The maximum number of log events in a record.
    pub max_events: u32,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing or invalid; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            usage_table: environment.required(&variables::USAGE_TABLE)?,
            claims_table: environment.required(&variables::CLAIMS_TABLE)?,
            quarantine_queue_url: environment.required(&variables::QUARANTINE_QUEUE_URL)?,
            environment_name: environment.text(&variables::ENVIRONMENT_NAME),
            usage_retention_days: environment.number(&variables::USAGE_RETENTION_DAYS)?,
            claim_retention_days: environment.number(&variables::CLAIM_RETENTION_DAYS)?,
            claim_layout: environment.parsed(&variables::CLAIM_LAYOUT)?,
            rules: BillingRules {
                billed_statuses: environment.parsed(&variables::BILLED_STATUSES)?,
                unbilled: environment.parsed(&variables::UNBILLED_ROUTES)?,
            },
            raise_retention_behind_hours: environment.number(&variables::RAISE_RETENTION_BEHIND_HOURS)?,
            write_concurrency: environment.number(&variables::WRITE_CONCURRENCY)?,
            max_inflated_bytes: environment.number(&variables::MAX_INFLATED_BYTES)?,
            max_events: environment.number(&variables::MAX_EVENTS)?,
        })
    }

    /// Returns the age of the oldest call that is counted, in days. Both the
    /// ledger and the claims keep a call of this age.
    pub fn max_call_age_days(&self) -> u32 {
        self.usage_retention_days.min(self.claim_retention_days)
    }

    /// Returns the limits of the decoder for one record.
    pub fn limits(&self) -> Limits {
        Limits { max_inflated_bytes: self.max_inflated_bytes, max_events: self.max_events }
    }
}

#[cfg(test)]
mod tests {
    use metering_core::claims::layout::DEFAULT_LAYOUT;

    use super::*;

    #[test]
    fn defaults_are_those_of_the_decoder_and_the_claims() {
        let required =
            [variables::USAGE_TABLE.name, variables::CLAIMS_TABLE.name, variables::QUARANTINE_QUEUE_URL.name];
        let config = Config::read(&Environment::from_variables(&required.map(|name| (name, "x")))).unwrap();
        assert_eq!(config.limits(), Limits::default());
        assert_eq!(config.claim_layout, DEFAULT_LAYOUT.parse().unwrap());
    }
}
