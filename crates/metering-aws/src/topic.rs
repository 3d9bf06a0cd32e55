//! Messages to an SNS topic.

use std::time::Duration;

use aws_sdk_sns::Client;

/// How often a message is tried, each try with the retries of the client.
const MAX_TRIES: u32 = 4;
/// The wait after the first try, in milliseconds; it doubles.
const FIRST_WAIT_MS: u64 = 200;

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

/// A message that could not be published.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be published to {arn}")]
pub struct PublishError {
    arn: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Topic {
    /// The topic of this ARN.
    pub fn new(client: Client, arn: impl Into<String>) -> Self {
        Self { client, arn: arn.into() }
    }

    /// Publishes a message, once.
    ///
    /// # Errors
    /// When it was not published.
    pub async fn publish(&self, subject: &str, message: &str) -> Result<(), PublishError> {
        let request = self.client.publish().topic_arn(&self.arn).subject(subject).message(message);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(PublishError { arn: self.arn.clone(), source: Box::new(error) }),
        }
    }

    /// Publishes a message, and tries again for some seconds.
    ///
    /// # Errors
    /// When it was not published.
    pub async fn publish_patiently(&self, subject: &str, message: &str) -> Result<(), PublishError> {
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
