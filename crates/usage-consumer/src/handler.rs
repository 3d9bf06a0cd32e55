//! Between a Kinesis event and its answer.

use std::sync::{Mutex, PoisonError};

use access_log::Decoder;
use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use metering_core::ports::{ClaimStore, Quarantine, UsageLedger};

use crate::batch::{BatchError, DecodedBatch, decode_batch};
use crate::executor::Executor;
use crate::metrics::{BatchMetrics, BatchSpan, ConsumerMetric};

/// The function, apart from Lambda.
#[derive(Debug)]
pub struct Consumer<L, C, Q> {
    /// Carries batches out.
    pub executor: Executor<L, C, Q>,
    /// Decodes records. An environment has one event at a time, so nobody waits for it.
    pub decoder: Mutex<Decoder>,
    /// How long the ledger keeps a day.
    pub retention_days: u32,
}

impl<L: UsageLedger, C: ClaimStore, Q: Quarantine> Consumer<L, C, Q> {
    /// Counts the calls of a batch, which was handed over at `invoked_at_ms`.
    /// `now_ms` is asked for the time of the commit.
    ///
    /// # Errors
    /// When the batch is not one that Lambda delivers. Whatever else goes
    /// wrong is in the answer: the sequence number to resume from.
    pub async fn handle(
        &self,
        event: &KinesisEvent,
        invoked_at_ms: i64,
        now_ms: impl Fn() -> i64,
    ) -> Result<(KinesisEventResponse, BatchMetrics), BatchError> {
        let mut batch = {
            let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
            decode_batch(&event.records, &mut decoder, self.retention_days)?
        };
        let outcome = self.executor.execute(&mut batch).await;
        let resume = outcome.lowest_failed().map(metering_core::aggregate::RecordIndex::position);
        let committed_at_ms = now_ms();
        measure(&mut batch, resume, invoked_at_ms, committed_at_ms);
        if let (Some(first), Some(last)) = (event.records.first(), event.records.last()) {
            batch.metrics.span(BatchSpan {
                shard_id: batch.shard_id.clone(),
                first_sequence_number: first.kinesis.sequence_number.clone(),
                last_sequence_number: last.kinesis.sequence_number.clone(),
                invoked_at_ms,
                committed_at_ms,
            });
        }
        let mut response = KinesisEventResponse::default();
        if let Some(position) = resume {
            let mut failure = KinesisBatchItemFailure::default();
            failure.item_identifier = Some(event.records[position].kinesis.sequence_number.clone());
            response.batch_item_failures.push(failure);
        }
        Ok((response, batch.metrics))
    }
}

/// Measures how fresh the committed records are, in parts.
fn measure(batch: &mut DecodedBatch, resume: Option<usize>, invoked_at_ms: i64, committed_at_ms: i64) {
    let committed = resume.unwrap_or(batch.records.len());
    for record in &batch.records[..committed] {
        let Some(response_ms) = record.oldest_response_ms else { continue };
        let metrics = &mut batch.metrics;
        metrics.measure(ConsumerMetric::LogDeliveryDelay, record.arrived_at_ms - response_ms);
        metrics.measure(ConsumerMetric::StreamWait, invoked_at_ms - record.arrived_at_ms);
        metrics.measure(ConsumerMetric::CommitDuration, committed_at_ms - invoked_at_ms);
        metrics.measure(ConsumerMetric::Freshness, committed_at_ms - response_ms);
    }
}
