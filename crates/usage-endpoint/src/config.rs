//! The settings of the function.

use lambda_support::config::{ConfigError, Environment};

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `USAGE_TABLE`: the ledger.
    pub usage_table: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is missing; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let usage_table = environment.string("USAGE_TABLE", "the DynamoDB table of the usage ledger")?;
        Ok(Self { usage_table })
    }
}
