//! The Lambda shell of the consumer: one Kinesis event in, one response out.

use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;
use metering_core::ports::{ClaimStore, Quarantine, StreamRetention, UsageLedger};

use crate::batch::BatchError;
use crate::consumer::Consumer;
use crate::metrics::BatchMetrics;
use crate::stream_retention::RetentionGuard;

#[derive(Debug)]
pub struct Handler<L, C, Q, R> {
    /// Counts batches.
    pub consumer: Consumer<L, C, Q>,
    /// Raises the retention of the stream while the function is far behind.
    pub retention: RetentionGuard<R>,
    /// Dimension of the metrics.
    pub environment_name: String,
}

impl<L: UsageLedger, C: ClaimStore, Q: Quarantine, R: StreamRetention> Handler<L, C, Q, R> {
    /// Counts the calls of an event and emits the metrics of its batch.
    ///
    /// # Errors
    /// A batch of a form that Lambda never delivers.
    pub async fn handle(
        &self,
        event: &KinesisEvent,
        now_ms: impl Fn() -> i64,
    ) -> Result<KinesisEventResponse, BatchError> {
        let invoked_at_ms = now_ms();
        self.retention.check(event, invoked_at_ms).await;
        let mut metrics = BatchMetrics::default();
        let response = self.consumer.count(event, invoked_at_ms, &now_ms, &mut metrics).await?;
        metrics.line(&self.environment_name, now_ms()).emit();
        Ok(response)
    }
}
