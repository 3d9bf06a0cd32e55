//! The services of AWS behind one endpoint, with the resources in them.

use std::sync::Arc;

use aws_config::SdkConfig;
use deployment::names::local::{ACCESS_LOG_GROUP, INVALIDATIONS_FAILED_QUEUE, STREAM};
use lambda_support::clock::now_ms;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use serde_json::json;
use tokio::task::JoinSet;

use super::error::{StartError, part};
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

/// The running services.
pub(super) struct Services {
    pub aws_endpoint_url: String,
    /// A client of DynamoDB that no fault reaches.
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
    /// Settings of clients that go through the endpoint.
    pub clients: SdkConfig,
}

impl Services {
    pub async fn start(
        options: &LocalOptions,
        ports: &mut Ports,
        servers: &mut JoinSet<()>,
    ) -> Result<Self, StartError> {
        let folder = &options.data_folder;
        let database = dynoxide::Database::new(&folder.join("dynamodb.sqlite").to_string_lossy());
        let database = database.map_err(|error| part("DynamoDB", error.to_string()))?;
        let (dynamodb_listener, dynamodb) = listen(0).await?;
        servers.spawn(dynoxide::server::serve_on(dynamodb_listener, database.clone()));
        let expiry = Expiry::new(database);
        servers.spawn(expiry.clone().sweep_regularly(options.ttl_sweep_interval_ms));
        let direct = load_local(&format!("http://{dynamodb}"), COMMAND_RETRY_POLICY).await;
        let ledger_client = aws_sdk_dynamodb::Client::new(&direct);
        resources::create_tables(&ledger_client).await?;
        let kinesis =
            KinesisStore::open(&folder.join("kinesis.sqlite")).map_err(|error| part("Kinesis", error))?;
        let kinesis = Arc::new(kinesis.with_update_ms(options.stream_update_ms));
        resources::create_stream(&kinesis, options.shard_count)?;
        let faults = Arc::new(Faults::new(options.faults, options.fault_seed));
        let queues = Queues::open(&folder.join("queues.sqlite")).await.map_err(|error| part("SQS", error))?;
        let queues = Arc::new(queues.with_faults(faults.clone()));
        let s3 = S3Store::open(&folder.join("s3"), &[&given_up_bucket()]);
        let s3 = Arc::new(s3.map_err(|error| part("S3", error))?);
        let (aws_listener, aws) = ports.listen("the AWS endpoint", options.aws_port).await?;
        let aws_endpoint_url = format!("http://{aws}");
        let clients = load_local(&aws_endpoint_url, COMMAND_RETRY_POLICY).await;
        let dead_letters = format!("{aws_endpoint_url}/{ACCOUNT_ID}/{INVALIDATIONS_FAILED_QUEUE}");
        let sqs = aws_sdk_sqs::Client::new(&clients);
        let notifications = Notifications::open(folder, faults.clone())
            .map_err(|error| part("the notifications", error))?
            .with_dead_letters(sqs.clone(), dead_letters);
        let notifications = Arc::new(notifications);
        let sns =
            Sns::open(&folder.join("sns.sqlite"), notifications.clone(), queues.clone(), faults.clone())
                .map_err(|error| part("SNS", error))?;
        let answers = Arc::new(AnswerCache::new(options.authorizer_cache_ttl_ms));
        let metrics = Arc::new(MetricSink::open(folder).map_err(|error| part("the metrics", error))?);
        let log_group = LogGroup::open(&folder.join("logs.sqlite"), ACCESS_LOG_GROUP)
            .map_err(|error| part("the log group", error))?;
        let log_group = Arc::new(log_group);
        log_group.tell(metrics.store().clone());
        let stream_arn = stream_arn(&kinesis).map_err(|error| part("Kinesis", error))?;
        put_access_log_filters(&log_group, &stream_arn)
            .map_err(|error| part("the filters of the log group", error))?;
        let logs = LogsService::open(log_group.clone(), &folder.join("log-groups"), metrics.store().clone());
        let logs = Arc::new(logs.map_err(|(_, message)| part("CloudWatch Logs", message))?);
        let lagging_index = (options.faults.index_lag_ms > 0)
            .then(|| Arc::new(LaggingIndex::new(options.faults.index_lag_ms, options.fault_seed)));
        let endpoint = AwsEndpoint {
            dynamodb: DynamoDb::new(dynamodb, lagging_index, faults.clone(), metrics.store().clone()),
            kinesis: kinesis.clone(),
            queues,
            sns: Arc::new(sns),
            s3: s3.clone(),
            answers: answers.clone(),
            logs: logs.clone(),
            metrics: metrics.store().clone(),
        };
        servers.spawn(serve(aws_listener, endpoint.router(), std::future::pending()));
        resources::create_queues(&sqs).await?;
        Ok(Self {
            aws_endpoint_url,
            ledger_client,
            expiry,
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

/// The ARN of the stream, as Kinesis tells it.
fn stream_arn(kinesis: &KinesisStore) -> Result<String, KinesisError> {
    let request = json!({"StreamName": STREAM});
    let described = kinesis::handle(kinesis, "DescribeStreamSummary", &request, now_ms())?;
    Ok(described["StreamDescriptionSummary"]["StreamARN"].as_str().unwrap_or_default().to_owned())
}
