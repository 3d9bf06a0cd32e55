//! The names of the resources, and making them.

use lambda_support::clock::now_ms;
use metering_aws::tables;

use super::error::{StartError, part};
use crate::kinesis::{KinesisStore, StreamMode};

/// The usage ledger.
pub const USAGE_TABLE: &str = "usage-local";
/// The table of claims.
pub const CLAIMS_TABLE: &str = "usage-claims-local";
/// The table of keys.
pub const KEYS_TABLE: &str = "usage-keys-local";
/// The table of the invalidation log.
pub const INVALIDATIONS_TABLE: &str = "usage-invalidations-local";
/// The table of alerts that were sent.
pub const ALERTS_TABLE: &str = "usage-alerts-local";
/// The stream.
pub const STREAM: &str = "usage-local";
/// The quarantine queue.
pub const QUARANTINE_QUEUE: &str = "usage-quarantine-local";
/// The queue of notifications that a function could not take.
pub const DEAD_LETTER_QUEUE: &str = "usage-invalidations-failed-local";
/// The bucket of records that Lambda gave up.
pub const ON_FAILURE_BUCKET: &str = "usage-on-failure-local";
/// UUID of the event source mapping, which is part of the keys in that bucket.
pub(super) const MAPPING_UUID: &str = "00000000-0000-4000-8000-00000000e5a1";
/// The topic of changes of keys.
const INVALIDATIONS_TOPIC: &str = "usage-invalidations-local";
/// The topic of alerts about limits.
const ALERTS_TOPIC: &str = "usage-alerts-local";
/// The log group of the gateway.
pub const LOG_GROUP: &str = "/aws/api-gateway/usage-local";

/// The topics.
pub(super) struct Topics {
    pub invalidations: String,
    pub alerts: String,
}

pub(super) async fn create_tables(dynamodb: &aws_sdk_dynamodb::Client) -> Result<(), StartError> {
    tables::create_usage_ledger(dynamodb, USAGE_TABLE)
        .await
        .map_err(|error| part("the usage ledger", error))?;
    tables::create_claims(dynamodb, CLAIMS_TABLE)
        .await
        .map_err(|error| part("the table of claims", error))?;
    tables::create_keys(dynamodb, KEYS_TABLE).await.map_err(|error| part("the table of keys", error))?;
    tables::create_invalidation_log(dynamodb, INVALIDATIONS_TABLE)
        .await
        .map_err(|error| part("the invalidation log", error))?;
    tables::create_alerts(dynamodb, ALERTS_TABLE).await.map_err(|error| part("the table of alerts", error))
}

pub(super) fn create_stream(kinesis: &KinesisStore, shard_count: u32) -> Result<(), StartError> {
    let names = kinesis.stream_names().map_err(|error| part("Kinesis", error))?;
    if !names.iter().any(|name| name == STREAM) {
        kinesis
            .create_stream(STREAM, shard_count, StreamMode::Provisioned, now_ms())
            .map_err(|error| part("the stream", error))?;
    }
    kinesis.trim(now_ms()).map_err(|error| part("the stream", error))
}

pub(super) async fn create_queues(sqs: &aws_sdk_sqs::Client) -> Result<(), StartError> {
    for name in [QUARANTINE_QUEUE, DEAD_LETTER_QUEUE] {
        sqs.create_queue().queue_name(name).send().await.map_err(|error| part("a queue", error))?;
    }
    Ok(())
}

pub(super) async fn create_topics(sns: &aws_sdk_sns::Client) -> Result<Topics, StartError> {
    let mut arns = Vec::new();
    for name in [INVALIDATIONS_TOPIC, ALERTS_TOPIC] {
        let reply = sns.create_topic().name(name).send().await.map_err(|error| part("a topic", error))?;
        arns.push(reply.topic_arn.ok_or_else(|| part("a topic", "it has no ARN"))?);
    }
    let [invalidations, alerts] =
        <[String; 2]>::try_from(arns).map_err(|_| part("a topic", "there are too few"))?;
    Ok(Topics { invalidations, alerts })
}
