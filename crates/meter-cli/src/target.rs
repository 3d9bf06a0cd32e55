//! Which system a command speaks to: a local stack, or one on AWS.

use std::path::PathBuf;

use anyhow::Context;
use deployment::Names;
use deployment::names::given_up_bucket;
use local_stack::names::STAGE;
use local_stack::stack::{CLAIMS_TABLE, Endpoints, UNBILLED_ROUTES};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load, load_local};
use metering_aws::{
    CallLog, DynamoClaimStore, DynamoLedgerCounts, GivenUpBucket, KeyStore, ReconciliationStore,
    StreamWriter, Topic,
};
use metering_core::unbilled::UnbilledRoutes;
use tokio::sync::OnceCell;

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
    /// With --aws, the SYNC_INTERVAL_MS that the authorizer is deployed with
    #[arg(long, value_name = "MS", default_value_t = 1_000, requires = "aws")]
    sync_interval_ms: u64,
}

/// The choice of an access log.
#[derive(clap::Args)]
pub struct LogArguments {
    /// A log group of the metered APIs instead of those that the reconciler compares; may be repeated
    #[arg(long = "access-log-group", value_name = "LOG_GROUP")]
    access_log_groups: Vec<String>,
    /// The UNBILLED_ROUTES that the consumer is deployed with, instead of those of the reconciler
    #[arg(long, value_name = "ROUTES")]
    unbilled: Option<UnbilledRoutes>,
}

/// A system, with its clients.
pub struct Target {
    /// The name of its environment.
    pub environment: String,
    /// Clients of CloudWatch.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// Clients of DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Clients of Kinesis.
    pub kinesis: aws_sdk_kinesis::Client,
    /// Clients of SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// Clients of SNS.
    sns: aws_sdk_sns::Client,
    /// The ledger.
    pub usage_table: String,
    /// The stream.
    pub stream: String,
    /// How old the authorizer's last look at the invalidation log may be, in milliseconds.
    pub sync_interval_ms: u64,
    s3: aws_sdk_s3::Client,
    claims_table: String,
    /// Clients of CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// That of a local stack.
    access_log_group: Option<String>,
    /// The keys.
    pub keys_table: String,
    invalidations_table: String,
    quarantine: Resource,
    invalidations_topic: Resource,
    /// The topic once it was found: an import tells of many keys.
    found_topic: OnceCell<Topic>,
}

/// How a resource is found: by what names it for good, or by its name.
enum Resource {
    Known(String),
    Name(String),
}

impl Target {
    /// Finds the system that the arguments choose.
    pub async fn find(arguments: &TargetArguments) -> anyhow::Result<Self> {
        if let Some(environment) = &arguments.aws {
            return Ok(Self::on_aws(environment, arguments.sync_interval_ms).await);
        }
        let endpoints = Endpoints::read(&arguments.data).with_context(|| {
            format!(
                "no local stack was started in {}; run `meter local --data {0}`, or choose AWS with --aws ENVIRONMENT",
                arguments.data.display()
            )
        })?;
        let config = load_local(&endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
        Ok(Self {
            environment: STAGE.to_owned(),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            access_log_group: Some(endpoints.access_log_group),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            kinesis: aws_sdk_kinesis::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
            usage_table: endpoints.usage_table,
            stream: endpoints.stream,
            sync_interval_ms: endpoints.sync_interval_ms,
            s3: path_style_s3(&config),
            claims_table: CLAIMS_TABLE.to_owned(),
            keys_table: endpoints.keys_table,
            invalidations_table: endpoints.invalidations_table,
            quarantine: Resource::Known(endpoints.quarantine_queue_url),
            invalidations_topic: Resource::Known(endpoints.invalidations_topic_arn),
            found_topic: OnceCell::new(),
        })
    }

    async fn on_aws(environment: &str, sync_interval_ms: u64) -> Self {
        let config = load(COMMAND_RETRY_POLICY).await;
        let names = Names::new(environment);
        Self {
            environment: environment.to_owned(),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            access_log_group: None,
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            kinesis: aws_sdk_kinesis::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
            usage_table: names.usage_table,
            stream: names.stream,
            sync_interval_ms,
            s3: aws_sdk_s3::Client::new(&config),
            claims_table: names.claims_table,
            keys_table: names.keys_table,
            invalidations_table: names.invalidations_table,
            quarantine: Resource::Name(names.quarantine_queue),
            invalidations_topic: Resource::Name(names.invalidations_topic),
            found_topic: OnceCell::new(),
        }
    }

    /// Whether it is a local stack.
    pub fn is_local(&self) -> bool {
        self.access_log_group.is_some()
    }

    /// The keys.
    pub fn key_store(&self) -> KeyStore {
        KeyStore::new(self.dynamodb.clone(), &self.keys_table, &self.invalidations_table)
    }

    /// The access log: the log groups and unbilled routes that are named, else
    /// those that the deployed reconciler compares.
    pub async fn call_log(&self, arguments: &LogArguments) -> anyhow::Result<CallLog> {
        let LogArguments { access_log_groups, unbilled } = arguments;
        let deployed = if let Some(log_group) = &self.access_log_group {
            Some((vec![log_group.clone()], UNBILLED_ROUTES.parse()?))
        } else {
            let settings = self.reconciliation_store().settings().await?;
            settings.map(|settings| (settings.log_groups, settings.unbilled))
        };
        let (log_groups, unbilled) = match (access_log_groups.is_empty(), unbilled, deployed) {
            (false, Some(unbilled), _) => (access_log_groups.clone(), unbilled.clone()),
            (is_deployed, unbilled, Some((log_groups, deployed))) => (
                if is_deployed { log_groups } else { access_log_groups.clone() },
                unbilled.clone().unwrap_or(deployed),
            ),
            _ => anyhow::bail!(
                "the reconciler of {} has not run yet, which it does once an hour; name what it compares with --access-log-group and --unbilled",
                self.environment
            ),
        };
        Ok(CallLog::new(self.logs.clone(), log_groups, unbilled))
    }

    /// What the reconciler remembers.
    pub fn reconciliation_store(&self) -> ReconciliationStore {
        ReconciliationStore::new(self.dynamodb.clone(), &self.claims_table)
    }

    /// What the ledger has counted.
    pub fn ledger_counts(&self) -> DynamoLedgerCounts {
        DynamoLedgerCounts::new(self.dynamodb.clone(), &self.usage_table)
    }

    /// The claims.
    pub fn claim_store(&self) -> DynamoClaimStore {
        DynamoClaimStore::new(self.dynamodb.clone(), &self.claims_table)
    }

    /// The stream, to put records on.
    pub fn stream_writer(&self) -> StreamWriter {
        StreamWriter::new(self.kinesis.clone(), &self.stream)
    }

    /// The bucket of the batches that Lambda gave up, which is named by the
    /// account and the region of the stream.
    pub async fn given_up_bucket(&self) -> anyhow::Result<GivenUpBucket> {
        let reply = self.kinesis.describe_stream_summary().stream_name(&self.stream).send().await;
        let reply = reply.with_context(|| {
            format!("the stream {} cannot be read, whose account and region name the bucket", self.stream)
        })?;
        let arn = reply.stream_description_summary.map(|summary| summary.stream_arn).unwrap_or_default();
        let (account, region) = account_and_region(&arn)
            .with_context(|| format!("the stream has the ARN {arn:?}, which is none"))?;
        let name = given_up_bucket(&self.environment, account, region);
        Ok(GivenUpBucket::new(self.s3.clone(), name))
    }

    /// The topic of changes of keys.
    pub async fn invalidations_topic(&self) -> anyhow::Result<&Topic> {
        let find = || async {
            let arn = match &self.invalidations_topic {
                Resource::Known(arn) => arn.clone(),
                Resource::Name(name) => self.topic_arn(name).await?,
            };
            Ok(Topic::new(self.sns.clone(), arn))
        };
        self.found_topic.get_or_try_init(find).await
    }

    async fn topic_arn(&self, name: &str) -> anyhow::Result<String> {
        let mut topics = self.sns.list_topics().into_paginator().items().send();
        let end = format!(":{name}");
        while let Some(topic) = topics.next().await {
            let topic = topic.context("the topics cannot be listed")?;
            if let Some(arn) = topic.topic_arn.filter(|arn| arn.ends_with(&end)) {
                return Ok(arn);
            }
        }
        anyhow::bail!("there is no topic {name}")
    }

    /// The URL of the quarantine queue.
    pub async fn quarantine_queue_url(&self) -> anyhow::Result<String> {
        match &self.quarantine {
            Resource::Known(url) => Ok(url.clone()),
            Resource::Name(name) => {
                let reply = self.sqs.get_queue_url().queue_name(name).send().await;
                let reply = reply.with_context(|| format!("the quarantine queue {name} cannot be found"))?;
                reply.queue_url.with_context(|| format!("the queue {name} has no URL"))
            }
        }
    }
}

/// A client for buckets that have no names in DNS.
fn path_style_s3(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The account and the region of the resource with this ARN.
fn account_and_region(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    Some((account, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_account_and_region() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/usage-prod";
        assert_eq!(account_and_region(arn), Some(("123456789012", "eu-west-1")));
        assert_eq!(account_and_region("no ARN"), None);
    }
}
