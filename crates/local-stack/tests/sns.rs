//! SNS behind the AWS endpoint: subscribed queues get published messages.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use aws_sdk_sns::types::PublishBatchRequestEntry;
use common::start_aws_endpoint;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use serde_json::Value;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:t";

struct Clients {
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Clients {
    async fn new(folder: &std::path::Path) -> Self {
        let settings = load_local(&start_aws_endpoint(folder).await, COMMAND_RETRY_POLICY).await;
        Self { sns: aws_sdk_sns::Client::new(&settings), sqs: aws_sdk_sqs::Client::new(&settings) }
    }

    /// Creates a queue, subscribes it to the topic, and returns the subscription's ARN.
    async fn queue(&self, name: &str, is_raw: bool) -> String {
        self.sqs.create_queue().queue_name(name).send().await.unwrap();
        let arn = format!("arn:aws:sqs:us-east-1:123456789012:{name}");
        let request = self.sns.subscribe().topic_arn(TOPIC).protocol("sqs").endpoint(arn);
        let request = if is_raw { request.attributes("RawMessageDelivery", "true") } else { request };
        request.send().await.unwrap().subscription_arn.unwrap()
    }

    /// Receives and deletes all messages of a queue.
    async fn take(&self, queue: &str) -> Vec<String> {
        let url = self.sqs.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
        let mut bodies = Vec::new();
        loop {
            let request =
                self.sqs.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(1);
            let messages = request.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                bodies.sort();
                return bodies;
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap();
                self.sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
                bodies.push(message.body.unwrap());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_get_messages_raw_or_in_an_envelope_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clients = Clients::new(folder.path()).await;
    assert_eq!(clients.sns.create_topic().name("t").send().await.unwrap().topic_arn.unwrap(), TOPIC);
    let raw = clients.queue("raw", true).await;
    clients.queue("enveloped", false).await;
    assert_eq!(clients.queue("raw", true).await, raw, "subscribing again returns the same subscription");
    for round in 0..2 {
        let clients = Clients::new(folder.path()).await;
        let message = format!("round {round}");
        let publish = clients.sns.publish().topic_arn(TOPIC).subject("what it is").message(&message);
        let id = publish.send().await.unwrap().message_id.unwrap();
        assert_eq!(clients.take("raw").await, [message.as_str()]);
        let bodies = clients.take("enveloped").await;
        let envelope: Value = serde_json::from_str(&bodies[0]).unwrap();
        assert_eq!((bodies.len(), &envelope["Type"]), (1, &Value::from("Notification")));
        assert_eq!((&envelope["Message"], &envelope["MessageId"]), (&Value::from(message), &Value::from(id)));
        assert_eq!(
            (&envelope["TopicArn"], &envelope["Subject"]),
            (&Value::from(TOPIC), &Value::from("what it is"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_delivered_message_by_message_until_a_queue_unsubscribes() {
    let folder = tempfile::tempdir().unwrap();
    let clients = Clients::new(folder.path()).await;
    clients.sns.create_topic().name("t").send().await.unwrap();
    let subscription = clients.queue("q", false).await;
    let set = clients.sns.set_subscription_attributes().subscription_arn(&subscription);
    set.attribute_name("RawMessageDelivery").attribute_value("true").send().await.unwrap();
    let batch = async || {
        let entry = |id: &str| {
            PublishBatchRequestEntry::builder().id(id).message(format!("message {id}")).build().unwrap()
        };
        let request = clients.sns.publish_batch().topic_arn(TOPIC);
        let reply =
            request.publish_batch_request_entries(entry("1")).publish_batch_request_entries(entry("2"));
        let ids = reply.send().await.unwrap().successful.unwrap();
        assert_eq!(ids.iter().filter_map(|sent| sent.id()).collect::<Vec<_>>(), ["1", "2"]);
    };
    batch().await;
    assert_eq!(clients.take("q").await, ["message 1", "message 2"]);
    clients.sns.unsubscribe().subscription_arn(subscription).send().await.unwrap();
    batch().await;
    assert!(clients.take("q").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_never_be_delivered_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clients = Clients::new(folder.path()).await;
    clients.sns.create_topic().name("t").send().await.unwrap();
    let subscribe = async |protocol: &str, endpoint: &str| {
        let request = clients.sns.subscribe().topic_arn(TOPIC).protocol(protocol).endpoint(endpoint);
        format!("{:?}", request.send().await.unwrap_err())
    };
    for protocol in ["http", "https", "email", "sms", "lambda"] {
        let error = subscribe(protocol, "http://127.0.0.1:9/").await;
        assert!(error.contains("InvalidParameter") && error.contains("does not deliver"), "{error}");
    }
    let elsewhere = subscribe("sqs", "arn:aws:sqs:eu-west-1:123456789012:q").await;
    assert!(elsewhere.contains("InvalidParameter"), "{elsewhere}");
    let filtered = clients.sns.subscribe().topic_arn(TOPIC).protocol("sqs").attributes("FilterPolicy", "{}");
    let error = format!("{:?}", filtered.send().await.unwrap_err());
    assert!(error.contains("FilterPolicy"), "{error}");
    let nowhere = clients.sns.publish().topic_arn("arn:aws:sns:us-east-1:123456789012:none").message("x");
    assert!(format!("{:?}", nowhere.send().await.unwrap_err()).contains("NotFound"));
}
