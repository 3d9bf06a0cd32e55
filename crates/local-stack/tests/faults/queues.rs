//! Queues that reorder, repeat and miss messages.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use local_stack::faults::FaultRates;
use local_stack::stack::LocalStack;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};

use crate::probe_stack::options;

struct Queue {
    stack: LocalStack,
    client: Client,
    url: String,
    _folder: tempfile::TempDir,
}

impl Queue {
    /// Creates a queue with `count` messages, numbered from 0.
    async fn with_messages(count: usize, faults: FaultRates) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stack = LocalStack::start(options(folder.path())).await.unwrap();
        let client = Client::new(&load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await);
        let url = stack.endpoints.quarantine_queue_url.clone();
        for number in 0..count {
            client.send_message().queue_url(&url).message_body(number.to_string()).send().await.unwrap();
        }
        stack.faults.set(faults);
        Self { stack, client, url, _folder: folder }
    }

    /// Receives once, and returns the numbers and the receipt handles.
    async fn receive(&self, wait_s: i32) -> Vec<(usize, String)> {
        let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
        let reply = request.wait_time_seconds(wait_s).send().await.unwrap();
        let messages = reply.messages.unwrap_or_default().into_iter();
        messages
            .map(|message| (message.body.unwrap().parse().unwrap(), message.receipt_handle.unwrap()))
            .collect()
    }

    async fn delete(&self, receipt_handle: &str) {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt_handle);
        request.send().await.unwrap();
    }
}

fn numbers(messages: &[(usize, String)]) -> Vec<usize> {
    messages.iter().map(|(number, _)| *number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn short_polls_miss_what_is_there_and_a_long_poll_finds_it() {
    let faults = FaultRates { missed_message: 1.0, ..FaultRates::default() };
    let queue = Queue::with_messages(3, faults).await;
    for _ in 0..3 {
        assert!(queue.receive(0).await.is_empty());
    }
    assert_eq!(numbers(&queue.receive(1).await), [0, 1, 2]);
    queue.stack.shut_down().await;

    let faults = FaultRates { missed_message: 0.5, ..FaultRates::default() };
    let queue = Queue::with_messages(40, faults).await;
    let mut found = BTreeSet::new();
    let mut polls = 0;
    while found.len() < 40 {
        found.extend(numbers(&queue.receive(0).await));
        polls += 1;
    }
    assert!(polls > 4, "{polls} polls of ten messages found all 40, so none was missed");
    queue.stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_any_order_each_once_as_long_as_none_is_repeated() {
    let faults = FaultRates { shuffled_queue: 1.0, ..FaultRates::default() };
    let queue = Queue::with_messages(30, faults).await;
    let mut order = Vec::new();
    while order.len() < 30 {
        order.extend(numbers(&queue.receive(1).await));
    }
    assert!(!order.is_sorted(), "{order:?}");
    // The first response does not consist of the first ten messages in another order.
    assert!(order[..10].iter().any(|number| *number >= 10), "{order:?}");
    assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (0..30).collect());
    queue.stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_handed_out_twice_and_comes_again_although_it_was_deleted() {
    let faults = FaultRates { repeated_message: 1.0, ..FaultRates::default() };
    let queue = Queue::with_messages(2, faults).await;
    assert_eq!(numbers(&queue.receive(1).await), [0, 1]);
    assert_eq!(numbers(&queue.receive(1).await), [0, 1], "both are still visible");

    queue.stack.faults.set(FaultRates { undeleted_message: 1.0, ..FaultRates::default() });
    let received = queue.receive(1).await;
    queue.delete(&received[0].1).await;
    let again = queue.receive(1).await;
    assert_eq!(numbers(&again), [0], "a copy survived");
    queue.stack.faults.set(FaultRates::default());
    queue.delete(&again[0].1).await;
    assert!(queue.receive(1).await.is_empty());
    queue.stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqs_refuses_is_refused() {
    let queue = Queue::with_messages(1, FaultRates::default()).await;
    for (messages, wait_s) in [(0, 0), (11, 0), (1, 21)] {
        let request = queue.client.receive_message().queue_url(&queue.url).max_number_of_messages(messages);
        let error = request.wait_time_seconds(wait_s).send().await.unwrap_err();
        assert!(format!("{error:?}").contains("InvalidParameterValue"), "{error:?}");
    }
    queue.stack.shut_down().await;
}
