//! An SNS topic to publish to.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sns::Client;
use tokio::sync::OnceCell;

/// Maximum number of attempts to publish a message. Each attempt includes the retries of the client.
const MAX_TRIES: u32 = 4;
/// Wait after the first attempt, in milliseconds. It doubles with each attempt.
const FIRST_WAIT_MS: u64 = 200;

/// A topic, given by its ARN or found by its name.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    name: Option<String>,
    arn: Arc<OnceCell<String>>,
}

/// A message could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The topics cannot be listed.
    #[error("the topics cannot be listed")]
    List {
        /// The error of SNS.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No topic has the name.
    #[error("there is no topic {name}")]
    NoSuchTopic {
        /// The name of the topic.
        name: String,
    },
    /// SNS has not taken the message.
    #[error("the message could not be published to {arn}")]
    Publish {
        /// The ARN of the topic.
        arn: String,
        /// The error of SNS.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Topic {
    /// The topic with this ARN.
    pub fn new(client: Client, arn: impl Into<String>) -> Self {
        Self { client, name: None, arn: Arc::new(OnceCell::new_with(Some(arn.into()))) }
    }

    /// The topic with this name in the account and region of the client. The first message looks its ARN up.
    pub fn by_name(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: Some(name.into()), arn: Arc::default() }
    }

    async fn arn(&self) -> Result<&str, PublishError> {
        self.arn.get_or_try_init(|| self.find()).await.map(String::as_str)
    }

    async fn find(&self) -> Result<String, PublishError> {
        let name = self.name.clone().unwrap_or_default();
        let mut topics = self.client.list_topics().into_paginator().items().send();
        let end = format!(":{name}");
        while let Some(topic) = topics.next().await {
            let topic = topic.map_err(|error| PublishError::List { source: Box::new(error) })?;
            if let Some(arn) = topic.topic_arn.filter(|arn| arn.ends_with(&end)) {
                return Ok(arn);
            }
        }
        Err(PublishError::NoSuchTopic { name })
    }

    /// Publishes a message in one attempt.
    ///
    /// # Errors
    /// When the topic is not found or has not taken the message.
    pub async fn publish(&self, subject: &str, message: &str) -> Result<(), PublishError> {
        let arn = self.arn().await?;
        let request = self.client.publish().topic_arn(arn).subject(subject).message(message);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(PublishError::Publish { arn: arn.to_owned(), source: Box::new(error) }),
        }
    }

    /// Publishes a message, with further attempts for some seconds.
    ///
    /// # Errors
    /// When the topic is not found or has not taken the message.
    pub async fn publish_patiently(&self, subject: &str, message: &str) -> Result<(), PublishError> {
        self.arn().await?;
        let mut wait = Duration::from_millis(FIRST_WAIT_MS);
        for _ in 1..MAX_TRIES {
            if self.publish(subject, message).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        self.publish(subject, message).await
    }
}
