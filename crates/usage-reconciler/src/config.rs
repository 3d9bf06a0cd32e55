//! The settings of the function.

use lambda_support::config::{ConfigError, Environment};
use metering_core::unbilled::UnbilledRoutes;
use metering_core::window::{HOUR_MS, hour_start_ms};

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `USAGE_TABLE`: the ledger.
    pub usage_table: String,
    /// `CLAIMS_TABLE`: the claims, among which compared hours are remembered.
    pub claims_table: String,
    /// `ACCESS_LOG_GROUPS`: the log groups of the gateways' access logs, with commas between.
    pub access_log_groups: Vec<String>,
    /// `UNBILLED_ROUTES`: routes and methods whose calls are not counted, none by default.
    pub unbilled: UnbilledRoutes,
    /// `ENVIRONMENT_NAME`: the dimension of the metrics.
    pub environment_name: String,
    /// `RECONCILE_HOURS`: how many hours every run compares, 1 to 48.
    pub hours: i64,
    /// `SETTLE_MINUTES`: how long an hour is over before it is compared, 1 to 180.
    pub settle_minutes: i64,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is missing or out of bounds; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let groups =
            environment.string("ACCESS_LOG_GROUPS", "the log groups of the gateways' access logs")?;
        let groups = groups.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            usage_table: environment.string("USAGE_TABLE", "the DynamoDB table of the usage ledger")?,
            claims_table: environment.string("CLAIMS_TABLE", "the DynamoDB table of the claims")?,
            access_log_groups: groups.map(str::to_owned).collect(),
            unbilled: environment.parsed("UNBILLED_ROUTES", "")?,
            environment_name: environment.string_or("ENVIRONMENT_NAME", "unnamed"),
            hours: environment.number_or("RECONCILE_HOURS", 3, 1..=48)?,
            settle_minutes: environment.number_or("SETTLE_MINUTES", 15, 1..=180)?,
        })
    }

    /// The whole hours that a run at `now_ms` compares: as many as are set, the
    /// last of them over for the time to settle.
    pub fn compared_hours(&self, now_ms: i64) -> (i64, i64) {
        let to_ms = hour_start_ms(now_ms - self.settle_minutes * 60_000);
        (to_ms - self.hours * HOUR_MS, to_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 3] =
        [("USAGE_TABLE", "usage"), ("CLAIMS_TABLE", "claims"), ("ACCESS_LOG_GROUPS", "calls, more")];

    fn read(more: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&Environment::from_variables(&[&NEEDED, more].concat()))
    }

    #[test]
    fn settings_have_defaults_and_bounds() {
        let config = read(&[]).unwrap();
        assert_eq!((config.hours, config.settle_minutes), (3, 15));
        assert_eq!(config.access_log_groups, ["calls", "more"]);
        assert!(read(&[("RECONCILE_HOURS", "0")]).unwrap_err().to_string().contains("RECONCILE_HOURS"));
        assert!(read(&[("UNBILLED_ROUTES", "usage")]).unwrap_err().to_string().contains("METHOD /path"));
        let unbilled = read(&[("UNBILLED_ROUTES", "/usage,OPTIONS *")]).unwrap().unbilled;
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
