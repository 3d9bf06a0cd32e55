//! Delivers messages to subscribed functions and queues.

use std::time::Duration;

use serde_json::json;
use system_clock::now_ms;

use super::Sns;
use super::store::Subscription;
use crate::names::resource_of;
use crate::sns_sqs::notifications::Published;

impl Sns {
    /// Delivers a message. Deliveries to queues without a delay are complete when this returns.
    pub(super) async fn deliver(&self, message: &Published, subscriptions: &[Subscription]) {
        self.notifications.publish(message);
        for subscription in subscriptions {
            let Some(queue) = resource_of("sqs", &subscription.endpoint).map(str::to_owned) else { continue };
            let body = body(message, subscription);
            for delay_ms in self.faults.deliveries() {
                let (queues, queue, body) = (self.queues.clone(), queue.clone(), body.clone());
                let delivery = async move {
                    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                    if let Err(problem) = queues.send(&queue, &body).await {
                        tracing::error!(queue, problem, "could not deliver a notification to a queue");
                    }
                };
                if delay_ms == 0 {
                    delivery.await;
                } else {
                    tokio::spawn(delivery);
                }
            }
        }
    }
}

/// Returns the body of the message for a queue.
///
/// Source: SNS Developer Guide, "Fanout Amazon SNS notifications to Amazon SQS
/// queues", and "Amazon SNS raw message delivery".
fn body(message: &Published, subscription: &Subscription) -> String {
    if subscription.is_raw {
        return message.message.clone();
    }
    let now =
        jiff::Timestamp::from_millisecond(now_ms()).map(|time| format!("{time:.3}")).unwrap_or_default();
    let mut envelope = json!({
        "Type": "Notification", "MessageId": message.message_id, "TopicArn": message.topic_arn,
        "Message": message.message, "Timestamp": now, "SignatureVersion": "1", "Signature": "local",
        "SigningCertURL": "", "UnsubscribeURL": "",
    });
    if let Some(subject) = &message.subject {
        envelope["Subject"] = json!(subject);
    }
    envelope.to_string()
}
