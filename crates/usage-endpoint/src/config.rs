//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the usage ledger.
    pub usage_table: String,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { usage_table: environment.required(&variables::USAGE_TABLE)? })
    }
}
