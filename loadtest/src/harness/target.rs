//! The system under test: where it is and what its parts are called.

use std::path::{Path, PathBuf};

use anyhow::Context;
use deployment::Names;
use local_stack::gateway::STAGE;
use local_stack::stack::Endpoints;
use metering_aws::KeyStore;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load, load_local};

use crate::harness::local::Control;

/// Clients and names of the system under test.
pub struct Target {
    /// Where calls are sent.
    pub gateway: String,
    /// The environment.
    pub environment: String,
    /// The names of its resources.
    pub names: Names,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Kinesis.
    pub kinesis: aws_sdk_kinesis::Client,
    /// CloudWatch.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Control and data of a local stack; `None` on AWS.
    pub local: Option<(Control, PathBuf)>,
}

impl Target {
    /// The local stack in a data folder. `gateway` replaces its own.
    ///
    /// # Errors
    /// When none was started there.
    pub async fn local(data: &Path, gateway: Option<String>) -> anyhow::Result<Self> {
        let control = Control::of_folder(data)?;
        let endpoints = Endpoints::of_folder(data).context("the local stack has no endpoints")?;
        let config = load_local(&endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
        let gateway = gateway.unwrap_or(endpoints.gateway);
        Ok(Self::with(&config, gateway, STAGE, Some((control, data.to_owned()))))
    }

    /// The deployed environment of this name.
    pub async fn on_aws(environment: &str, gateway: String) -> Self {
        Self::with(&load(COMMAND_RETRY_POLICY).await, gateway, environment, None)
    }

    fn with(
        config: &aws_config::SdkConfig,
        gateway: String,
        environment: &str,
        local: Option<(Control, PathBuf)>,
    ) -> Self {
        Self {
            gateway,
            environment: environment.to_owned(),
            names: Names::new(environment),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            kinesis: aws_sdk_kinesis::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            local,
        }
    }

    /// The name of the function of a service.
    pub fn function(&self, service: &str) -> String {
        deployment::names::function(service, &self.environment)
    }

    /// The keys.
    pub fn key_store(&self) -> KeyStore {
        let Names { keys_table, invalidations_table, .. } = &self.names;
        KeyStore::new(self.dynamodb.clone(), keys_table, invalidations_table)
    }

    /// The control of a local stack.
    pub fn control(&self) -> Option<&Control> {
        self.local.as_ref().map(|(control, _)| control)
    }
}
