//! The operations of SNS.

use serde_json::Value;

use super::Sns;
use super::error::SnsError;
use super::store::Subscription;
use crate::api::query::Xml;
use crate::names::{ACCOUNT_ID, arn, resource_of};
use crate::sns_sqs::notifications::Published;

/// Maximum size of the messages of one `PublishBatch`, in bytes. Source: SNS API Reference,
/// `PublishBatch`: 256 KB.
const MAX_BATCH_BYTES: usize = 262_144;

/// The result of an operation.
pub struct Answer {
    /// Name of the operation.
    pub action: String,
    /// Writes the members of the result.
    pub write: ResultWriter,
}

type Result<T> = std::result::Result<T, SnsError>;
type ResultWriter = Box<dyn FnOnce(&mut Xml) + Send>;

impl Sns {
    pub(super) async fn perform(&self, action: String, request: &Value) -> Result<Answer> {
        let text = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
        let write = match action.as_str() {
            "CreateTopic" => self.create_topic(&text("Name"))?,
            "DeleteTopic" => self.store.delete_topic(&text("TopicArn")).map(|()| no_members())?,
            "ListTopics" => self.list_topics()?,
            "GetTopicAttributes" => self.topic_attributes(text("TopicArn"))?,
            "Subscribe" => self.subscribe(request)?,
            "Unsubscribe" => self.store.unsubscribe(&text("SubscriptionArn")).map(|()| no_members())?,
            "ListSubscriptions" => self.list_subscriptions(None)?,
            "ListSubscriptionsByTopic" => self.list_subscriptions(Some(self.topic(&text("TopicArn"))?))?,
            "GetSubscriptionAttributes" => self.subscription_attributes(&text("SubscriptionArn"))?,
            "SetSubscriptionAttributes" => {
                let subscription = self.subscription(&text("SubscriptionArn"))?;
                let is_raw = text("AttributeValue") == "true";
                self.store.subscribe(&Subscription { is_raw, ..subscription }).map(|()| no_members())?
            }
            "Publish" => self.publish(request).await?,
            "PublishBatch" => self.publish_batch(request).await?,
            other => return Err(SnsError::invalid(&format!("{other} is in the table and has no code"))),
        };
        Ok(Answer { action, write })
    }

    /// Returns the ARN of a topic if the topic exists.
    fn topic<'a>(&self, topic_arn: &'a str) -> Result<&'a str> {
        if resource_of("sns", topic_arn).is_none_or(str::is_empty) {
            return Err(SnsError::invalid(&format!(
                "TopicArn Reason: {topic_arn:?} is not a topic of the account {ACCOUNT_ID}"
            )));
        }
        if self.store.has_topic(topic_arn)? { Ok(topic_arn) } else { Err(SnsError::not_found("Topic")) }
    }

    fn subscription(&self, arn: &str) -> Result<Subscription> {
        self.store.subscription(arn)?.ok_or_else(|| SnsError::not_found("Subscription"))
    }

    fn create_topic(&self, name: &str) -> Result<ResultWriter> {
        let topic = arn("sns", name);
        self.store.create_topic(&topic)?;
        Ok(Box::new(move |xml| _ = xml.text("TopicArn", &topic)))
    }

    fn list_topics(&self) -> Result<ResultWriter> {
        let topics = self.store.topics()?;
        Ok(members("Topics", topics, |xml, topic| _ = xml.text("TopicArn", &topic)))
    }

    fn topic_attributes(&self, topic: String) -> Result<ResultWriter> {
        self.topic(&topic)?;
        let confirmed = self.store.subscriptions(Some(&topic))?.len().to_string();
        Ok(attributes(vec![
            ("TopicArn", topic),
            ("Owner", ACCOUNT_ID.to_owned()),
            ("SubscriptionsConfirmed", confirmed),
            ("SubscriptionsPending", "0".to_owned()),
            ("SubscriptionsDeleted", "0".to_owned()),
        ]))
    }

    fn subscribe(&self, request: &Value) -> Result<ResultWriter> {
        let text = |member: &str| request[member].as_str().unwrap_or_default();
        let topic = self.topic(text("TopicArn"))?.to_owned();
        if text("Protocol") != "sqs" {
            return Err(SnsError::invalid(&format!(
                "the local stack does not deliver with the protocol {:?}; it delivers with sqs, and to the functions of the stack",
                text("Protocol")
            )));
        }
        let endpoint = text("Endpoint").to_owned();
        if resource_of("sqs", &endpoint).is_none_or(str::is_empty) {
            return Err(SnsError::invalid(&format!(
                "SQS endpoint ARN: {endpoint:?} is not a queue of the account {ACCOUNT_ID}"
            )));
        }
        let is_raw = request["Attributes"]["RawMessageDelivery"] == "true";
        let present = self.store.subscriptions(Some(&topic))?;
        let present = present.into_iter().find(|subscription| subscription.endpoint == endpoint);
        let subscription = match present {
            Some(present) if present.is_raw == is_raw => present,
            Some(_) => {
                return Err(SnsError::invalid(
                    "Attributes Reason: Subscription already exists with different attributes",
                ));
            }
            None => {
                let arn = format!("{topic}:{:032x}", rand::random::<u128>());
                let new = Subscription { arn, topic, endpoint, is_raw };
                self.store.subscribe(&new)?;
                new
            }
        };
        Ok(Box::new(move |xml| _ = xml.text("SubscriptionArn", &subscription.arn)))
    }

    fn list_subscriptions(&self, topic: Option<&str>) -> Result<ResultWriter> {
        let subscriptions = self.store.subscriptions(topic)?;
        Ok(members("Subscriptions", subscriptions, |xml, Subscription { arn, topic, endpoint, .. }| {
            xml.text("SubscriptionArn", &arn).text("Owner", ACCOUNT_ID).text("Protocol", "sqs");
            xml.text("Endpoint", &endpoint).text("TopicArn", &topic);
        }))
    }

    fn subscription_attributes(&self, arn: &str) -> Result<ResultWriter> {
        let Subscription { arn, topic, endpoint, is_raw } = self.subscription(arn)?;
        Ok(attributes(vec![
            ("SubscriptionArn", arn),
            ("TopicArn", topic),
            ("Owner", ACCOUNT_ID.to_owned()),
            ("Protocol", "sqs".to_owned()),
            ("Endpoint", endpoint),
            ("RawMessageDelivery", is_raw.to_string()),
            ("PendingConfirmation", "false".to_owned()),
        ]))
    }

    async fn publish(&self, request: &Value) -> Result<ResultWriter> {
        let topic = self.topic(request["TopicArn"].as_str().unwrap_or_default())?;
        let message = published(topic, request);
        let subscriptions = self.store.subscriptions(Some(topic))?;
        self.deliver(&message, &subscriptions).await;
        Ok(Box::new(move |xml| _ = xml.text("MessageId", &message.message_id)))
    }

    async fn publish_batch(&self, request: &Value) -> Result<ResultWriter> {
        let topic = self.topic(request["TopicArn"].as_str().unwrap_or_default())?;
        let entries = request["PublishBatchRequestEntries"].as_array().map_or(&[][..], Vec::as_slice);
        let id = |entry: &Value| entry["Id"].as_str().unwrap_or_default().to_owned();
        if entries
            .iter()
            .enumerate()
            .any(|(place, entry)| entries[..place].iter().any(|other| id(other) == id(entry)))
        {
            let message = "Two or more batch entries in the request have the same Id.";
            return Err(SnsError::batch("BatchEntryIdsNotDistinct", message));
        }
        let bytes: usize = entries.iter().map(|entry| entry["Message"].as_str().map_or(0, str::len)).sum();
        if bytes > MAX_BATCH_BYTES {
            let message = format!(
                "The length of all the messages put together is {bytes} bytes; {MAX_BATCH_BYTES} are allowed."
            );
            return Err(SnsError::batch("BatchRequestTooLong", message));
        }
        let subscriptions = self.store.subscriptions(Some(topic))?;
        let mut sent = Vec::new();
        for entry in entries {
            let message = published(topic, entry);
            self.deliver(&message, &subscriptions).await;
            sent.push((id(entry), message.message_id));
        }
        Ok(Box::new(move |xml| {
            xml.element("Failed", |_| {});
            members("Successful", sent, |xml, (id, message_id)| {
                xml.text("Id", &id).text("MessageId", &message_id);
            })(xml);
        }))
    }
}

fn published(topic_arn: &str, request: &Value) -> Published {
    let text = |member: &str| request[member].as_str().map(str::to_owned);
    let digits = format!("{:032x}", rand::random::<u128>());
    let message_id = format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    );
    let message = text("Message").unwrap_or_default();
    Published { message_id, topic_arn: topic_arn.to_owned(), subject: text("Subject"), message }
}

fn no_members() -> ResultWriter {
    Box::new(|_| {})
}

/// Returns a writer of a list, which has an element `member` for each value.
fn members<T: Send + 'static>(
    name: &'static str,
    values: Vec<T>,
    write: impl Fn(&mut Xml, T) + Send + 'static,
) -> ResultWriter {
    Box::new(move |xml| {
        xml.element(name, |xml| {
            for value in values {
                xml.element("member", |xml| write(xml, value));
            }
        });
    })
}

fn attributes(attributes: Vec<(&'static str, String)>) -> ResultWriter {
    Box::new(move |xml| {
        xml.element("Attributes", |xml| {
            for (key, value) in attributes {
                xml.element("entry", |xml| _ = xml.text("key", key).text("value", &value));
            }
        });
    })
}
