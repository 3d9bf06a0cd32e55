//! Creates the resources.

use deployment::names;
use deployment::names::local::{
    ALERTS_TABLE, ALERTS_TOPIC, CLAIMS_TABLE, INVALIDATIONS_FAILED_QUEUE, INVALIDATIONS_TABLE,
    INVALIDATIONS_TOPIC, KEYS_TABLE, QUARANTINE_QUEUE, STREAM, USAGE_TABLE,
};
use lambda_support::clock::now_ms;
use metering_aws::connection::LOCAL_REGION;
use metering_aws::tables;

use super::error::{StartError, part};
use crate::kinesis::{KinesisStore, StreamMode};
use crate::names::ACCOUNT_ID;

/// UUID of the event source mapping, which is part of the keys in the bucket of
/// given-up records.
pub(super) const MAPPING_UUID: &str = "00000000-0000-4000-8000-00000000e5a1";

/// The bucket of records that Lambda gave up.
pub fn given_up_bucket() -> String {
    names::given_up_bucket(names::LOCAL, ACCOUNT_ID, LOCAL_REGION)
}

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
    for name in [QUARANTINE_QUEUE, INVALIDATIONS_FAILED_QUEUE] {
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
