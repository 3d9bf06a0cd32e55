//! SQS and SNS behind the AWS endpoint: messages survive a restart, and both
//! services are reached by the way a client signs.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use aws_sdk_sqs::Client;
use bytes::Bytes;
use common::start_aws_endpoint;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use metering_aws::connection::{COMMAND_PATIENCE, load_local};

async fn sqs(endpoint: &str) -> Client {
    Client::new(&load_local(endpoint, COMMAND_PATIENCE).await)
}

async fn receive_all(client: &Client, queue_url: &str) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    loop {
        let reply =
            client.receive_message().queue_url(queue_url).max_number_of_messages(10).send().await.unwrap();
        let received = reply.messages.unwrap_or_default();
        if received.is_empty() {
            messages.sort();
            return messages;
        }
        messages.extend(
            received.into_iter().map(|message| (message.body.unwrap(), message.receipt_handle.unwrap())),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_survive_a_restart_and_deleted_ones_stay_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let client = sqs(&start_aws_endpoint(folder.path()).await).await;
    let created = client.create_queue().queue_name("quarantine").send().await.unwrap();
    let queue_url = created.queue_url.unwrap();
    for body in ["one", "two", "three"] {
        client.send_message().queue_url(&queue_url).message_body(body).send().await.unwrap();
    }
    let received = receive_all(&client, &queue_url).await;
    let (_, handle) = received.iter().find(|(body, _)| body == "two").unwrap();
    client.delete_message().queue_url(&queue_url).receipt_handle(handle).send().await.unwrap();

    for _ in 0..2 {
        // Another port: the old URL still names the queue.
        let client = sqs(&start_aws_endpoint(folder.path()).await).await;
        let bodies: Vec<String> =
            receive_all(&client, &queue_url).await.into_iter().map(|(body, _)| body).collect();
        assert_eq!(bodies, ["one", "three"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_can_be_created_and_published_to_and_an_unknown_service_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = start_aws_endpoint(folder.path()).await;
    let client: legacy::Client<_, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build_http();
    let post = async |service: &str, body: &str| {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = http::Request::post(&endpoint)
            .header("authorization", scope)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(body.to_owned()));
        let response = client.request(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let (status, created) = post("sns", "Action=CreateTopic&Name=keys&Version=2010-03-31").await;
    assert_eq!(status, 200, "{created}");
    let topic =
        created.split("<TopicArn>").nth(1).and_then(|rest| rest.split('<').next()).expect("a topic ARN");
    let publish =
        format!("Action=Publish&Version=2010-03-31&Message=deleted&TopicArn={}", topic.replace(':', "%3A"));
    let (status, published) = post("sns", &publish).await;
    assert!(status == 200 && published.contains("<MessageId>"), "{published}");
    let (status, refused) = post("sts", "").await;
    assert!(status == 404 && refused.contains("this request is for \\\"sts\\\""), "{refused}");
}
