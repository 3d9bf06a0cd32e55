//! A pass over the queue: receives all messages and shows them record by record.

use aws_sdk_sqs::types::Message as SqsMessage;
use metering_core::ports::PortError;

use super::QuarantineQueue;
use super::message::KeptRecord;
use super::received::{Fate, MAX_WAITING_BYTES, Next, Odd, Received};
use crate::error::port_error;

/// Maximum number of messages in a response. Source: SQS API Reference, `ReceiveMessage`.
const RECEIVE_BATCH: i32 = 10;

/// Number of consecutive responses with only known messages after which the pass
/// ends. Known messages are received again when they become visible again.
const MAX_REPEATED_ANSWERS: u32 = 10;

/// The settings with which messages are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiving {
    /// Maximum time for which a request waits for messages, in seconds, up to 20.
    /// From 1 on (long polling), SQS queries all of its servers, so an empty
    /// response means an empty queue. With 0, it queries a subset. It has to be
    /// shorter than the time-out of a request.
    ///
    /// Source: SQS Developer Guide, "Amazon SQS short and long polling".
    pub wait_s: i32,
    /// Visibility time-out of received messages, in seconds. The end of the pass
    /// makes them visible earlier.
    pub visibility_timeout_s: i32,
}

impl QuarantineQueue {
    /// Passes each record of the queue to `visit` once, and keeps or deletes it
    /// as `visit` returns.
    ///
    /// Copies of a record are treated alike. A message that does not belong to a
    /// complete record stays in the queue and is returned. Only payloads that
    /// are being visited or are incomplete are in memory.
    ///
    /// # Errors
    /// Fails if the queue does not respond. Fails at the end of the pass if a
    /// record could not be deleted.
    pub async fn pass(
        &self,
        receiving: Receiving,
        visit: impl AsyncFnMut(KeptRecord) -> Fate,
    ) -> Result<Vec<Odd>, PortError> {
        let mut received = Received::new(MAX_WAITING_BYTES);
        let result = self.receive_all(receiving, &mut received, visit).await;
        received.end();
        self.release(std::mem::take(&mut received.left)).await;
        result.map(|()| received.odd)
    }

    async fn receive_all(
        &self,
        receiving: Receiving,
        received: &mut Received,
        mut visit: impl AsyncFnMut(KeptRecord) -> Fate,
    ) -> Result<(), PortError> {
        let (mut repeated, mut failure) = (0, None);
        while repeated < MAX_REPEATED_ANSWERS {
            let messages = self.receive(receiving).await?;
            if messages.is_empty() {
                break;
            }
            let mut has_new = false;
            for message in messages {
                let SqsMessage { message_id, receipt_handle, body, .. } = message;
                let (message_id, handle) =
                    (message_id.unwrap_or_default(), receipt_handle.unwrap_or_default());
                if received.is_new(&message_id) {
                    has_new = true;
                    let next = received.add(&message_id, body.as_deref().unwrap_or(""), handle);
                    let deleted = self.carry_out(next, received, &mut visit).await;
                    failure = failure.or(deleted.err());
                } else {
                    received.left.push(handle);
                }
            }
            repeated = if has_new { 0 } else { repeated + 1 };
        }
        failure.map_or(Ok(()), Err)
    }

    async fn carry_out(
        &self,
        next: Next,
        received: &mut Received,
        visit: &mut impl AsyncFnMut(KeptRecord) -> Fate,
    ) -> Result<(), PortError> {
        let handles = match next {
            Next::Nothing => return Ok(()),
            Next::Delete(handle) => vec![handle],
            Next::Show(key, record) => {
                let fate = visit(*record).await;
                received.settle(key, fate)
            }
        };
        for handle in handles {
            self.delete(&handle).await?;
        }
        Ok(())
    }

    async fn receive(&self, receiving: Receiving) -> Result<Vec<SqsMessage>, PortError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(RECEIVE_BATCH)
            .wait_time_seconds(receiving.wait_s)
            .visibility_timeout(receiving.visibility_timeout_s);
        let reply =
            request.send().await.map_err(|error| port_error(self.operation("receiving from"), error))?;
        Ok(reply.messages.unwrap_or_default())
    }
}
