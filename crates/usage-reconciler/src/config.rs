//! The settings of the function.

use lambda_support::config::{ConfigError, Environment};

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `USAGE_TABLE`: the ledger.
    pub usage_table: String,
    /// `ACCESS_LOG_GROUP`: the log group of the gateway's access log.
    pub access_log_group: String,
    /// `UNBILLED_RESOURCES`: resources that the subscription leaves out, separated by commas.
    pub unbilled_resources: Vec<String>,
    /// `ENVIRONMENT_NAME`: the dimension of the metrics.
    pub environment_name: String,
    /// `RECONCILE_HOURS`: how many hours are compared, 1 to 48.
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
        let unbilled = environment.optional("UNBILLED_RESOURCES", "");
        Ok(Self {
            usage_table: environment.required("USAGE_TABLE", "the DynamoDB table of the usage ledger")?,
            access_log_group: environment
                .required("ACCESS_LOG_GROUP", "the log group of the gateway's access log")?,
            unbilled_resources: unbilled
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            environment_name: environment.optional("ENVIRONMENT_NAME", "unnamed"),
            hours: environment.bounded("RECONCILE_HOURS", 3, 1..=48)?,
            settle_minutes: environment.bounded("SETTLE_MINUTES", 15, 1..=180)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_and_bounds() {
        let needed = [("USAGE_TABLE", "usage"), ("ACCESS_LOG_GROUP", "calls")];
        let config = Config::read(&Environment::of(&needed)).unwrap();
        assert_eq!((config.hours, config.settle_minutes, config.unbilled_resources.len()), (3, 15, 0));
        let more = [needed[0], needed[1], ("UNBILLED_RESOURCES", "/usage,/health"), ("RECONCILE_HOURS", "0")];
        assert!(Config::read(&Environment::of(&more)).unwrap_err().to_string().contains("RECONCILE_HOURS"));
        assert_eq!(
            Config::read(&Environment::of(&more[..3])).unwrap().unbilled_resources,
            ["/usage", "/health"]
        );
    }
}
