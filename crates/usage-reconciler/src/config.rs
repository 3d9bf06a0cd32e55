//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};
use metering_core::billing_rules::BillingRules;
use metering_core::window::{HOUR_MS, hour_start_ms};

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the usage ledger.
    pub usage_table: String,
    /// The table of the claims, which also records the compared hours.
    pub claims_table: String,
    /// The log groups of the access logs.
    pub access_log_groups: Vec<String>,
    /// The statuses and routes whose calls are counted.
    pub rules: BillingRules,
    /// The value of the metrics' dimension `Environment`.
    pub environment_name: String,
    /// Hours that each run compares.
    pub hours: i64,
    /// Minutes after the end of an hour before it is compared.
    pub settle_minutes: i64,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing or out of its range; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let groups = environment.required(&variables::ACCESS_LOG_GROUPS)?;
        let groups = groups.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            usage_table: environment.required(&variables::USAGE_TABLE)?,
            claims_table: environment.required(&variables::CLAIMS_TABLE)?,
            access_log_groups: groups.map(str::to_owned).collect(),
            rules: BillingRules {
                billed_statuses: environment.parsed(&variables::BILLED_STATUSES)?,
                unbilled: environment.parsed(&variables::UNBILLED_ROUTES)?,
            },
            environment_name: environment.text(&variables::ENVIRONMENT_NAME),
            hours: environment.number(&variables::RECONCILE_HOURS)?,
            settle_minutes: environment.number(&variables::SETTLE_MINUTES)?,
        })
    }

    /// Returns start and end of the whole hours that a run at `now_ms` compares,
    /// in milliseconds since 1970. The last of them has settled.
    pub fn compared_hours(&self, now_ms: i64) -> (i64, i64) {
        let to_ms = hour_start_ms(now_ms - self.settle_minutes * 60_000);
        (to_ms - self.hours * HOUR_MS, to_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 3] = [
        (variables::USAGE_TABLE.name, "usage"),
        (variables::CLAIMS_TABLE.name, "claims"),
        (variables::ACCESS_LOG_GROUPS.name, "calls, more"),
    ];

    fn read(more: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&Environment::from_variables(&[&NEEDED, more].concat()))
    }

    #[test]
    fn settings_have_defaults_and_bounds() {
        let config = read(&[]).unwrap();
        assert_eq!((config.hours, config.settle_minutes), (3, 15));
        assert_eq!(config.access_log_groups, ["calls", "more"]);
        let (hours, unbilled) = (variables::RECONCILE_HOURS.name, variables::UNBILLED_ROUTES.name);
        assert!(read(&[(hours, "0")]).unwrap_err().to_string().contains(hours));
        assert!(read(&[(unbilled, "usage")]).unwrap_err().to_string().contains("METHOD /path"));
        let statuses = variables::BILLED_STATUSES.name;
        assert!(read(&[(statuses, "2xx")]).unwrap_err().to_string().contains("200 to 599"));
        assert_eq!(read(&[(statuses, "304")]).unwrap().rules.billed_statuses.to_string(), "304");
        let unbilled = read(&[(unbilled, "/usage,OPTIONS *")]).unwrap().rules.unbilled;
        assert!(unbilled.contains(Some("GET"), Some("/usage")));
    }

    #[test]
    fn only_whole_hours_that_have_settled_are_compared() {
        let config = read(&[]).unwrap();
        let minute = |minutes: i64| minutes * 60_000;
        assert_eq!(config.compared_hours(minute(10 * 60 + 14)), (6 * HOUR_MS, 9 * HOUR_MS));
        assert_eq!(config.compared_hours(minute(10 * 60 + 15)), (7 * HOUR_MS, 10 * HOUR_MS));
    }
}
