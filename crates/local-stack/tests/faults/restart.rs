//! State that survives a restart.

use aws_sdk_sns::types::PublishBatchRequestEntry;
use deployment::Endpoints;
use local_stack::cloudwatch::MetricName;
use local_stack::stack::LocalStack;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use system_clock::now_ms;

use crate::probe_stack::options;

fn urls(endpoints: &Endpoints) -> [String; 4] {
    let Endpoints { gateway, dashboard, control, aws_endpoint_url, .. } = endpoints.clone();
    [gateway, dashboard, control, aws_endpoint_url]
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_stay_the_same_and_one_that_is_taken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let stack = LocalStack::start(options.clone()).await.unwrap();
    let before = urls(&stack.endpoints);
    stack.shut_down().await;
    let stack = LocalStack::start(options.clone()).await.unwrap();
    assert_eq!((urls(&stack.endpoints), stack.moved.len()), (before.clone(), 0));
    stack.shut_down().await;

    let address = before[0].strip_prefix("http://").unwrap();
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let stack = LocalStack::start(options).await.unwrap();
    let now = urls(&stack.endpoints);
    assert_ne!(now[0], before[0]);
    assert_eq!(now[1..], before[1..]);
    let port = address.rsplit(':').next().unwrap();
    assert!(
        stack.moved[0].starts_with(&format!("Port {port}, the last port of the gateway, is taken")),
        "{:?}",
        stack.moved
    );
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let stack = LocalStack::start(options.clone()).await.unwrap();
    let metric = MetricName::new("Test", "Kept", [("Service", "x")]);
    let at_ms = now_ms();
    stack.metrics.store().record(metric.clone(), at_ms, [5, 7]);
    stack.shut_down().await;
    let stack = LocalStack::start(options).await.unwrap();
    let sums =
        stack.metrics.store().statistic(&metric, "Sum", 60_000, at_ms - 60_000, at_ms + 60_000).unwrap();
    assert_eq!(sums.into_values().collect::<Vec<_>>(), [12.0]);
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_messages_reaches_the_functions() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    let settings = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let topic = stack.endpoints.invalidations_topic_arn.clone();
    let entry = |id: &str| PublishBatchRequestEntry::builder().id(id).message(id).build().unwrap();
    let request = aws_sdk_sns::Client::new(&settings).publish_batch().topic_arn(&topic);
    let request = request.publish_batch_request_entries(entry("a")).publish_batch_request_entries(entry("b"));
    request.send().await.unwrap();
    let published: Vec<String> =
        stack.notifications.published(&topic).into_iter().map(|message| message.message).collect();
    assert_eq!(published, ["a", "b"]);
    // The authorizer is subscribed to the topic and starts with its first invocation.
    while stack.authorizer.process_ids().is_empty() {
        tokio::task::yield_now().await;
    }
    stack.shut_down().await;
}
