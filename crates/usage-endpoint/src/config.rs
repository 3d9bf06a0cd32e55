//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the usage ledger.
    pub usage_table: String,
    /// The table of the shard heads.
    pub claims_table: String,
    /// The ARN of the stream that the consumer reads.
    pub stream_arn: String,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            usage_table: environment.required(&variables::USAGE_TABLE)?,
            claims_table: environment.required(&variables::CLAIMS_TABLE)?,
            stream_arn: environment.required(&variables::STREAM_ARN)?,
        })
    }
}
