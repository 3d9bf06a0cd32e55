//! Work at intervals: scheduled functions, metrics of the queues, and the writing of metrics.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use deployment::names::local::{INVALIDATIONS_FAILED_QUEUE, QUARANTINE_QUEUE};
use system_clock::now_ms;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::cloudwatch::{MetricName, MetricStore};
use crate::lambda::Function;
use crate::names::ACCOUNT_ID;

pub(super) const HOUR: Duration = Duration::from_hours(1);
/// Time between two records of the queues' depths. SQS itself records them once a minute.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two writes of the metrics to disk.
const METRICS_INTERVAL: Duration = Duration::from_secs(2);

/// Invokes a function at intervals, even if an earlier invocation has not ended, as a schedule does on AWS.
pub async fn invoke_every(function: Arc<Function>, interval: Duration) {
    let mut times = tokio::time::interval(interval);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate; there is nothing to process yet.
    times.tick().await;
    let mut invocations = JoinSet::new();
    loop {
        times.tick().await;
        while invocations.try_join_next().is_some() {}
        let function = function.clone();
        invocations.spawn(async move {
            if let Err(error) = function.invoke(Bytes::from_static(b"{}")).await {
                tracing::warn!(%error, "scheduled invocation failed");
            }
        });
    }
}

/// Writes the metrics to disk at intervals.
pub async fn write_metrics(metrics: Arc<MetricStore>) {
    let mut times = tokio::time::interval(METRICS_INTERVAL);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let metrics = metrics.clone();
        // If the write panics, the next one may succeed.
        let _ = tokio::task::spawn_blocking(move || metrics.write_logged()).await;
    }
}

/// Records the number of visible messages of each queue at intervals.
pub async fn record_queue_depths(client: Client, aws_endpoint_url: String, metrics: Arc<MetricStore>) {
    let mut times = tokio::time::interval(QUEUE_INTERVAL);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let attribute = QueueAttributeName::ApproximateNumberOfMessages;
    loop {
        times.tick().await;
        for queue in [QUARANTINE_QUEUE, INVALIDATIONS_FAILED_QUEUE] {
            let url = format!("{aws_endpoint_url}/{ACCOUNT_ID}/{queue}");
            let reply =
                client.get_queue_attributes().queue_url(url).attribute_names(attribute.clone()).send().await;
            let attributes = reply.ok().and_then(|reply| reply.attributes).unwrap_or_default();
            let depth = attributes.get(&attribute).and_then(|depth| depth.parse().ok());
            let metric =
                MetricName::new("AWS/SQS", "ApproximateNumberOfMessagesVisible", [("QueueName", queue)]);
            metrics.record(metric, now_ms(), depth);
        }
    }
}
