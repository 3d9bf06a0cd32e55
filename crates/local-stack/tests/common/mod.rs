//! Helpers for tests of single parts of the stack.

use std::sync::Arc;

use local_stack::apigateway::authorization::AnswerCache;
use local_stack::aws_endpoint::AwsEndpoint;
use local_stack::cloudwatch_logs::log_group::LogGroup;
use local_stack::cloudwatch_logs::service::LogsService;
use local_stack::dynamodb::DynamoDb;
use local_stack::faults::{FaultRates, Faults};
use local_stack::kinesis::KinesisStore;
use local_stack::s3::S3Store;
use local_stack::sns_sqs::notifications::Notifications;
use local_stack::sns_sqs::queues::Queues;
use local_stack::sns_sqs::sns::Sns;
use local_stack::stack::{ACCESS_LOG_GROUP, given_up_bucket};

/// Starts only the AWS endpoint, with the state in the folder, and returns its URL. DynamoDB is not
/// available.
pub async fn start_aws_endpoint(folder: &std::path::Path) -> String {
    let kinesis = Arc::new(KinesisStore::open(&folder.join("kinesis.sqlite")).unwrap());
    let queues = Arc::new(Queues::open(&folder.join("queues.sqlite")).await.unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let faults = Arc::new(Faults::new(FaultRates::default(), 0));
    let notifications = Arc::new(Notifications::open(folder, faults.clone()).unwrap());
    let log_group = LogGroup::open(&folder.join("logs.sqlite"), ACCESS_LOG_GROUP).unwrap();
    let endpoint = AwsEndpoint {
        dynamodb: DynamoDb::new(address, None, faults.clone(), Arc::default()),
        kinesis,
        queues: queues.clone(),
        sns: Arc::new(Sns::open(&folder.join("sns.sqlite"), notifications, queues, faults.clone()).unwrap()),
        s3: Arc::new(S3Store::open(&folder.join("s3"), &[&given_up_bucket()]).unwrap()),
        answers: Arc::new(AnswerCache::new(0)),
        logs: Arc::new(LogsService::new(Arc::new(log_group))),
        metrics: Arc::default(),
        faults,
    };
    tokio::spawn(axum::serve(listener, endpoint.router()).into_future());
    format!("http://{address}")
}
