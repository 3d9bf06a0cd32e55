//! Counts the calls of a Kinesis event: decode, execute, measure.

use std::sync::{Mutex, PoisonError};

use access_log::Decoder;
use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::{KinesisBatchItemFailure, KinesisEventResponse};
use metering_core::aggregate::RecordIndex;
use metering_core::ports::{ClaimStore, Quarantine, UsageLedger};

use crate::batch::{BatchError, DecodeSettings, DecodedBatch, arrival_ms, decode_batch};
use crate::classes::ClassCopy;
use crate::executor::Executor;
use crate::metrics::{BatchMetrics, BatchSpan, ConsumerMetric};

/// The consumer without its Lambda shell; the tests and the simulation drive it.
#[derive(Debug)]
pub struct Consumer<L, C, Q> {
    /// Performs the requests of a batch's run.
    pub executor: Executor<L, C, Q>,
    /// Decodes records. Lambda gives an environment one event at a time, so no call waits for the lock.
    pub decoder: Mutex<Decoder>,
    /// Rules by which records are decoded and judged.
    pub decode: DecodeSettings,
    /// Dated lists of route classes.
    pub classes: ClassCopy,
}

impl<L: UsageLedger, C: ClaimStore, Q: Quarantine> Consumer<L, C, Q> {
    /// Counts the calls of a batch that Lambda handed over at `invoked_at_ms`, and
    /// adds to `metrics`. `now_ms` is called once, when the batch is committed.
    ///
    /// The response names the sequence number to resume from, if the batch was not
    /// committed as a whole.
    ///
    /// # Errors
    /// A batch of a form that Lambda never delivers. Every other failure is in the response.
    pub async fn count(
        &self,
        event: &KinesisEvent,
        invoked_at_ms: i64,
        now_ms: impl Fn() -> i64,
        metrics: &mut BatchMetrics,
    ) -> Result<KinesisEventResponse, BatchError> {
        let arrived_at_ms = event.records.iter().map(arrival_ms).max().unwrap_or(invoked_at_ms);
        let classes = match self.classes.lists(&self.executor.claims, arrived_at_ms, invoked_at_ms).await {
            Ok(classes) => classes,
            Err(error) => {
                tracing::error!(cause = ?error, "{error}; the batch is delivered again");
                metrics.add(ConsumerMetric::FailedRecords, event.records.len() as u64);
                return Ok(response(event, (!event.records.is_empty()).then_some(0)));
            }
        };
        let decoded = {
            let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
            decode_batch(&event.records, &mut decoder, &self.decode, &classes, metrics)?
        };
        let (outcome, tally) = self.executor.execute(&decoded, &event.records, &self.decoder).await;
        metrics.run(tally);
        // The decoder stops where the memory of the function would be exceeded. Lambda
        // delivers the records beyond that point again.
        let decoded_records = decoded.batch.records.len();
        let cut = (decoded_records < event.records.len()).then_some(decoded_records);
        let resume = outcome.lowest_failed().map(RecordIndex::position).or(cut);
        let failed = event.records.len() - resume.unwrap_or(event.records.len());
        metrics.add(ConsumerMetric::FailedRecords, failed as u64);
        let committed_at_ms = now_ms();
        record_freshness(metrics, &decoded, resume, invoked_at_ms, committed_at_ms);
        if let (Some(first), Some(last)) = (event.records.first(), event.records.last()) {
            metrics.span(BatchSpan {
                shard_id: decoded.batch.shard.shard_id().to_owned(),
                first_sequence_number: first.kinesis.sequence_number.clone(),
                last_sequence_number: last.kinesis.sequence_number.clone(),
                invoked_at_ms,
                committed_at_ms,
            });
        }
        Ok(response(event, resume))
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

/// Records the freshness of the committed records, and its parts.
fn record_freshness(
    metrics: &mut BatchMetrics,
    decoded: &DecodedBatch,
    resume: Option<usize>,
    invoked_at_ms: i64,
    committed_at_ms: i64,
) {
    let committed = resume.unwrap_or(decoded.notes.len());
    for (record, notes) in decoded.batch.records.iter().zip(&decoded.notes).take(committed) {
        let Some(response_ms) = notes.oldest_response_ms else { continue };
        metrics.record_duration(ConsumerMetric::LogDeliveryDelay, record.arrived_at_ms - response_ms);
        metrics.record_duration(ConsumerMetric::StreamWait, invoked_at_ms - record.arrived_at_ms);
        metrics.record_duration(ConsumerMetric::CommitDuration, committed_at_ms - invoked_at_ms);
        metrics.record_duration(ConsumerMetric::Freshness, committed_at_ms - response_ms);
    }
}
