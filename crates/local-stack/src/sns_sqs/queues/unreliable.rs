//! The weak guarantees of SQS: messages come in any order and at least once, and short polls do not see
//! every message. Short polls always behave so; the other effects are injected faults.
//!
//! Sources: SQS Developer Guide, "Amazon SQS short and long polling" (short
//! polling queries a subset of the servers, long polling all of them) and "Amazon
//! SQS at-least-once delivery" (a copy may survive on a server that cannot be
//! reached, so a message can come again, also after it was deleted).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;
use winterbaume_core::MockResponse;

use super::{Queues, json_of};
use crate::faults::{FaultRates, Faults, InjectedFault};

/// Maximum number of messages of one response. Source: SQS API Reference, `ReceiveMessage`.
const MAX_MESSAGES: usize = 10;
/// Maximum number of messages from which a response is chosen.
const MAX_CANDIDATES: usize = 200;
/// Time between two attempts of a long poll.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Number of servers over which the messages of a queue are distributed. A short poll queries all of them
/// except one, a different one each time.
const SERVERS: u64 = 4;

/// Returns `true` if a fault of queues is injected.
fn is_unreliable(rates: &FaultRates) -> bool {
    rates.shuffled_queue + rates.missed_message + rates.repeated_message > 0.0
}

/// The messages that a poll sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    All,
    /// All except those of this server.
    AllBut(u64),
}

impl Visibility {
    fn sees(self, message: &Value) -> bool {
        let id = message["MessageId"].as_str().unwrap_or_default();
        // The ids are random.
        let server = id.bytes().fold(0, |sum: u64, byte| sum + u64::from(byte)) % SERVERS;
        self != Self::AllBut(server)
    }
}

impl Queues {
    /// Performs an operation with the injected faults.
    pub(super) async fn call_with_faults(&self, operation: &str, request: &str) -> MockResponse {
        match operation {
            "ReceiveMessage" => {
                let reply = self.receive(request).await;
                self.keep_visible(request, &reply).await;
                reply
            }
            _ => self.call_sqs(operation, request).await,
        }
    }

    /// Returns `true` if a message that is to be deleted stays in the queue. It is then visible at once.
    pub(super) async fn survives_deletion(&self, request: &Value) -> bool {
        if !self.faults.happens(self.faults.rates().undeleted_message) {
            return false;
        }
        self.make_visible(request, &request["ReceiptHandle"]).await;
        true
    }

    async fn receive(&self, text: &str) -> MockResponse {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let wait_s = match request["WaitTimeSeconds"].as_u64() {
            Some(wait_s) => wait_s,
            None => self.default_wait_s(&request).await,
        };
        if wait_s > 0 && !is_unreliable(&self.faults.rates()) {
            return self.call_sqs("ReceiveMessage", text).await;
        }
        let polls = self.polls.fetch_add(1, Ordering::Relaxed);
        let visibility = if wait_s > 0 { Visibility::All } else { Visibility::AllBut(polls % SERVERS) };
        let wanted = request["MaxNumberOfMessages"].as_u64().and_then(|wanted| usize::try_from(wanted).ok());
        let ends = Instant::now() + Duration::from_secs(wait_s);
        loop {
            let reply = self.receive_once(&request, wanted.unwrap_or(1), visibility).await;
            let is_empty = json_of(&reply)["Messages"].as_array().is_none_or(Vec::is_empty);
            if reply.status != 200 || !is_empty || Instant::now() >= ends {
                return reply;
            }
            tokio::time::sleep(POLL_INTERVAL.min(ends - Instant::now())).await;
        }
    }

    /// Receives all messages, chooses those that are returned, and makes the others visible again. The lock
    /// prevents that another receive misses the messages in the meantime.
    async fn receive_once(&self, request: &Value, wanted: usize, visibility: Visibility) -> MockResponse {
        let _lock = self.receiving.lock().await;
        let mut request = request.clone();
        request["MaxNumberOfMessages"] = json!(MAX_MESSAGES);
        request["WaitTimeSeconds"] = json!(0);
        let (mut reply, mut taken) =
            (self.call_sqs("ReceiveMessage", &request.to_string()).await, Vec::new());
        loop {
            let mut answer = json_of(&reply);
            let messages = answer["Messages"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let is_last = messages.len() < MAX_MESSAGES;
            taken.extend(messages);
            if is_last || taken.len() >= MAX_CANDIDATES {
                break;
            }
            reply = self.call_sqs("ReceiveMessage", &request.to_string()).await;
        }
        if reply.status != 200 && taken.is_empty() {
            return reply;
        }
        let (messages, visible) = choose(&self.faults, taken, wanted, visibility);
        for receipt_handle in &visible {
            self.make_visible(&request, receipt_handle).await;
        }
        let answer = if messages.is_empty() { json!({}) } else { json!({"Messages": messages}) };
        reply.status = 200;
        reply.body = Bytes::from(answer.to_string());
        reply
    }

    /// Makes messages visible that are received with a visibility timeout of 0, which the emulator
    /// does not support.
    async fn keep_visible(&self, request: &str, reply: &MockResponse) {
        let request: Value = serde_json::from_str(request).unwrap_or_default();
        if request["VisibilityTimeout"] == 0 {
            for message in json_of(reply)["Messages"].as_array().into_iter().flatten() {
                self.make_visible(&request, &message["ReceiptHandle"]).await;
            }
        }
    }

    async fn make_visible(&self, request: &Value, receipt_handle: &Value) {
        let change =
            json!({"QueueUrl": request["QueueUrl"], "ReceiptHandle": receipt_handle, "VisibilityTimeout": 0});
        self.call_sqs("ChangeMessageVisibility", &change.to_string()).await;
    }

    /// Returns the default wait time of the queue, in seconds.
    async fn default_wait_s(&self, request: &Value) -> u64 {
        const ATTRIBUTE: &str = "ReceiveMessageWaitTimeSeconds";
        let request = json!({"QueueUrl": request["QueueUrl"], "AttributeNames": [ATTRIBUTE]});
        let reply = self.call_sqs("GetQueueAttributes", &request.to_string()).await;
        json_of(&reply)["Attributes"][ATTRIBUTE].as_str().and_then(|wait| wait.parse().ok()).unwrap_or(0)
    }
}

/// Chooses at most `wanted` messages to return, and the receipt handles of the messages that become
/// visible again at once.
fn choose(
    faults: &Faults,
    mut messages: Vec<Value>,
    wanted: usize,
    visibility: Visibility,
) -> (Vec<Value>, Vec<Value>) {
    let rates = faults.rates();
    let happens = |rate| {
        let happens = faults.happens(rate);
        faults.count(InjectedFault::UnreliableQueue, usize::from(happens));
        happens
    };
    if happens(rates.shuffled_queue) {
        for place in (1..messages.len()).rev() {
            messages.swap(place, faults.below(place + 1));
        }
    }
    let (mut returned, mut visible) = (Vec::new(), Vec::new());
    for message in messages {
        let is_missed =
            visibility != Visibility::All && (!visibility.sees(&message) || happens(rates.missed_message));
        let goes_back = is_missed || returned.len() == wanted;
        if goes_back || happens(rates.repeated_message) {
            visible.push(message["ReceiptHandle"].clone());
        }
        if !goes_back {
            returned.push(message);
        }
    }
    (returned, visible)
}
