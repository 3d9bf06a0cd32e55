//! The meter that a command works on.

use aws_config::SdkConfig;
use deployment::Names;

use crate::connection::{COMMAND_RETRY_POLICY, load, load_local};
use crate::{CustomerStore, KeyStore};

/// A local or deployed meter: the names of its resources, and the SDK settings that reach them.
#[derive(Debug, Clone)]
pub struct MeterTarget {
    /// Names of the resources of the environment.
    pub names: Names,
    /// Credentials, region, endpoint, time-outs and retries for SDK clients.
    pub config: SdkConfig,
}

impl MeterTarget {
    /// Returns the deployed meter of an environment, in the account and region of this shell.
    pub async fn deployed(environment: &str) -> Self {
        Self::new(environment, load(COMMAND_RETRY_POLICY).await)
    }

    /// Returns the local stack whose AWS services have this endpoint.
    pub async fn local(aws_endpoint_url: &str) -> Self {
        let config = load_local(aws_endpoint_url, COMMAND_RETRY_POLICY).await;
        Self::new(deployment::names::LOCAL, config)
    }

    fn new(environment: &str, config: SdkConfig) -> Self {
        Self { names: Names::new(environment), config }
    }

    /// Returns the store of the API keys.
    pub fn key_store(&self) -> KeyStore {
        let Names { keys_table, invalidations_table, .. } = &self.names;
        KeyStore::new(aws_sdk_dynamodb::Client::new(&self.config), keys_table, invalidations_table)
    }
    /// Returns the store of the customers.
    pub fn customers(&self) -> CustomerStore {
        CustomerStore::new(aws_sdk_dynamodb::Client::new(&self.config), &self.names.keys_table)
    }
}
