//! The system under test: a meter, the gateway of its API, and the control of a local stack.

use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_sdk_kinesis::types::{StreamDescriptionSummary, StreamStatus};
use deployment::Endpoints;
use metering_aws::MeterTarget;
use tokio::sync::Mutex;

use crate::harness::local::{Control, StackProcess};

/// The system under test, with the clients that measure it.
pub struct SystemUnderTest {
    pub meter: MeterTarget,
    /// URL that calls are sent to.
    pub gateway: String,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub kinesis: aws_sdk_kinesis::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Access to the local stack; `None` for a deployed meter.
    pub local: Option<LocalAccess>,
}

/// Access to what only a local stack has.
pub struct LocalAccess {
    pub control: Control,
    pub data_folder: PathBuf,
    /// The process of the stack, if the load test has started it.
    pub stack: Option<Mutex<StackProcess>>,
}

impl LocalAccess {
    /// Returns the process of the stack.
    ///
    /// # Errors
    /// Returns an error that names `fault` if the load test has not started the stack.
    pub fn own_stack(&self, fault: &str) -> anyhow::Result<&Mutex<StackProcess>> {
        self.stack.as_ref().with_context(|| {
            format!("only a stack that the load test has started can have {fault}; omit --data")
        })
    }

    /// Waits for the end of a crash.
    pub async fn until_restarted(&self) {
        if let Some(stack) = &self.stack {
            drop(stack.lock().await);
        }
    }
}

impl SystemUnderTest {
    /// Returns the number of open shards of the stream.
    ///
    /// # Errors
    /// Returns an error if the stream cannot be described.
    pub async fn open_shards(&self) -> anyhow::Result<u32> {
        open_shards_of(&self.stream_summary().await?)
    }

    /// Returns the number of open shards of the stream; `None` while it is being changed.
    ///
    /// # Errors
    /// Returns an error if the stream cannot be described.
    pub async fn open_shards_of_active_stream(&self) -> anyhow::Result<Option<u32>> {
        let summary = self.stream_summary().await?;
        let open = open_shards_of(&summary)?;
        Ok((*summary.stream_status() == StreamStatus::Active).then_some(open))
    }

    async fn stream_summary(&self) -> anyhow::Result<StreamDescriptionSummary> {
        let request = self.kinesis.describe_stream_summary().stream_name(&self.meter.names.stream);
        let reply = request.send().await.context("cannot describe the stream")?;
        reply.stream_description_summary.context("the stream has no description")
    }

    /// Returns `true` if the load test has started the stack.
    pub fn is_own_stack(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.stack.is_some())
    }

    /// Connects to a local stack that the load test has started.
    ///
    /// # Errors
    /// Returns an error if the stack has no endpoints.
    pub async fn own(stack: StackProcess) -> anyhow::Result<Self> {
        let mut system = Self::local(&stack.plan.data_folder, None).await?;
        if let Some(local) = &mut system.local {
            local.stack = Some(Mutex::new(stack));
        }
        Ok(system)
    }

    /// Stops the local stack, if the load test has started it.
    ///
    /// # Errors
    /// Returns an error if its process cannot be awaited.
    pub async fn stop(self) -> anyhow::Result<()> {
        match self.local.and_then(|local| local.stack) {
            Some(stack) => stack.into_inner().stop().await,
            None => Ok(()),
        }
    }

    /// Connects to the local stack of a data folder. `gateway` replaces its own gateway.
    ///
    /// # Errors
    /// Returns an error if no local stack was started with this folder.
    pub async fn local(data_folder: &Path, gateway: Option<String>) -> anyhow::Result<Self> {
        let control = Control::open(data_folder)?;
        let endpoints = Endpoints::read(data_folder).context("cannot read the local stack's endpoints")?;
        let meter = MeterTarget::local(&endpoints.aws_endpoint_url).await;
        let local = LocalAccess { control, data_folder: data_folder.to_owned(), stack: None };
        Ok(Self::new(meter, gateway.unwrap_or(endpoints.gateway), Some(local)))
    }

    /// Connects to the deployed meter of an environment.
    pub async fn deployed(environment: &str, gateway: String) -> Self {
        Self::new(MeterTarget::deployed(environment).await, gateway, None)
    }

    fn new(meter: MeterTarget, gateway: String, local: Option<LocalAccess>) -> Self {
        let config = &meter.config;
        Self {
            gateway,
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            kinesis: aws_sdk_kinesis::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            meter,
            local,
        }
    }

    /// Returns the control of the local stack, if this is one.
    pub fn control(&self) -> Option<&Control> {
        self.local.as_ref().map(|local| &local.control)
    }
}

fn open_shards_of(summary: &StreamDescriptionSummary) -> anyhow::Result<u32> {
    u32::try_from(summary.open_shard_count()).context("the number of open shards is below 0")
}
