//! Flushes the authorizer caches of stages when a key has changed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::sns::SnsEvent;
use lambda_support::define_metrics;
use lambda_support::telemetry::MetricLine;

use crate::stage_cache::{FlushError, Stage, StageCaches};

/// Service dimension of the metrics.
pub const SERVICE: &str = deployment::functions::FANOUT;

/// Assumed bound of the difference between the clocks of SNS and of this function, in milliseconds.
const CLOCK_ERROR_MS: i64 = 1_000;

define_metrics! {
    /// Every metric of this function.
    pub enum FanoutMetric {
        /// Messages received.
        Messages: Count as Property,
        FlushedCaches: Count as Property,
        /// Failed flushes. Lambda retries the message.
        FailedFlushes: Count as Property,
        /// Flushes saved, because the cache was flushed after the message was published.
        CoveredFlushes: Count as Property,
    }
}

#[derive(Debug)]
pub struct Handler<C> {
    /// Flushes the cache of a stage.
    pub caches: C,
    /// Stages with an authorizer cache.
    pub stages: Vec<Stage>,
    /// Dimension of the metrics.
    pub environment_name: String,
    /// Start of the last flush of each stage, in milliseconds since 1970.
    flushed: Mutex<HashMap<Stage, i64>>,
}

impl<C: StageCaches> Handler<C> {
    /// Creates the function; no stage counts as flushed.
    pub fn new(caches: C, stages: Vec<Stage>, environment_name: String) -> Self {
        Self { caches, stages, environment_name, flushed: Mutex::default() }
    }

    /// Flushes every stage that was not flushed since the messages were published. A
    /// flush empties the whole cache and API Gateway throttles this operation, so many
    /// deletions share a flush.
    ///
    /// # Errors
    /// When a stage could not be flushed. The other stages are flushed. Lambda retries
    /// the messages and finally moves them to the dead-letter queue.
    pub async fn handle(&self, event: &SnsEvent, now_ms: impl Fn() -> i64) -> Result<(), FlushError> {
        let published_ms = event.records.iter().map(|record| record.sns.timestamp.timestamp_millis()).max();
        let Some(published_ms) = published_ms else { return Ok(()) };
        let mut line = MetricLine::new(SERVICE, &self.environment_name, now_ms());
        let (mut flushed, mut covered, mut failed) = (0, 0, Vec::new());
        for stage in &self.stages {
            let last_ms = self.flushed.lock().unwrap_or_else(PoisonError::into_inner).get(stage).copied();
            if last_ms.is_some_and(|last_ms| last_ms >= published_ms + CLOCK_ERROR_MS) {
                covered += 1;
                continue;
            }
            let began_ms = now_ms();
            match self.caches.flush(stage).await {
                Ok(()) => {
                    self.flushed
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(stage.clone(), began_ms);
                    flushed += 1;
                }
                Err(error) => failed.push(error),
            }
        }
        line.value(FanoutMetric::Messages, event.records.len() as u64)
            .value(FanoutMetric::FlushedCaches, flushed)
            .value(FanoutMetric::CoveredFlushes, covered)
            .value(FanoutMetric::FailedFlushes, failed.len() as u64)
            .emit();
        failed.into_iter().next().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use serde_json::json;

    #[derive(Default)]
    struct Caches {
        flushed: Mutex<Vec<String>>,
        fails: Option<&'static str>,
    }

    impl StageCaches for Caches {
        async fn flush(&self, stage: &Stage) -> Result<(), FlushError> {
            if self.fails == Some(stage.name.as_str()) {
                let (api_id, stage) = (stage.api_id.clone(), stage.name.clone());
                return Err(FlushError { api_id, stage, source: "too many requests".into() });
            }
            self.flushed.lock().unwrap().push(stage.name.clone());
            Ok(())
        }
    }

    /// A message published at 08:34:30Z, which is 1795509270 s since 1970.
    const PUBLISHED_MS: i64 = 1_795_509_270_000;

    fn event() -> SnsEvent {
        serde_json::from_value(json!({"Records": [{
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:r:a:t:s",
            "Sns": {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:r:a:t", "Subject": null,
                "Message": "{}", "Timestamp": "2026-11-24T08:34:30.000Z", "SignatureVersion": "1", "Signature": "",
                "SigningCertUrl": "", "UnsubscribeUrl": "", "MessageAttributes": {}}}]}))
        .unwrap()
    }

    fn fanout(caches: Caches) -> Handler<Caches> {
        let stage = |name: &str| Stage { api_id: "a1".to_owned(), name: name.to_owned() };
        Handler::new(caches, vec![stage("dev"), stage("prod")], "test".to_owned())
    }

    #[test]
    fn messages_that_a_flush_covers_share_it() {
        let fanout = fanout(Caches::default());
        let handle = |now_ms| fanout.handle(&event(), || now_ms).now_or_never().unwrap().unwrap();
        handle(PUBLISHED_MS + 10);
        assert_eq!(*fanout.caches.flushed.lock().unwrap(), ["dev", "prod"]);
        handle(PUBLISHED_MS + CLOCK_ERROR_MS);
        assert_eq!(fanout.caches.flushed.lock().unwrap().len(), 4, "the clocks may differ");
        handle(PUBLISHED_MS + CLOCK_ERROR_MS + 1);
        assert_eq!(fanout.caches.flushed.lock().unwrap().len(), 4, "flushed after it was published");
    }

    #[test]
    fn one_stage_that_fails_keeps_no_other_from_being_flushed_and_is_tried_again() {
        let mut fanout = fanout(Caches { fails: Some("dev"), ..Caches::default() });
        let late = PUBLISHED_MS + 5_000;
        let error = fanout.handle(&event(), || late).now_or_never().unwrap().unwrap_err();
        assert!(error.to_string().contains("stage dev of API a1"));
        assert_eq!(*fanout.caches.flushed.lock().unwrap(), ["prod"]);
        fanout.caches.fails = None;
        fanout.handle(&event(), || late).now_or_never().unwrap().unwrap();
        assert_eq!(*fanout.caches.flushed.lock().unwrap(), ["prod", "dev"]);
    }
}
