//! The quarantine queue against an embedded SQS.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use metering_aws::QuarantineQueue;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::quarantine_queue::{Fate, KeptRecord, Odd, PART_BYTES, Receiving};
use metering_core::ports::{Quarantine, QuarantinedRecord};
use winterbaume_core::{MockRequest, MockService};
use winterbaume_sqs::SqsService;

use super::{NOW_MS, record};

/// Messages are visible at once, so requests do not wait.
const RECEIVING: Receiving = Receiving { wait_s: 0, visibility_timeout_s: 600 };

async fn answer(State(sqs): State<Arc<SqsService>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let uri = format!("https://sqs.us-east-1.amazonaws.com{}", parts.uri);
    let reply =
        sqs.handle(MockRequest { method: parts.method.to_string(), uri, headers: parts.headers, body }).await;
    Response::builder().status(reply.status).body(Body::from(reply.body)).unwrap()
}

/// Starts an embedded SQS with a queue.
async fn sqs() -> (Client, String, QuarantineQueue) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::new(SqsService::new()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::new(&load_local(&endpoint, COMMAND_RETRY_POLICY).await);
    let url = client.create_queue().queue_name("quarantine").send().await.unwrap().queue_url.unwrap();
    (client.clone(), url.clone(), QuarantineQueue::new(client, url))
}

fn quarantined(digits: &str, reason: &'static str, payload: Vec<u8>) -> QuarantinedRecord {
    QuarantinedRecord {
        record: record(digits),
        arrived_at_ms: NOW_MS,
        put_back_from: metering_core::claims::owner::PutBackFrom::default(),
        reason: reason.into(),
        detail: format!("{reason} of {digits}"),
        payload,
    }
}

/// Returns the records that a pass visits, in ascending order, and the other messages.
async fn all(queue: &QuarantineQueue, fate: Fate) -> (Vec<KeptRecord>, Vec<Odd>) {
    let mut records = Vec::new();
    let visit = async |record| {
        records.push(record);
        fate
    };
    let odd = queue.pass(RECEIVING, visit).await.unwrap();
    records.sort_by(|left, right| (&left.record, &left.digest).cmp(&(&right.record, &right.digest)));
    (records, odd)
}

/// Returns the number of messages in the queue.
async fn messages(client: &Client, url: &str) -> usize {
    let mut messages = 0;
    loop {
        let reply = client.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
        match reply.messages.unwrap_or_default().len() {
            0 => return messages,
            received => messages += received,
        }
    }
}

fn large(byte: u8) -> Vec<u8> {
    (0..2 * PART_BYTES + 77).map(|position| byte ^ u8::try_from(position % 251).unwrap()).collect()
}

#[tokio::test]
async fn records_of_every_size_come_back_as_often_as_they_are_left() {
    let (client, url, queue) = sqs().await;
    let kept: Vec<QuarantinedRecord> = (10..35)
        .map(|digits: u8| {
            let payload = match digits % 3 {
                0 => Vec::new(),
                1 => vec![digits; 100],
                _ => large(digits),
            };
            quarantined(&digits.to_string(), "no-status", payload)
        })
        .collect();
    for record in &kept {
        queue.keep(record).await.unwrap();
    }
    assert!(queue.approximate_messages().await.unwrap() > 25, "some records have several messages");
    for _ in 0..2 {
        let (found, odd) = all(&queue, Fate::Leave).await;
        assert_eq!(odd, []);
        assert_eq!(found.len(), kept.len());
        for (found, kept) in found.iter().zip(&kept) {
            assert_eq!((&found.record, &found.payload), (&kept.record, &kept.payload));
            assert_eq!((found.reason.as_str(), &found.detail), ("no-status", &kept.detail));
        }
    }
    assert_eq!(all(&queue, Fate::Delete).await.0.len(), kept.len());
    assert_eq!(all(&queue, Fate::Leave).await.0, []);
    assert_eq!(messages(&client, &url).await, 0);
}

#[tokio::test]
async fn parts_of_two_payloads_of_one_record_are_never_mixed() {
    let (client, url, queue) = sqs().await;
    // A whole record was kept; later some of its events, and the whole record again.
    for payload in [large(1), large(2), vec![3; 10], large(1)] {
        queue.keep(&quarantined("7", "bad-envelope", payload)).await.unwrap();
    }
    let (found, odd) = all(&queue, Fate::Delete).await;
    assert_eq!(odd, []);
    let mut payloads: Vec<Vec<u8>> = found.into_iter().map(|record| record.payload).collect();
    payloads.sort();
    let mut expected = vec![large(1), large(2), vec![3; 10]];
    expected.sort();
    assert_eq!(payloads, expected, "copies are visited once");
    assert_eq!(messages(&client, &url).await, 0, "all copies are deleted");
}

/// Returns the messages of a record of three parts, in order.
async fn bodies(record: &QuarantinedRecord) -> Vec<String> {
    let (client, url, queue) = sqs().await;
    queue.keep(record).await.unwrap();
    let reply = client.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
    let mut bodies: Vec<String> =
        reply.messages.unwrap().into_iter().filter_map(|message| message.body).collect();
    bodies.sort_by_key(|body| (0..3).position(|part| body.contains(&format!(r#""part":{part},"#))));
    assert_eq!(bodies.len(), 3);
    bodies
}

#[tokio::test]
async fn foreign_torn_and_damaged_messages_hinder_nothing_and_stay() {
    let (client, url, queue) = sqs().await;
    let send = async |body: String| {
        client.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    };
    send("hello".to_owned()).await;
    send(r#"{"shardId":"shardId-0","sequenceNumber":"1"}"#.to_owned()).await;
    queue.keep(&quarantined("8", "no-status", large(8))).await.unwrap();
    let torn = bodies(&quarantined("9", "no-status", large(9))).await;
    for body in [&torn[0], &torn[2]] {
        send(body.clone()).await;
    }
    let damaged = bodies(&quarantined("10", "no-status", large(10))).await;
    for body in damaged {
        let data = body.find(r#""data":""#).unwrap() + 8;
        send(format!("{}AAAA{}", &body[..data], &body[data + 4..])).await;
    }
    for (fate, records) in [(Fate::Leave, 1), (Fate::Delete, 1), (Fate::Delete, 0)] {
        let (found, odd) = all(&queue, fate).await;
        assert_eq!(found.len(), records);
        let count = |is: fn(&Odd) -> bool| odd.iter().filter(|odd| is(odd)).count();
        assert_eq!(count(|odd| matches!(odd, Odd::Foreign { .. })), 2, "{odd:?}");
        assert_eq!(count(|odd| matches!(odd, Odd::Torn { found: 2, parts: 3, .. })), 1, "{odd:?}");
        assert_eq!(count(|odd| matches!(odd, Odd::Damaged { .. })), 1, "{odd:?}");
    }
    assert_eq!(messages(&client, &url).await, 2 + 2 + 3, "all messages stay apart from the deleted record's");
}
