//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};
use portal_token::PublicKeys;

use crate::page_policy::FrameAncestors;

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the usage ledger.
    pub usage_table: String,
    /// The table of the shard heads.
    pub claims_table: String,
    /// The ARN of the stream that the consumer reads.
    pub stream_arn: String,
    /// The environment for which tokens have to be issued.
    pub environment: String,
    /// The keys by which tokens are verified.
    pub public_keys: PublicKeys,
    /// The pages that may embed the page.
    pub frame_ancestors: FrameAncestors,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing or cannot be used; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            usage_table: environment.required(&variables::USAGE_TABLE)?,
            claims_table: environment.required(&variables::CLAIMS_TABLE)?,
            stream_arn: environment.required(&variables::STREAM_ARN)?,
            environment: environment.text(&variables::ENVIRONMENT_NAME),
            public_keys: environment.parsed_required(&variables::PORTAL_PUBLIC_KEYS)?,
            frame_ancestors: environment.parsed(&variables::PORTAL_FRAME_ANCESTORS)?,
        })
    }
}
