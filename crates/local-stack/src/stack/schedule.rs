//! What is done again and again, beside the calls.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use deployment::names::local::{INVALIDATIONS_FAILED_QUEUE, QUARANTINE_QUEUE};
use lambda_support::clock::now_ms;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::cloudwatch::{MetricName, MetricStore};
use crate::lambda::Function;
use crate::names::ACCOUNT_ID;

pub(super) const HOUR: Duration = Duration::from_hours(1);
/// How often the queues are looked at; SQS itself tells their depth once a minute.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a metric is in memory only.
const METRICS_INTERVAL: Duration = Duration::from_secs(2);

/// Invokes a function again and again, as its schedule does on AWS: also while
/// an earlier invocation is under way.
pub async fn invoke_every(function: Arc<Function>, interval: Duration) {
    let mut times = tokio::time::interval(interval);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, when there is nothing to look at yet.
    times.tick().await;
    let mut invocations = JoinSet::new();
    loop {
        times.tick().await;
        while invocations.try_join_next().is_some() {}
        let function = function.clone();
        invocations.spawn(async move {
            if let Err(error) = function.invoke(Bytes::from_static(b"{}")).await {
                tracing::warn!(%error, "a scheduled function failed");
            }
        });
    }
}

/// Writes the metrics to disk again and again.
pub async fn write_metrics(metrics: Arc<MetricStore>) {
    let mut times = tokio::time::interval(METRICS_INTERVAL);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let metrics = metrics.clone();
        // Where the write panics, the next one is tried.
        let _ = tokio::task::spawn_blocking(move || metrics.write_logged()).await;
    }
}

/// Tells how many messages wait in each queue.
pub async fn watch_queues(client: Client, aws_endpoint_url: String, metrics: Arc<MetricStore>) {
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
