//! SQS behind the AWS endpoint: messages survive a restart, and short polls miss some messages.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use aws_sdk_sqs::Client;
use common::start_aws_endpoint;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};

async fn sqs(endpoint: &str) -> Client {
    Client::new(&load_local(endpoint, COMMAND_RETRY_POLICY).await)
}

async fn receive_all(client: &Client, queue_url: &str) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    loop {
        let request =
            client.receive_message().queue_url(queue_url).max_number_of_messages(10).wait_time_seconds(1);
        let reply = request.send().await.unwrap();
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
        // The port has changed; the old URL still identifies the queue.
        let client = sqs(&start_aws_endpoint(folder.path()).await).await;
        let bodies: Vec<String> =
            receive_all(&client, &queue_url).await.into_iter().map(|(body, _)| body).collect();
        assert_eq!(bodies, ["one", "three"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_poll_misses_messages_and_whoever_stops_at_an_empty_answer_misses_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let client = sqs(&start_aws_endpoint(folder.path()).await).await;
    let queue_url = client.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
    client.send_message().queue_url(&queue_url).message_body("one").send().await.unwrap();
    let poll = async |wait_s: i32| {
        let request = client.receive_message().queue_url(&queue_url).visibility_timeout(0);
        let reply = request.wait_time_seconds(wait_s).send().await.unwrap();
        reply.messages.unwrap_or_default().len()
    };
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(poll(0).await);
    }
    let missed = seen.iter().filter(|count| **count == 0).count();
    assert_eq!(missed, 2, "a short poll queries three of four servers: {seen:?}");
    for _ in 0..8 {
        assert_eq!(poll(1).await, 1, "a long poll queries all servers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_does_not_offer_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let client = sqs(&start_aws_endpoint(folder.path()).await).await;
    let queue_url = client.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
    let fifo =
        client.send_message().queue_url(&queue_url).message_body("x").message_group_id("g").send().await;
    let error = format!("{:?}", fifo.unwrap_err());
    assert!(error.contains("InvalidParameterValue") && error.contains("MessageGroupId"), "{error}");
    let policy = client.add_permission().queue_url(&queue_url).label("l").aws_account_ids("1").actions("*");
    let error = format!("{:?}", policy.send().await.unwrap_err());
    assert!(error.contains("UnsupportedOperation") && error.contains("AddPermission"), "{error}");
}
