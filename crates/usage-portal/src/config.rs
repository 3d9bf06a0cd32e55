//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};
use portal_token::PublicKeys;
use usage_endpoint::config::Config as UsageConfig;

use crate::page_policy::FrameAncestors;

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The settings of the usage endpoint, which reads the usage.
    pub usage: UsageConfig,
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
            usage: UsageConfig::read(environment)?,
            environment: environment.text(&variables::ENVIRONMENT_NAME),
            public_keys: environment.public_keys(&variables::PORTAL_PUBLIC_KEYS)?,
            frame_ancestors: environment.parsed(&variables::PORTAL_FRAME_ANCESTORS)?,
        })
    }
}
