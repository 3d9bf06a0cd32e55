//! The emulated AWS services behind one endpoint, with the resources in them.

use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use deployment::names::local::{ACCESS_LOG_GROUP, INVALIDATIONS_FAILED_QUEUE, STREAM};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_core::status_ranges::StatusRanges;
use serde_json::json;
use system_clock::now_ms;
use tokio::task::JoinSet;

use super::error::{StartError, part_error};
use super::options::LocalOptions;
use super::ports::Ports;
use super::resources::{self, given_up_bucket};
use super::servers::{listen, serve};
use crate::apigateway::authorization::AnswerCache;
use crate::aws_endpoint::AwsEndpoint;
use crate::cloudwatch::metrics::MetricSink;
use crate::cloudwatch_logs::log_group::LogGroup;
use crate::cloudwatch_logs::service::{LogsService, put_access_log_filters};
use crate::dynamodb::DynamoDb;
use crate::dynamodb::expiry::Expiry;
use crate::dynamodb::lagging_index::LaggingIndex;
use crate::faults::Faults;
use crate::kinesis::{self, KinesisError, KinesisStore};
use crate::names::ACCOUNT_ID;
use crate::s3::S3Store;
use crate::sns_sqs::notifications::Notifications;
use crate::sns_sqs::queues::Queues;
use crate::sns_sqs::sns::Sns;

pub(super) struct Services {
    pub aws_endpoint_url: String,
    /// A DynamoDB client that bypasses the injected faults.
    pub ledger_client: aws_sdk_dynamodb::Client,
    pub expiry: Expiry,
    pub kinesis: Arc<KinesisStore>,
    pub s3: Arc<S3Store>,
    pub faults: Arc<Faults>,
    pub notifications: Arc<Notifications>,
    pub answers: Arc<AnswerCache>,
    pub log_group: Arc<LogGroup>,
    pub logs: Arc<LogsService>,
    pub stream_arn: String,
    pub metrics: Arc<MetricSink>,
    /// The settings of clients that use the AWS endpoint.
    pub clients: SdkConfig,
}

impl Services {
    /// Starts the services and creates the resources of the usage meter in them.
    pub async fn start(
        options: &LocalOptions,
        ports: &mut Ports,
        servers: &mut JoinSet<()>,
    ) -> Result<Self, StartError> {
        let folder = &options.data_folder;
        let faults = Arc::new(Faults::new(options.faults, options.fault_seed));
        let metrics = Arc::new(MetricSink::open(folder).map_err(|error| part_error("the metrics", error))?);
        let tables = Tables::start(options, &faults, &metrics, servers).await?;
        let kinesis = open_kinesis(options)?;
        let queues = Queues::open(&folder.join("queues.sqlite")).await;
        let queues = queues.map_err(|error| part_error("SQS", error))?;
        let queues = Arc::new(queues.with_faults(faults.clone()));
        let s3 = S3Store::open(&folder.join("s3"), &[&given_up_bucket()]);
        let s3 = Arc::new(s3.map_err(|error| part_error("S3", error))?);
        let (aws_listener, aws) = ports.listen("the AWS endpoint", options.aws_port).await?;
        let aws_endpoint_url = format!("http://{aws}");
        let clients = load_local(&aws_endpoint_url, COMMAND_RETRY_POLICY).await;
        let sqs = aws_sdk_sqs::Client::new(&clients);
        let notifications = open_notifications(folder, &faults, sqs.clone(), &aws_endpoint_url)?;
        let sns =
            Sns::open(&folder.join("sns.sqlite"), notifications.clone(), queues.clone(), faults.clone())
                .map_err(|error| part_error("SNS", error))?;
        let answers = Arc::new(AnswerCache::new(options.authorizer_cache_ttl_ms));
        let stream_arn = stream_arn(&kinesis).map_err(|error| part_error("Kinesis", error))?;
        let log_group = open_log_group(folder, &metrics, &stream_arn, &options.billed_statuses)?;
        let logs = LogsService::open(log_group.clone(), &folder.join("log-groups"), metrics.store().clone());
        let logs = Arc::new(logs.map_err(|error| part_error("CloudWatch Logs", error))?);
        let endpoint = AwsEndpoint {
            dynamodb: tables.dynamodb,
            kinesis: kinesis.clone(),
            queues,
            sns: Arc::new(sns),
            s3: s3.clone(),
            answers: answers.clone(),
            logs: logs.clone(),
            metrics: metrics.store().clone(),
            faults: faults.clone(),
        };
        servers.spawn(serve(aws_listener, endpoint.router(), std::future::pending()));
        resources::create_queues(&sqs).await?;
        Ok(Self {
            aws_endpoint_url,
            ledger_client: tables.client,
            expiry: tables.expiry,
            kinesis,
            s3,
            faults,
            notifications,
            answers,
            log_group,
            logs,
            stream_arn,
            metrics,
            clients,
        })
    }
}

/// The embedded database with the tables of the usage meter.
struct Tables {
    dynamodb: DynamoDb,
    /// Bypasses the injected faults.
    client: aws_sdk_dynamodb::Client,
    expiry: Expiry,
}

impl Tables {
    async fn start(
        options: &LocalOptions,
        faults: &Arc<Faults>,
        metrics: &MetricSink,
        servers: &mut JoinSet<()>,
    ) -> Result<Self, StartError> {
        let path = options.data_folder.join("dynamodb.sqlite");
        let database = dynoxide::Database::new(&path.to_string_lossy());
        let database = database.map_err(|error| part_error("DynamoDB", error.to_string()))?;
        let (listener, address) = listen(0).await?;
        servers.spawn(dynoxide::server::serve_on(listener, database.clone()));
        let expiry = Expiry::new(database);
        servers.spawn(expiry.clone().sweep_regularly(options.ttl_sweep_interval_ms));
        let direct = load_local(&format!("http://{address}"), COMMAND_RETRY_POLICY).await;
        let client = aws_sdk_dynamodb::Client::new(&direct);
        resources::create_tables(&client).await?;
        let lagging_index = (options.faults.index_lag_ms > 0)
            .then(|| Arc::new(LaggingIndex::new(options.faults.index_lag_ms, options.fault_seed)));
        let dynamodb = DynamoDb::new(address, lagging_index, faults.clone(), metrics.store().clone());
        Ok(Self { dynamodb, client, expiry })
    }
}

fn open_kinesis(options: &LocalOptions) -> Result<Arc<KinesisStore>, StartError> {
    let kinesis = KinesisStore::open(&options.data_folder.join("kinesis.sqlite"))
        .map_err(|error| part_error("Kinesis", error))?;
    let kinesis = Arc::new(kinesis.with_update_ms(options.stream_update_ms));
    resources::create_stream(&kinesis, options.shard_count)?;
    Ok(kinesis)
}

fn open_notifications(
    folder: &Path,
    faults: &Arc<Faults>,
    sqs: aws_sdk_sqs::Client,
    aws_endpoint_url: &str,
) -> Result<Arc<Notifications>, StartError> {
    let dead_letters = format!("{aws_endpoint_url}/{ACCOUNT_ID}/{INVALIDATIONS_FAILED_QUEUE}");
    let notifications = Notifications::open(folder, faults.clone())
        .map_err(|error| part_error("the notifications", error))?
        .with_dead_letters(sqs, dead_letters);
    Ok(Arc::new(notifications))
}

/// Opens the log group of the access log, with the filters that a deployment has.
fn open_log_group(
    folder: &Path,
    metrics: &MetricSink,
    stream_arn: &str,
    billed_statuses: &StatusRanges,
) -> Result<Arc<LogGroup>, StartError> {
    let log_group = LogGroup::open(&folder.join("logs.sqlite"), ACCESS_LOG_GROUP)
        .map_err(|error| part_error("the log group", error))?;
    log_group.record_to(metrics.store().clone());
    put_access_log_filters(&log_group, stream_arn, billed_statuses)
        .map_err(|error| part_error("the filters of the log group", error))?;
    Ok(Arc::new(log_group))
}

/// Returns the ARN of the stream, from Kinesis.
fn stream_arn(kinesis: &KinesisStore) -> Result<String, KinesisError> {
    let request = json!({"StreamName": STREAM});
    let described = kinesis::handle(kinesis, "DescribeStreamSummary", &request, now_ms())?;
    Ok(described["StreamDescriptionSummary"]["StreamARN"].as_str().unwrap_or_default().to_owned())
}
