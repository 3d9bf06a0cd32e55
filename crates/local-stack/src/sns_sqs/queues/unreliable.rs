//! Queues as SQS promises them: in any order, at least once, and with short
//! polls that do not see every message. The last of these holds always, the
//! others where a fault asks for them.
//!
//! Sources: SQS Developer Guide, "Amazon SQS short and long polling" (short
//! polling asks a subset of the servers, long polling all of them) and "Amazon
//! SQS at-least-once delivery" (a copy may survive on a server that cannot be
//! reached, so a message can come again, also after it was deleted).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;
use winterbaume_core::MockResponse;

use super::{Queues, json_of};
use crate::faults::{FaultRates, Faults};

/// The most messages of one answer. Source: SQS API Reference, `ReceiveMessage`.
const MAX_MESSAGES: usize = 10;
/// The most messages among which an answer is chosen.
const MAX_CANDIDATES: usize = 200;
/// How often a long poll looks for messages.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The servers over which the messages of a queue are spread; a short poll asks
/// all of them but one, each time another one.
const SERVERS: u64 = 4;

/// Whether anything is the matter with queues.
fn is_unreliable(rates: &FaultRates) -> bool {
    rates.shuffled_queue + rates.missed_message + rates.repeated_message > 0.0
}

/// What a poll sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All messages.
    All,
    /// All but those of this server.
    AllBut(u64),
}

impl Sight {
    fn sees(self, message: &Value) -> bool {
        let id = message["MessageId"].as_str().unwrap_or_default();
        // The ids are random.
        let server = id.bytes().fold(0, |sum: u64, byte| sum + u64::from(byte)) % SERVERS;
        self != Self::AllBut(server)
    }
}

impl Queues {
    /// Carries out an operation with the faults of queues.
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

    /// Whether a message that is deleted comes again all the same; it is then
    /// visible at once.
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
            None => self.wait_of_queue(&request).await,
        };
        if wait_s > 0 && !is_unreliable(&self.faults.rates()) {
            return self.call_sqs("ReceiveMessage", text).await;
        }
        let polls = self.polls.fetch_add(1, Ordering::Relaxed);
        let sight = if wait_s > 0 { Sight::All } else { Sight::AllBut(polls % SERVERS) };
        let wanted = request["MaxNumberOfMessages"].as_u64().and_then(|wanted| usize::try_from(wanted).ok());
        let ends = Instant::now() + Duration::from_secs(wait_s);
        loop {
            let reply = self.receive_once(&request, wanted.unwrap_or(1), sight).await;
            let is_empty = json_of(&reply)["Messages"].as_array().is_none_or(Vec::is_empty);
            if reply.status != 200 || !is_empty || Instant::now() >= ends {
                return reply;
            }
            tokio::time::sleep(POLL_INTERVAL.min(ends - Instant::now())).await;
        }
    }

    /// Takes all messages, chooses those that are handed out, and puts the
    /// others back. One reader at a time, so that nothing is missed meanwhile.
    async fn receive_once(&self, request: &Value, wanted: usize, sight: Sight) -> MockResponse {
        let _alone = self.receiving.lock().await;
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
        let (messages, visible) = choose(&self.faults, taken, wanted, sight);
        for receipt_handle in &visible {
            self.make_visible(&request, receipt_handle).await;
        }
        let answer = if messages.is_empty() { json!({}) } else { json!({"Messages": messages}) };
        reply.status = 200;
        reply.body = Bytes::from(answer.to_string());
        reply
    }

    /// Has messages stay visible that are received for no time, which the emulator does not know.
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

    /// How long the queue itself lets a receive wait, in seconds.
    async fn wait_of_queue(&self, request: &Value) -> u64 {
        const ATTRIBUTE: &str = "ReceiveMessageWaitTimeSeconds";
        let request = json!({"QueueUrl": request["QueueUrl"], "AttributeNames": [ATTRIBUTE]});
        let reply = self.call_sqs("GetQueueAttributes", &request.to_string()).await;
        json_of(&reply)["Attributes"][ATTRIBUTE].as_str().and_then(|wait| wait.parse().ok()).unwrap_or(0)
    }
}

/// Chooses at most `wanted` messages that are handed out, and the receipt
/// handles of those that are visible to others at once.
fn choose(
    faults: &Faults,
    mut messages: Vec<Value>,
    wanted: usize,
    sight: Sight,
) -> (Vec<Value>, Vec<Value>) {
    let rates = faults.rates();
    if faults.happens(rates.shuffled_queue) {
        for place in (1..messages.len()).rev() {
            messages.swap(place, faults.below(place + 1));
        }
    }
    let (mut handed_out, mut visible) = (Vec::new(), Vec::new());
    for message in messages {
        let is_missed =
            sight != Sight::All && (!sight.sees(&message) || faults.happens(rates.missed_message));
        let goes_back = is_missed || handed_out.len() == wanted;
        if goes_back || faults.happens(rates.repeated_message) {
            visible.push(message["ReceiptHandle"].clone());
        }
        if !goes_back {
            handed_out.push(message);
        }
    }
    (handed_out, visible)
}
