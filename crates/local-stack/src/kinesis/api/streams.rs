//! Operations on streams as a whole.

use serde_json::{Value, json};

use super::super::error::KinesisError;
use super::super::retention::RetentionChange;
use super::super::store::{KinesisStore, SHARD_LIMIT};
use super::super::stream::RareChange;
use super::super::stream_mode::StreamMode;
use super::request::{Request, epoch_seconds, stream_of_arn};
use super::tags;
use crate::names::{ACCOUNT_ID, arn};

/// Number of shards of a new on-demand stream. Source: Kinesis Developer Guide, "On-demand mode
/// features and use cases": 4 MB/s of writes, which is the throughput of four shards.
const ON_DEMAND_SHARDS: u32 = 4;
/// Source: Kinesis Developer Guide, "Quotas and limits".
const ON_DEMAND_STREAM_LIMIT: usize = 50;
/// Source: Kinesis API Reference, `ListStreams`: "the default limit, which is currently 100".
const DEFAULT_STREAMS: usize = 100;

pub(super) fn create(request: &Request<'_>) -> Result<Value, KinesisError> {
    let mode = StreamMode::from_name(request.body["StreamModeDetails"]["StreamMode"].as_str());
    let count = request.body["ShardCount"].as_u64();
    let count = match (mode, count) {
        (StreamMode::OnDemand, None) => ON_DEMAND_SHARDS,
        (StreamMode::OnDemand, Some(_)) => {
            return Err(KinesisError::validation("ShardCount cannot be specified for an on-demand stream"));
        }
        (StreamMode::Provisioned, Some(count)) => u32::try_from(count).unwrap_or(u32::MAX),
        (StreamMode::Provisioned, None) => {
            return Err(KinesisError::validation("ShardCount is missing; a provisioned stream requires it"));
        }
    };
    let name = request.text("StreamName");
    let added = tags::from_request(request);
    tags::check_characters(added.iter().flat_map(|(key, value)| [key, value]))?;
    if mode == StreamMode::OnDemand && on_demand_streams(request.store)? >= ON_DEMAND_STREAM_LIMIT {
        return Err(KinesisError::limit_exceeded(format!(
            "account {ACCOUNT_ID} already has {ON_DEMAND_STREAM_LIMIT} on-demand streams, which is the limit"
        )));
    }
    request.store.create_stream(name, count, mode, request.now_ms)?;
    request.store.add_tags(name, &added)?;
    Ok(json!({}))
}

/// Carries out a change that requires the stream to be `ACTIVE`. Afterwards the stream is
/// `UPDATING` for a while.
pub(super) fn change(
    request: &Request<'_>,
    stream: &str,
    change: impl FnOnce() -> Result<(), KinesisError>,
) -> Result<(), KinesisError> {
    request.store.require_active(stream, request.now_ms)?;
    change()?;
    request.store.begin_update(stream, request.now_ms)
}

pub(super) fn change_retention(request: &Request<'_>, operation: &str) -> Result<Value, KinesisError> {
    let is_increase = operation == "IncreaseStreamRetentionPeriod";
    let direction = if is_increase { RetentionChange::Increase } else { RetentionChange::Decrease };
    let hours = request.body["RetentionPeriodHours"].as_i64().unwrap_or_default();
    let stream = request.stream()?;
    change(request, &stream, || request.store.change_retention(&stream, direction, hours, request.now_ms))?;
    Ok(json!({}))
}

pub(super) fn update_mode(request: &Request<'_>) -> Result<Value, KinesisError> {
    let stream = stream_of_arn(request.text("StreamARN"))?;
    let mode = StreamMode::from_name(request.body["StreamModeDetails"]["StreamMode"].as_str());
    if request.store.mode(&stream)? == mode {
        return Err(KinesisError::invalid(format!("stream {stream} is already in the mode {}", mode.name())));
    }
    change(request, &stream, || {
        let set_mode = || request.store.set_mode(&stream, mode);
        request.store.change_within_limit(&stream, RareChange::Mode, request.now_ms, set_mode)
    })?;
    Ok(json!({}))
}

pub(super) fn change_monitoring(request: &Request<'_>, enables: bool) -> Result<Value, KinesisError> {
    let stream = request.stream()?;
    let before = request.store.monitoring(&stream)?;
    let named = request.body["ShardLevelMetrics"].as_array().into_iter().flatten();
    let named: Vec<String> = named.filter_map(Value::as_str).map(str::to_owned).collect();
    let is_all = named.iter().any(|name| name == "ALL");
    let mut after: Vec<String> = match (enables, is_all) {
        (true, true) => vec!["ALL".to_owned()],
        (false, true) => Vec::new(),
        (true, false) => before.iter().chain(&named).cloned().collect(),
        (false, false) => before.iter().filter(|name| !named.contains(name)).cloned().collect(),
    };
    after.sort();
    after.dedup();
    change(request, &stream, || request.store.set_monitoring(&stream, &after))?;
    Ok(json!({
        "StreamName": stream, "StreamARN": arn("kinesis", &format!("stream/{stream}")),
        "CurrentShardLevelMetrics": before, "DesiredShardLevelMetrics": after,
    }))
}

pub(super) fn describe_limits(store: &KinesisStore) -> Result<Value, KinesisError> {
    let mut open = 0;
    for stream in store.stream_names()? {
        open += store.shards(&stream)?.iter().filter(|shard| shard.is_open()).count();
    }
    Ok(json!({
        "ShardLimit": SHARD_LIMIT, "OpenShardCount": open, "OnDemandStreamCount": on_demand_streams(store)?,
        "OnDemandStreamCountLimit": ON_DEMAND_STREAM_LIMIT,
    }))
}

fn on_demand_streams(store: &KinesisStore) -> Result<usize, KinesisError> {
    let modes = store.stream_names()?.into_iter().map(|stream| store.mode(&stream));
    let modes: Vec<StreamMode> = modes.collect::<Result<_, _>>()?;
    Ok(modes.into_iter().filter(|mode| *mode == StreamMode::OnDemand).count())
}

/// Builds the members that all descriptions of a stream have.
fn summary(request: &Request<'_>, name: &str) -> Result<Value, KinesisError> {
    let store = request.store;
    let created_s = epoch_seconds(store.stream_created_ms(name)?);
    let status = if store.is_updating(name, request.now_ms)? { "UPDATING" } else { "ACTIVE" };
    Ok(json!({
        "StreamName": name, "StreamARN": arn("kinesis", &format!("stream/{name}")), "StreamStatus": status,
        "StreamModeDetails": {"StreamMode": store.mode(name)?.name()}, "StreamCreationTimestamp": created_s,
    }))
}

pub(super) fn description(request: &Request<'_>, name: &str) -> Result<Value, KinesisError> {
    let mut description = summary(request, name)?;
    description["RetentionPeriodHours"] = json!(request.store.retention_hours(name)?);
    description["EnhancedMonitoring"] = json!([{"ShardLevelMetrics": request.store.monitoring(name)?}]);
    description["EncryptionType"] = json!("NONE");
    Ok(description)
}

pub(super) fn describe_summary(request: &Request<'_>) -> Result<Value, KinesisError> {
    let stream = request.stream()?;
    let mut description = description(request, &stream)?;
    let shards = request.store.shards(&stream)?;
    description["OpenShardCount"] = json!(shards.iter().filter(|shard| shard.is_open()).count());
    description["ConsumerCount"] = json!(0);
    Ok(json!({"StreamDescriptionSummary": description}))
}

pub(super) fn list(request: &Request<'_>) -> Result<Value, KinesisError> {
    // `NextToken` is the name of the last stream of the previous page.
    let after = match (request.optional("NextToken"), request.optional("ExclusiveStartStreamName")) {
        (Some(_), Some(_)) => {
            return Err(KinesisError::invalid(
                "NextToken and ExclusiveStartStreamName cannot be provided together.",
            ));
        }
        (token, name) => token.or(name).unwrap_or_default(),
    };
    let mut names = request.store.stream_names()?;
    names.retain(|name| name.as_str() > after);
    let limit = request.limit("Limit", DEFAULT_STREAMS);
    let has_more = names.len() > limit;
    names.truncate(limit);
    let summaries: Vec<Value> = names.iter().map(|name| summary(request, name)).collect::<Result<_, _>>()?;
    let mut response =
        json!({"StreamNames": names, "HasMoreStreams": has_more, "StreamSummaries": summaries});
    if has_more {
        response["NextToken"] = json!(names.last());
    }
    Ok(response)
}
