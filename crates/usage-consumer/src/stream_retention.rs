//! Raises the stream's retention before anything in it expires uncounted.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lambda_events::kinesis::KinesisEvent;
use metering_core::ports::StreamRetention;

use crate::batch::arrival_ms;

/// Raises the retention of the stream when the function is hours behind.
#[derive(Debug)]
pub struct RetentionGuard<R> {
    retention: R,
    raise_behind_ms: i64,
    has_raised: AtomicBool,
}

impl<R: StreamRetention> RetentionGuard<R> {
    /// Creates a guard. `raise_behind_ms` is the age of a record, in milliseconds,
    /// from which on the retention is raised.
    pub fn new(retention: R, raise_behind_ms: i64) -> Self {
        Self { retention, raise_behind_ms, has_raised: AtomicBool::new(false) }
    }

    /// Raises the retention if the first record of a batch, handed over at `now_ms`,
    /// is older than the threshold. Returns `true` if the retention was raised.
    ///
    /// An instance raises it once. A failure is logged and repeated with the next
    /// batch; it does not stop the batch from being counted.
    pub async fn check(&self, event: &KinesisEvent, now_ms: i64) -> bool {
        let Some(first) = event.records.first() else { return false };
        let is_behind = now_ms - arrival_ms(first) >= self.raise_behind_ms;
        if !is_behind || self.has_raised.load(Ordering::Relaxed) {
            return false;
        }
        let stream_arn = first.event_source_arn.as_deref().unwrap_or_default();
        match self.retention.raise(stream_arn).await {
            Ok(was_raised) => {
                self.has_raised.store(true, Ordering::Relaxed);
                if was_raised {
                    tracing::warn!(
                        stream_arn,
                        "the function is hours behind: the stream now keeps its records for seven days"
                    );
                }
                was_raised
            }
            Err(error) => {
                tracing::error!(cause = ?error, "{error}; records may expire uncounted: raise the retention with `meter stream retention`");
                false
            }
        }
    }
}
