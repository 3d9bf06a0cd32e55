//! The resources that the usage meter has in the emulated services.

use deployment::Names;
use deployment::names::LOCAL;
use deployment::names::local::{
    ALERTS_TABLE, ALERTS_TOPIC, CLAIMS_TABLE, INVALIDATIONS_FAILED_QUEUE, INVALIDATIONS_TABLE,
    INVALIDATIONS_TOPIC, KEYS_TABLE, QUARANTINE_QUEUE, STREAM, USAGE_TABLE,
};
use metering_aws::connection::LOCAL_REGION;
use metering_aws::tables;
use system_clock::now_ms;

use super::error::{StartError, part_error};
use crate::kinesis::{KinesisStore, StreamMode};
use crate::names::ACCOUNT_ID;

/// UUID of the event source mapping. The keys of objects in the bucket of given-up records contain it.
pub(super) const MAPPING_UUID: &str = "00000000-0000-4000-8000-00000000e5a1";

/// Returns the name of the bucket of records that Lambda gave up.
pub fn given_up_bucket() -> String {
    Names::new(LOCAL).given_up_bucket(ACCOUNT_ID, LOCAL_REGION)
}

/// The ARNs of the topics.
pub(super) struct Topics {
    pub invalidations: String,
    pub alerts: String,
}

pub(super) async fn create_tables(dynamodb: &aws_sdk_dynamodb::Client) -> Result<(), StartError> {
    tables::create_usage_ledger(dynamodb, USAGE_TABLE)
        .await
        .map_err(|error| part_error("the usage ledger", error))?;
    tables::create_claims(dynamodb, CLAIMS_TABLE)
        .await
        .map_err(|error| part_error("the table of claims", error))?;
    tables::create_keys(dynamodb, KEYS_TABLE)
        .await
        .map_err(|error| part_error("the table of keys", error))?;
    tables::create_invalidation_log(dynamodb, INVALIDATIONS_TABLE)
        .await
        .map_err(|error| part_error("the invalidation log", error))?;
    tables::create_alerts(dynamodb, ALERTS_TABLE)
        .await
        .map_err(|error| part_error("the table of alerts", error))
}

pub(super) fn create_stream(kinesis: &KinesisStore, shard_count: u32) -> Result<(), StartError> {
    let names = kinesis.stream_names().map_err(|error| part_error("Kinesis", error))?;
    if !names.iter().any(|name| name == STREAM) {
        kinesis
            .create_stream(STREAM, shard_count, StreamMode::Provisioned, now_ms())
            .map_err(|error| part_error("the stream", error))?;
    }
    kinesis.trim(now_ms()).map_err(|error| part_error("the stream", error))
}

pub(super) async fn create_queues(sqs: &aws_sdk_sqs::Client) -> Result<(), StartError> {
    for name in [QUARANTINE_QUEUE, INVALIDATIONS_FAILED_QUEUE] {
        sqs.create_queue().queue_name(name).send().await.map_err(|error| part_error("a queue", error))?;
    }
    Ok(())
}

pub(super) async fn create_topics(sns: &aws_sdk_sns::Client) -> Result<Topics, StartError> {
    let mut arns = Vec::new();
    for name in [INVALIDATIONS_TOPIC, ALERTS_TOPIC] {
        let reply =
            sns.create_topic().name(name).send().await.map_err(|error| part_error("a topic", error))?;
        arns.push(reply.topic_arn.ok_or_else(|| part_error("a topic", "it has no ARN"))?);
    }
    let [invalidations, alerts] =
        <[String; 2]>::try_from(arns).map_err(|_| part_error("a topic", "there are not two"))?;
    Ok(Topics { invalidations, alerts })
}
