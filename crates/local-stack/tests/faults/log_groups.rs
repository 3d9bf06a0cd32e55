//! Delivery of several log groups to one stream.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use aws_sdk_cloudwatchlogs::types::{Distribution, InputLogEvent};
use local_stack::stack::{LocalStack, STREAM};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use serde_json::json;
use system_clock::now_ms;

use crate::probe_stack::{options, records};

const GROUP: &str = "/aws/api-gateway/another";

async fn client(stack: &LocalStack) -> Client {
    Client::new(&load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await)
}

async fn put(client: &Client, numbers: std::ops::Range<u64>) {
    let event = |number: u64| {
        let line = json!({"status": "200", "number": number}).to_string();
        InputLogEvent::builder().timestamp(now_ms()).message(line).build().unwrap()
    };
    let request = client.put_log_events().log_group_name(GROUP).log_stream_name("s");
    request.set_log_events(Some(numbers.map(event).collect())).send().await.unwrap();
}

async fn arrived(stack: &LocalStack) -> Vec<u64> {
    let mut numbers: Vec<u64> = records(stack).await.into_values().flatten().flatten().collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_log_group_feeds_the_stream_from_its_subscription_on_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    let logs = client(&stack).await;
    logs.create_log_group().log_group_name(GROUP).send().await.unwrap();
    logs.create_log_stream().log_group_name(GROUP).log_stream_name("s").send().await.unwrap();
    put(&logs, 0..3).await;
    let described = stack.kinesis_client.describe_stream_summary().stream_name(STREAM).send().await.unwrap();
    let arn = described.stream_description_summary.unwrap().stream_arn;
    let subscribe = |name: &str, pattern: &str, arn: &str| {
        let request =
            logs.put_subscription_filter().log_group_name(GROUP).filter_name(name).filter_pattern(pattern);
        request
            .destination_arn(arn)
            .role_arn("arn:aws:iam::123456789012:role/r")
            .distribution(Distribution::Random)
            .send()
    };
    let elsewhere =
        subscribe("mine", "", "arn:aws:kinesis:us-east-1:123456789012:stream/none").await.unwrap_err();
    assert_eq!(elsewhere.code(), Some("InvalidParameterException"));
    subscribe("mine", "{ $.number > 3 }", &arn).await.unwrap();
    assert_eq!(subscribe("second", "", &arn).await.unwrap_err().code(), Some("LimitExceededException"));
    put(&logs, 3..6).await;
    stack.settled().await.unwrap();
    assert_eq!(arrived(&stack).await, [4, 5], "events before the subscription are not delivered");
    // A filter with the same name replaces the first one.
    subscribe("mine", "", &arn).await.unwrap();
    put(&logs, 6..7).await;
    stack.settled().await.unwrap();
    stack.shut_down().await;

    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    put(&client(&stack).await, 7..9).await;
    stack.settled().await.unwrap();
    assert_eq!(arrived(&stack).await, [4, 5, 6, 7, 8]);
    stack.shut_down().await;
}
