//! The system that a command works on: a local stack, or an environment on AWS.

use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_sdk_kinesis::types::StreamDescriptionSummary;
use deployment::Endpoints;
use deployment::settings::{self, UNBILLED_ROUTES};
use metering_aws::{
    CallLog, DynamoClaimStore, DynamoLedgerCounts, GivenUpBucket, KeyAdmin, KeyStore, MeterTarget,
    ReconciliationStore, StreamProgress, StreamWriter, Topic,
};
use metering_core::billing_rules::BillingRules;
use metering_core::status_ranges::StatusRanges;
use metering_core::unbilled::UnbilledRoutes;

/// The default data folder of `meter local`.
const DEFAULT_DATA_FOLDER: &str = "meter-data";
/// The environment variable with the data folder of `meter local`.
const DATA_FOLDER_VARIABLE: &str = "METER_DATA";
/// The environment variable with the name of an environment on AWS.
const ENVIRONMENT_VARIABLE: &str = "METER_ENV";

/// Arguments that select a system.
#[derive(clap::Args)]
pub struct TargetArguments {
    /// Data folder of a running `meter local` [default: that of METER_DATA, or meter-data]
    #[arg(long, value_name = "FOLDER", conflicts_with = "aws")]
    data: Option<PathBuf>,
    /// Use this environment on AWS, with the AWS credentials of the shell [default: that of METER_ENV, if it
    /// is set]
    #[arg(long, value_name = "ENVIRONMENT")]
    aws: Option<String>,
    /// On AWS, the SYNC_INTERVAL_MS of the deployed authorizer [default: 1000]
    #[arg(long, value_name = "MS")]
    sync_interval_ms: Option<u64>,
}

/// The `SYNC_INTERVAL_MS` of a deployed authorizer, unless the arguments have another.
const DEFAULT_SYNC_INTERVAL_MS: u64 = settings::SYNC_INTERVAL_MS as u64;

/// The system that the arguments select.
#[derive(Debug, PartialEq, Eq)]
pub enum Selection {
    /// The data folder of a local stack.
    Local(PathBuf),
    /// The name of an environment on AWS.
    Aws(String),
}

impl TargetArguments {
    /// Selects the system, without a request to it.
    ///
    /// # Errors
    /// When the variables of the shell select two systems.
    pub fn selected(&self) -> anyhow::Result<Selection> {
        self.selection(shell_variable)
    }

    /// Selects the system by the arguments, or else by the variables of the process.
    fn selection(&self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Selection> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        match (&self.data, &self.aws) {
            (Some(data), _) => Ok(Selection::Local(data.clone())),
            (None, Some(environment)) => Ok(Selection::Aws(environment.clone())),
            (None, None) => match (variable(DATA_FOLDER_VARIABLE), variable(ENVIRONMENT_VARIABLE)) {
                (Some(_), Some(_)) => anyhow::bail!(
                    "{DATA_FOLDER_VARIABLE} and {ENVIRONMENT_VARIABLE} are both set: choose with --data FOLDER or --aws ENVIRONMENT"
                ),
                (None, Some(environment)) => Ok(Selection::Aws(environment)),
                (data, None) => Ok(Selection::Local(data.map_or(DEFAULT_DATA_FOLDER.into(), PathBuf::from))),
            },
        }
    }
}

/// Arguments that select an access log.
#[derive(clap::Args)]
pub struct LogArguments {
    /// Log group of a metered API, instead of those that the reconciler compares; may be repeated
    #[arg(long = "access-log-group", value_name = "LOG_GROUP")]
    access_log_groups: Vec<String>,
    /// The BILLED_STATUSES of the deployed consumer, instead of those of the reconciler
    #[arg(long, value_name = "STATUSES")]
    billed_statuses: Option<StatusRanges>,
    /// The UNBILLED_ROUTES of the deployed consumer, instead of those of the reconciler
    #[arg(long, value_name = "ROUTES")]
    unbilled: Option<UnbilledRoutes>,
}

/// A system, with clients of the AWS services.
pub struct Target {
    pub meter: MeterTarget,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub kinesis: aws_sdk_kinesis::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub sqs: aws_sdk_sqs::Client,
    /// Maximum age of the authorizer's last read of the invalidation log, in milliseconds.
    pub sync_interval_ms: u64,
    /// Endpoints of a local stack; `None` on AWS.
    local: Option<Endpoints>,
}

impl Target {
    /// Finds the system that the arguments select.
    ///
    /// # Errors
    /// When a local stack is selected and its data folder has no endpoints.
    pub async fn find(arguments: &TargetArguments) -> anyhow::Result<Self> {
        let data = match arguments.selected()? {
            Selection::Aws(environment) => {
                let meter = MeterTarget::deployed(&environment).await;
                let sync_interval_ms = arguments.sync_interval_ms.unwrap_or(DEFAULT_SYNC_INTERVAL_MS);
                return Ok(Self::new(meter, sync_interval_ms, None));
            }
            Selection::Local(data) => data,
        };
        anyhow::ensure!(
            arguments.sync_interval_ms.is_none(),
            "--sync-interval-ms is for an environment on AWS; `meter local --sync-interval-ms` sets that of a local stack"
        );
        let endpoints = local_endpoints(&data)?;
        let meter = MeterTarget::local(&endpoints.aws_endpoint_url).await;
        Ok(Self::new(meter, endpoints.sync_interval_ms, Some(endpoints)))
    }

    fn new(meter: MeterTarget, sync_interval_ms: u64, local: Option<Endpoints>) -> Self {
        let config = &meter.config;
        Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            kinesis: aws_sdk_kinesis::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            sync_interval_ms,
            local,
            meter,
        }
    }

    /// Returns `true` if the system is a local stack.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Returns the name of the stream.
    pub fn stream(&self) -> &str {
        &self.meter.names.stream
    }

    /// Returns the keys, to read.
    pub fn key_store(&self) -> KeyStore {
        self.meter.key_store()
    }

    /// Returns the administration of the keys, which publishes each change.
    pub fn key_admin(&self) -> KeyAdmin {
        let client = aws_sdk_sns::Client::new(&self.meter.config);
        let topic = match &self.local {
            Some(endpoints) => Topic::new(client, &endpoints.invalidations_topic_arn),
            None => Topic::by_name(client, &self.meter.names.invalidations_topic),
        };
        KeyAdmin::new(self.key_store(), topic)
    }

    /// Returns the access log: the log groups and billing rules of the arguments, or those that the
    /// deployed reconciler compares.
    ///
    /// # Errors
    /// When the arguments are incomplete and the reconciler has not stored its settings yet.
    pub async fn call_log(&self, arguments: &LogArguments) -> anyhow::Result<CallLog> {
        let LogArguments { access_log_groups, billed_statuses, unbilled } = arguments;
        let (mut log_groups, mut rules) = match self.deployed_log().await? {
            Some(deployed) => deployed,
            None if !access_log_groups.is_empty() && billed_statuses.is_some() && unbilled.is_some() => {
                Default::default()
            }
            None => anyhow::bail!(
                "the reconciler of {} has not run yet; it runs once an hour. Select the access log with --access-log-group, --billed-statuses and --unbilled",
                self.meter.names.environment
            ),
        };
        if !access_log_groups.is_empty() {
            log_groups.clone_from(access_log_groups);
        }
        if let Some(statuses) = billed_statuses {
            rules.billed_statuses.clone_from(statuses);
        }
        if let Some(unbilled) = unbilled {
            rules.unbilled.clone_from(unbilled);
        }
        Ok(CallLog::new(self.logs.clone(), log_groups, rules))
    }

    /// Returns the log groups and the billing rules of the local stack, or those that the reconciler
    /// stored; `None` before its first run.
    ///
    /// # Errors
    /// When the reconciler's settings cannot be read.
    async fn deployed_log(&self) -> anyhow::Result<Option<(Vec<String>, BillingRules)>> {
        if let Some(endpoints) = &self.local {
            let rules = BillingRules {
                billed_statuses: endpoints.billed_statuses.parse()?,
                unbilled: UNBILLED_ROUTES.parse()?,
            };
            return Ok(Some((vec![endpoints.access_log_group.clone()], rules)));
        }
        let settings = self.reconciliation_store().settings().await?;
        Ok(settings.map(|settings| (settings.log_groups, settings.rules)))
    }

    /// Returns the deployed billing rules; `None` before the reconciler's first run.
    ///
    /// # Errors
    /// When the reconciler's settings cannot be read.
    pub async fn billing_rules(&self) -> anyhow::Result<Option<BillingRules>> {
        Ok(self.deployed_log().await?.map(|(_, rules)| rules))
    }

    /// Returns the store of the reconciler's settings and results.
    pub fn reconciliation_store(&self) -> ReconciliationStore {
        ReconciliationStore::new(self.dynamodb.clone(), &self.meter.names.claims_table)
    }

    /// Returns the hourly counts of the ledger.
    pub fn ledger_counts(&self) -> DynamoLedgerCounts {
        DynamoLedgerCounts::new(self.dynamodb.clone(), &self.meter.names.usage_table)
    }

    /// Returns the store of claims.
    pub fn claim_store(&self) -> DynamoClaimStore {
        DynamoClaimStore::new(self.dynamodb.clone(), &self.meter.names.claims_table)
    }

    /// Returns the progress of the stream.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn progress(&self) -> anyhow::Result<StreamProgress> {
        Ok(StreamProgress::new(self.kinesis.clone(), self.claim_store(), self.stream_arn().await?))
    }

    /// Returns a writer of stream records.
    pub fn stream_writer(&self) -> StreamWriter {
        StreamWriter::new(self.kinesis.clone(), self.stream())
    }

    /// Describes the stream.
    ///
    /// # Errors
    /// When Kinesis does not describe the stream.
    pub async fn stream_summary(&self) -> anyhow::Result<StreamDescriptionSummary> {
        let stream = self.stream();
        let reply = self.kinesis.describe_stream_summary().stream_name(stream).send().await;
        let reply = reply.with_context(|| format!("the stream {stream} cannot be read"))?;
        reply.stream_description_summary.context("the stream has no description")
    }

    async fn stream_arn(&self) -> anyhow::Result<String> {
        Ok(self.stream_summary().await?.stream_arn)
    }

    /// Returns the bucket of batches that Lambda gave up. Its name contains the account and the region of the
    /// stream.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn given_up_bucket(&self) -> anyhow::Result<GivenUpBucket> {
        let arn =
            self.stream_arn().await.context("the ARN of the stream is needed for the name of the bucket")?;
        let (account, region) = account_and_region(&arn)
            .with_context(|| format!("the stream has the ARN {arn:?}, which is not valid"))?;
        let name = self.meter.names.given_up_bucket(account, region);
        let config = &self.meter.config;
        let s3 = if self.is_local() { path_style_s3(config) } else { aws_sdk_s3::Client::new(config) };
        Ok(GivenUpBucket::new(s3, name))
    }

    /// Returns the URL of the quarantine queue.
    ///
    /// # Errors
    /// When there is no such queue.
    pub async fn quarantine_queue_url(&self) -> anyhow::Result<String> {
        if let Some(endpoints) = &self.local {
            return Ok(endpoints.quarantine_queue_url.clone());
        }
        let name = &self.meter.names.quarantine_queue;
        let reply = self.sqs.get_queue_url().queue_name(name).send().await;
        let reply = reply.with_context(|| format!("the quarantine queue {name} cannot be found"))?;
        reply.queue_url.with_context(|| format!("the queue {name} has no URL"))
    }
}

/// Returns the data folder of `meter local`: that of the arguments, or else of the shell.
pub fn data_folder(argument: Option<&PathBuf>) -> PathBuf {
    let of_shell =
        || shell_variable(DATA_FOLDER_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    argument.cloned().or_else(of_shell).unwrap_or_else(|| DEFAULT_DATA_FOLDER.into())
}

/// Reads the endpoints of the local stack in a data folder.
///
/// # Errors
/// When no local stack was started there.
pub fn local_endpoints(data: &Path) -> anyhow::Result<Endpoints> {
    Endpoints::read(data).with_context(|| {
        format!(
            "no local stack was started in {}; run `meter local --data {0}`, or choose AWS with --aws ENVIRONMENT",
            data.display()
        )
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command reads the variables of its shell, and no setting of a function"
)]
fn shell_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns an S3 client with path-style addresses, for buckets that have no name in DNS.
fn path_style_s3(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Returns the account and the region in an ARN.
fn account_and_region(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    Some((account, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(
        data: Option<&str>,
        aws: Option<&str>,
        variables: [Option<&str>; 2],
    ) -> anyhow::Result<Selection> {
        let arguments =
            TargetArguments { data: data.map(Into::into), aws: aws.map(Into::into), sync_interval_ms: None };
        arguments.selection(|name| variables[usize::from(name == "METER_ENV")].map(Into::into))
    }

    #[test]
    fn an_argument_selects_before_a_variable_and_a_variable_before_the_default() {
        let local = |folder: &str| Selection::Local(folder.into());
        let aws = |environment: &str| Selection::Aws(environment.to_owned());
        for (data, environment, variables, expected) in [
            (None, None, [None, None], local("meter-data")),
            (None, None, [Some(""), Some("")], local("meter-data")),
            (None, None, [Some("folder"), None], local("folder")),
            (None, None, [None, Some("prod")], aws("prod")),
            (Some("mine"), None, [Some("folder"), Some("prod")], local("mine")),
            (None, Some("dev"), [Some("folder"), Some("prod")], aws("dev")),
        ] {
            assert_eq!(selected(data, environment, variables).unwrap(), expected);
        }
        let both = selected(None, None, [Some("folder"), Some("prod")]).unwrap_err().to_string();
        assert!(both.contains("METER_DATA and METER_ENV are both set"), "{both}");
    }

    #[test]
    fn an_arn_names_account_and_region() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/usage-prod";
        assert_eq!(account_and_region(arn), Some(("123456789012", "eu-west-1")));
        assert_eq!(account_and_region("no ARN"), None);
    }
}
