//! Between a Kinesis event and its answer.

use std::sync::{Mutex, PoisonError};

use access_log::Decoder;
use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use metering_core::ports::{ClaimStore, Quarantine, UsageLedger};

use crate::batch::{BatchError, DecodeSettings, DecodedBatch, decode_batch};
use crate::executor::Executor;
use crate::metrics::{BatchMetrics, BatchSpan, ConsumerMetric};

/// The function, apart from Lambda.
#[derive(Debug)]
pub struct Consumer<L, C, Q> {
    /// Carries batches out.
    pub executor: Executor<L, C, Q>,
    /// Decodes records. An environment has one event at a time, so nobody waits for it.
    pub decoder: Mutex<Decoder>,
    /// How records are decoded and judged.
    pub decode: DecodeSettings,
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
        let decoded = {
            let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
            decode_batch(&event.records, &mut decoder, &self.decode)?
        };
        let (outcome, tally) = self.executor.execute(&decoded, &event.records, &self.decoder).await;
        // Records that did not fit into memory with the others are delivered again as well.
        let processed = decoded.batch.records.len();
        let cut = (processed < event.records.len()).then_some(processed);
        let resume = outcome.lowest_failed().map(metering_core::aggregate::RecordIndex::position).or(cut);
        let shard_id = decoded.batch.shard.shard_id().to_owned();
        let committed_at_ms = now_ms();
        let mut metrics = measure(decoded, resume, invoked_at_ms, committed_at_ms);
        metrics.run(tally);
        let failed = event.records.len() - resume.unwrap_or(event.records.len());
        metrics.add(ConsumerMetric::FailedRecords, failed as u64);
        if let (Some(first), Some(last)) = (event.records.first(), event.records.last()) {
            metrics.span(BatchSpan {
                shard_id,
                first_sequence_number: first.kinesis.sequence_number.clone(),
                last_sequence_number: last.kinesis.sequence_number.clone(),
                invoked_at_ms,
                committed_at_ms,
            });
        }
        Ok((response(event, resume), metrics))
    }
}

fn response(event: &KinesisEvent, resume: Option<usize>) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    if let Some(position) = resume {
        let mut failure = KinesisBatchItemFailure::default();
        failure.item_identifier = Some(event.records[position].kinesis.sequence_number.clone());
        response.batch_item_failures.push(failure);
    }
    response
}

/// Measures how fresh the committed records are, in parts.
fn measure(
    decoded: DecodedBatch,
    resume: Option<usize>,
    invoked_at_ms: i64,
    committed_at_ms: i64,
) -> BatchMetrics {
    let DecodedBatch { batch, notes, mut metrics } = decoded;
    let committed = resume.unwrap_or(notes.len());
    for (record, notes) in batch.records.iter().zip(notes).take(committed) {
        let Some(response_ms) = notes.oldest_response_ms else { continue };
        metrics.record_duration(ConsumerMetric::LogDeliveryDelay, record.arrived_at_ms - response_ms);
        metrics.record_duration(ConsumerMetric::StreamWait, invoked_at_ms - record.arrived_at_ms);
        metrics.record_duration(ConsumerMetric::CommitDuration, committed_at_ms - invoked_at_ms);
        metrics.record_duration(ConsumerMetric::Freshness, committed_at_ms - response_ms);
    }
    metrics
}
