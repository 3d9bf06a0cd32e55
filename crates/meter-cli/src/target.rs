//! Which system a command speaks to: a local stack, or one on AWS.

use std::path::PathBuf;

use anyhow::Context;
use local_stack::stack::Endpoints;
use metering_aws::connection::{COMMAND_PATIENCE, load, load_local};

/// The folder that `meter local` uses where none is named.
pub const DEFAULT_DATA_FOLDER: &str = "meter-data";

/// The choice of a system.
#[derive(clap::Args)]
pub struct TargetArguments {
    /// The data folder of a running `meter local`
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA_FOLDER)]
    data: PathBuf,
    /// Use the system of this environment on AWS, with the credentials of this shell
    #[arg(long, value_name = "ENVIRONMENT")]
    aws: Option<String>,
}

/// A system, with its clients.
pub struct Target {
    /// Clients of DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Clients of Kinesis.
    pub kinesis: aws_sdk_kinesis::Client,
    /// Clients of SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// The ledger.
    pub usage_table: String,
    /// The stream.
    pub stream: String,
    quarantine: Quarantine,
}

enum Quarantine {
    Url(String),
    Name(String),
}

impl Target {
    /// Finds the system that the arguments choose.
    pub async fn find(arguments: &TargetArguments) -> anyhow::Result<Self> {
        let (config, usage_table, stream, quarantine) = if let Some(environment) = &arguments.aws {
            let usage = format!("usage-{environment}");
            let queue = Quarantine::Name(format!("usage-quarantine-{environment}"));
            (load(COMMAND_PATIENCE).await, usage.clone(), usage, queue)
        } else {
            let endpoints = Endpoints::of_folder(&arguments.data).with_context(|| {
                format!(
                    "no local stack was started in {}; run `meter local --data {0}`, or choose AWS with --aws ENVIRONMENT",
                    arguments.data.display()
                )
            })?;
            let config = load_local(&endpoints.aws_endpoint_url, COMMAND_PATIENCE).await;
            (config, endpoints.usage_table, endpoints.stream, Quarantine::Url(endpoints.quarantine_queue_url))
        };
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            kinesis: aws_sdk_kinesis::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            usage_table,
            stream,
            quarantine,
        })
    }

    /// The URL of the quarantine queue.
    pub async fn quarantine_queue_url(&self) -> anyhow::Result<String> {
        match &self.quarantine {
            Quarantine::Url(url) => Ok(url.clone()),
            Quarantine::Name(name) => {
                let reply = self.sqs.get_queue_url().queue_name(name).send().await;
                let reply = reply.with_context(|| format!("the quarantine queue {name} cannot be found"))?;
                reply.queue_url.with_context(|| format!("the queue {name} has no URL"))
            }
        }
    }
}
