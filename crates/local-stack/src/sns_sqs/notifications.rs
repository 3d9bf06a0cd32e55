//! Delivers the messages of SNS topics to subscribed functions, with retries and a dead-letter queue.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use system_clock::now_ms;

use crate::faults::Faults;
use crate::lambda::Function;
use crate::sync::locked;

/// Number of retries of a failed invocation (Lambda Developer Guide, "Asynchronous invocation").
const RETRIES: u32 = 2;
/// Time before the first retry, in milliseconds. AWS waits one minute, then two.
const RETRY_WAIT_MS: u64 = 200;

/// A published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub message_id: String,
    pub topic_arn: String,
    pub subject: Option<String>,
    /// Text of the message.
    pub message: String,
}

/// The functions that subscribe to topics, and the messages that were published.
pub struct Notifications {
    subscriptions: Mutex<HashMap<String, Vec<Arc<Function>>>>,
    dead_letters: Option<(aws_sdk_sqs::Client, String)>,
    faults: Arc<Faults>,
    file: Mutex<File>,
    published: Mutex<Vec<Published>>,
}

impl Notifications {
    /// Opens the file `notifications.jsonl` of a folder, to which every message is written.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub fn open(folder: &Path, faults: Arc<Faults>) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("notifications.jsonl"))?;
        Ok(Self {
            subscriptions: Mutex::default(),
            dead_letters: None,
            faults,
            file: Mutex::new(file),
            published: Mutex::default(),
        })
    }

    /// Sends messages whose invocations fail to a queue.
    #[must_use]
    pub fn with_dead_letters(mut self, client: aws_sdk_sqs::Client, queue_url: String) -> Self {
        self.dead_letters = Some((client, queue_url));
        self
    }

    /// Subscribes a function to a topic.
    pub fn subscribe(&self, topic_arn: &str, function: Arc<Function>) {
        let mut subscriptions = locked(&self.subscriptions);
        subscriptions.entry(topic_arn.to_owned()).or_default().push(function);
    }

    /// Returns the messages that were published to a topic since the start.
    pub fn published(&self, topic_arn: &str) -> Vec<Published> {
        let published = locked(&self.published);
        published.iter().filter(|message| message.topic_arn == topic_arn).cloned().collect()
    }

    /// Delivers a message to the functions that subscribe to its topic.
    pub fn publish(self: &Arc<Self>, message: &Published) {
        let line =
            json!({"topicArn": message.topic_arn, "subject": message.subject, "message": message.message});
        let _ = writeln!(locked(&self.file), "{line}");
        locked(&self.published).push(message.clone());
        let subscriptions = locked(&self.subscriptions);
        for function in subscriptions.get(&message.topic_arn).into_iter().flatten() {
            for delay_ms in self.faults.deliveries() {
                tokio::spawn(self.clone().deliver(function.clone(), event(message), delay_ms));
            }
        }
    }

    async fn deliver(self: Arc<Self>, function: Arc<Function>, event: Value, delay_ms: u64) {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        let payload = Bytes::from(event.to_string());
        let mut wait_ms = RETRY_WAIT_MS;
        for _ in 0..RETRIES {
            if function.invoke(payload.clone()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms *= 2;
        }
        let Err(error) = function.invoke(payload).await else { return };
        tracing::warn!(%error, "all invocations with a notification failed");
        if let Some((client, queue_url)) = &self.dead_letters
            && let Err(error) =
                client.send_message().queue_url(queue_url).message_body(event.to_string()).send().await
        {
            tracing::error!(%error, "could not send a notification to the dead-letter queue");
        }
    }
}

/// Returns the event with which SNS invokes a function.
fn event(message: &Published) -> Value {
    let now =
        jiff::Timestamp::from_millisecond(now_ms()).map(|time| format!("{time:.3}")).unwrap_or_default();
    json!({"Records": [{
        "EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": format!("{}:00000000-0000-4000-8000-000000000000", message.topic_arn),
        "Sns": {
            "Type": "Notification", "MessageId": message.message_id, "TopicArn": message.topic_arn,
            "Subject": message.subject, "Message": message.message, "Timestamp": now,
            "SignatureVersion": "1", "Signature": "local", "SigningCertUrl": "", "UnsubscribeUrl": "",
            "MessageAttributes": {},
        },
    }]})
}
