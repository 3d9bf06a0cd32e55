//! Raises the stream's retention before anything in it expires uncounted.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lambda_events::kinesis::KinesisEvent;
use metering_core::ports::StreamRetention;

/// Watches how far the function is behind, and has the stream keep its records
/// for longer when that is hours.
#[derive(Debug)]
pub struct RetentionGuard<R> {
    retention: R,
    raise_behind_ms: i64,
    has_raised: AtomicBool,
}

impl<R: StreamRetention> RetentionGuard<R> {
    /// A guard that raises the retention when a record is older than
    /// `raise_behind_ms` milliseconds when it is counted.
    pub fn new(retention: R, raise_behind_ms: i64) -> Self {
        Self { retention, raise_behind_ms, has_raised: AtomicBool::new(false) }
    }

    /// Looks at a batch that is handed over at `now_ms`. Tells whether the
    /// retention was raised. An instance does it once; a failure is told and
    /// tried again with the next batch, and keeps nothing from being counted.
    pub async fn look_at(&self, event: &KinesisEvent, now_ms: i64) -> bool {
        let Some(first) = event.records.first() else { return false };
        let arrived_at_ms = first.kinesis.approximate_arrival_timestamp.timestamp_millis();
        let is_behind = now_ms - arrived_at_ms >= self.raise_behind_ms;
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
