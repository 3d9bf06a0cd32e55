//! The quarantine: an SQS queue of records that could not be counted.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metering_core::ports::{PortError, Quarantine, QuarantinedRecord};
use serde::{Deserialize, Serialize};

use crate::error::port_error;

/// The raw bytes that go into one message. As base64 and with what is said
/// about them they stay below 256 KiB, which every SQS queue accepts.
pub const PART_BYTES: usize = 180 * 1024;

/// How many messages SQS hands out at once.
const RECEIVE_BATCH: i32 = 10;

/// The queue.
#[derive(Debug, Clone)]
pub struct QuarantineQueue {
    client: Client,
    queue_url: String,
}

/// One message: a record, or a part of one too large for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    shard_id: String,
    sequence_number: String,
    arrived_at_ms: i64,
    reason: String,
    detail: String,
    part: usize,
    parts: usize,
    data: String,
}

/// A record as it was found in the queue, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptRecord {
    /// The shard it was read from.
    pub shard_id: String,
    /// Its sequence number.
    pub sequence_number: String,
    /// When it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// A word for grouping.
    pub reason: String,
    /// What is wrong, for a person.
    pub detail: String,
    /// Its bytes.
    #[serde(skip)]
    pub payload: Vec<u8>,
    /// The handles of its messages, by which they are deleted.
    #[serde(skip)]
    pub receipt_handles: Vec<String>,
}

impl QuarantineQueue {
    /// The queue with this URL.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }

    /// Takes what can be received now and hides it from other readers for
    /// `visibility_timeout_s`. A record some of whose parts are missing is
    /// left in the queue. Records that were quarantined twice by a retry are
    /// told once, with the handles of all their messages.
    ///
    /// # Errors
    /// When the queue cannot be read, or holds a message of another kind.
    pub async fn receive(&self, visibility_timeout_s: i32) -> Result<Vec<KeptRecord>, PortError> {
        let mut parts: BTreeMap<(String, String), Vec<(Message, String)>> = BTreeMap::new();
        loop {
            let reply = self
                .client
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(RECEIVE_BATCH)
                .visibility_timeout(visibility_timeout_s)
                .send()
                .await
                .map_err(|error| port_error(self.operation("receiving from"), error))?;
            let messages = reply.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for received in messages {
                let message: Message = serde_json::from_str(received.body.as_deref().unwrap_or(""))
                    .map_err(|error| self.refused("a message is no quarantined record", &error))?;
                let record = (message.shard_id.clone(), message.sequence_number.clone());
                parts.entry(record).or_default().push((message, received.receipt_handle.unwrap_or_default()));
            }
        }
        parts.into_values().filter_map(|messages| self.join(messages).transpose()).collect()
    }

    fn join(&self, messages: Vec<(Message, String)>) -> Result<Option<KeptRecord>, PortError> {
        let Some((head, _)) = messages.first().cloned() else { return Ok(None) };
        let mut payload = Vec::new();
        for part in 0..head.parts {
            let Some((message, _)) = messages.iter().find(|(message, _)| message.part == part) else {
                return Ok(None);
            };
            let bytes =
                STANDARD.decode(&message.data).map_err(|error| self.refused("a message's data", &error))?;
            payload.extend(bytes);
        }
        Ok(Some(KeptRecord {
            shard_id: head.shard_id,
            sequence_number: head.sequence_number,
            arrived_at_ms: head.arrived_at_ms,
            reason: head.reason,
            detail: head.detail,
            payload,
            receipt_handles: messages.into_iter().map(|(_, handle)| handle).collect(),
        }))
    }

    /// Makes a received record visible to other readers again.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn release(&self, record: &KeptRecord) -> Result<(), PortError> {
        for handle in &record.receipt_handles {
            self.client
                .change_message_visibility()
                .queue_url(&self.queue_url)
                .receipt_handle(handle)
                .visibility_timeout(0)
                .send()
                .await
                .map_err(|error| port_error(self.operation("releasing a message of"), error))?;
        }
        Ok(())
    }

    /// Deletes a received record from the queue.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn delete(&self, record: &KeptRecord) -> Result<(), PortError> {
        for handle in &record.receipt_handles {
            self.client
                .delete_message()
                .queue_url(&self.queue_url)
                .receipt_handle(handle)
                .send()
                .await
                .map_err(|error| port_error(self.operation("deleting from"), error))?;
        }
        Ok(())
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} the quarantine queue {}", self.queue_url)
    }

    fn refused(&self, what: &str, error: &dyn std::error::Error) -> PortError {
        PortError::Refused { operation: self.operation("reading"), source: format!("{what}: {error}").into() }
    }
}

impl Quarantine for QuarantineQueue {
    async fn keep(&self, record: &QuarantinedRecord) -> Result<(), PortError> {
        let chunks: Vec<&[u8]> = match record.payload.len() {
            0 => vec![&[]],
            _ => record.payload.chunks(PART_BYTES).collect(),
        };
        for (part, chunk) in chunks.iter().enumerate() {
            let message = Message {
                shard_id: record.record.shard.to_string(),
                sequence_number: record.record.sequence_number.to_string(),
                arrived_at_ms: record.arrived_at_ms,
                reason: record.reason.clone().into_owned(),
                detail: record.detail.clone(),
                part,
                parts: chunks.len(),
                data: STANDARD.encode(chunk),
            };
            let body = serde_json::to_string(&message).map_err(|error| self.refused("a message", &error))?;
            self.client
                .send_message()
                .queue_url(&self.queue_url)
                .message_body(body)
                .send()
                .await
                .map_err(|error| port_error(self.operation("sending to"), error))?;
        }
        Ok(())
    }
}
