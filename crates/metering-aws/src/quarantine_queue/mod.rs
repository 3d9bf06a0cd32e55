//! The quarantine: an SQS queue of records that could not be counted.

mod message;
mod pass;
mod received;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::{StreamExt, stream};
use metering_core::ports::{PortError, Quarantine, QuarantinedRecord};

use crate::error::port_error;
use message::Message;

pub use message::{KeptRecord, PART_BYTES};
pub use pass::Receiving;
pub use received::{Fate, Odd};

/// Number of concurrent requests when many messages are changed.
const CONCURRENCY: usize = 16;

/// A client of the quarantine queue.
#[derive(Debug, Clone)]
pub struct QuarantineQueue {
    client: Client,
    queue_url: String,
}

impl QuarantineQueue {
    /// Returns the queue with this URL.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }

    /// Returns the approximate number of messages in the queue, including invisible ones.
    ///
    /// # Errors
    /// Fails if the queue does not respond.
    pub async fn approximate_messages(&self) -> Result<u64, PortError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.client.get_queue_attributes().queue_url(&self.queue_url);
        let reply = request.set_attribute_names(Some(names.to_vec())).send().await;
        let reply = reply.map_err(|error| port_error(self.operation("asking"), error))?;
        let attributes = reply.attributes.unwrap_or_default();
        Ok(names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum())
    }

    /// Makes received messages visible to other readers at once. Messages that
    /// are visible or deleted already are left unchanged.
    async fn release(&self, receipt_handles: Vec<String>) {
        let release = |handle: String| async move {
            let request = self.client.change_message_visibility().queue_url(&self.queue_url);
            // After a failure, the message becomes visible when its visibility time-out ends.
            let _ = request.receipt_handle(handle).visibility_timeout(0).send().await;
        };
        stream::iter(receipt_handles).for_each_concurrent(CONCURRENCY, release).await;
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), PortError> {
        let request = self.client.delete_message().queue_url(&self.queue_url).receipt_handle(receipt_handle);
        request.send().await.map_err(|error| port_error(self.operation("deleting a message of"), error))?;
        Ok(())
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} the quarantine queue {}", self.queue_url)
    }
}

impl Quarantine for QuarantineQueue {
    async fn keep(&self, record: &QuarantinedRecord) -> Result<(), PortError> {
        for message in Message::from_record(record) {
            let body = serde_json::to_string(&message).map_err(|error| PortError::Refused {
                operation: self.operation("writing a message for"),
                source: error.into(),
            })?;
            let request = self.client.send_message().queue_url(&self.queue_url).message_body(body);
            request.send().await.map_err(|error| port_error(self.operation("sending to"), error))?;
        }
        Ok(())
    }
}
