//! Operations on shards.

use serde_json::{Value, json};

use super::super::error::KinesisError;
use super::super::shard::Shard;
use super::super::store::ending_digits;
use super::super::stream::RareChange;
use super::super::stream_mode::StreamMode;
use super::request::Request;
use super::streams::{change, description};
use crate::names::{ACCOUNT_ID, arn};

/// Source: Kinesis API Reference, `DescribeStream`: 100 shards by default.
const DEFAULT_SHARDS: usize = 100;

/// Builds the `Shard` structure of the API.
pub(super) fn shard_json(shard: &Shard) -> Value {
    let mut range = json!({"StartingSequenceNumber": shard.start().digits()});
    if let Some(ending) = ending_digits(shard) {
        range["EndingSequenceNumber"] = json!(ending);
    }
    let mut value = json!({
        "ShardId": shard.shard_id,
        "HashKeyRange": {"StartingHashKey": shard.start_hash_key.to_string(), "EndingHashKey": shard.end_hash_key.to_string()},
        "SequenceNumberRange": range,
    });
    if let Some(parent) = &shard.parent {
        value["ParentShardId"] = json!(parent);
    }
    if let Some(parent) = &shard.adjacent_parent {
        value["AdjacentParentShardId"] = json!(parent);
    }
    value
}

pub(super) fn describe_stream(request: &Request<'_>) -> Result<Value, KinesisError> {
    let stream = request.stream()?;
    let mut description = description(request, &stream)?;
    let after = request.text("ExclusiveStartShardId");
    let mut shards = request.store.unexpired_shards(&stream, request.now_ms)?;
    shards.retain(|shard| shard.shard_id.as_str() > after);
    let limit = request.limit("Limit", DEFAULT_SHARDS);
    description["HasMoreShards"] = json!(shards.len() > limit);
    description["Shards"] = shards.iter().take(limit).map(shard_json).collect();
    Ok(json!({"StreamDescription": description}))
}

/// Returns an error if the stream is in on-demand mode.
///
/// Source of the message: an AWS response, as recorded in moto's `tests/test_kinesis`.
fn require_provisioned(request: &Request<'_>, stream: &str) -> Result<(), KinesisError> {
    match request.store.mode(stream)? {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(KinesisError::validation(format!(
            "Request is invalid. Stream {stream} under account {ACCOUNT_ID} is in On-Demand mode."
        ))),
    }
}

pub(super) fn reshard(request: &Request<'_>, operation: &str) -> Result<Value, KinesisError> {
    let (stream, store, now_ms) = (request.stream()?, request.store, request.now_ms);
    require_provisioned(request, &stream)?;
    let text = |member: &str| request.text(member);
    change(request, &stream, || match operation {
        "SplitShard" => store.split_shard(&stream, text("ShardToSplit"), text("NewStartingHashKey"), now_ms),
        _ => store.merge_shards(&stream, text("ShardToMerge"), text("AdjacentShardToMerge"), now_ms),
    })?;
    Ok(json!({}))
}

pub(super) fn update_shard_count(request: &Request<'_>) -> Result<Value, KinesisError> {
    let (stream, store, now_ms) = (request.stream()?, request.store, request.now_ms);
    require_provisioned(request, &stream)?;
    let target = request.limit("TargetShardCount", 0);
    let mut before = 0;
    change(request, &stream, || {
        let update = || store.update_shard_count(&stream, target, now_ms);
        before = store.change_within_limit(&stream, RareChange::ShardCount, now_ms, update)?;
        Ok(())
    })?;
    Ok(json!({
        "StreamName": stream, "StreamARN": arn("kinesis", &format!("stream/{stream}")),
        "CurrentShardCount": before, "TargetShardCount": target,
    }))
}
