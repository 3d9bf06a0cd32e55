//! The JSON protocol of the Kinesis API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::KinesisError;
use super::iterator::{Position, ShardIterator};
use super::retention::RetentionChange;
use super::sequence::{digits_of, storage_form};
use super::shard::Shard;
use super::store::{KinesisStore, NewRecord, ending_digits};

/// Limits of `PutRecords` and `GetRecords`. Source: Kinesis API Reference.
const MAX_PUT_RECORDS: usize = 500;
const MAX_PUT_BYTES: usize = 10 << 20;
const MAX_RECORD_BYTES: usize = 1 << 20;
const MAX_PARTITION_KEY_CHARACTERS: usize = 256;
const MAX_GET_RECORDS: usize = 10_000;

const ACCOUNT_ID: &str = "000000000000";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamRequest {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordEntry {
    data: String,
    partition_key: String,
    explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IteratorRequest {
    shard_id: String,
    shard_iterator_type: String,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
}

/// Answers one call of the API.
///
/// # Errors
/// As the API documents them, by code.
pub fn handle(
    store: &KinesisStore,
    operation: &str,
    body: &Value,
    now_ms: i64,
) -> Result<Value, KinesisError> {
    let stream = || stream_name(body);
    let text = |member: &str| {
        body[member]
            .as_str()
            .ok_or_else(|| KinesisError::validation(format!("{member} is missing or not a text")))
    };
    match operation {
        "CreateStream" => {
            let shard_count =
                body["ShardCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(4);
            if shard_count == 0 {
                return Err(KinesisError::validation("ShardCount has to be at least 1"));
            }
            store.create_stream(text("StreamName")?, shard_count, now_ms).map(|()| json!({}))
        }
        "DeleteStream" => store.delete_stream(&stream()?).map(|()| json!({})),
        "ListStreams" => Ok(json!({"StreamNames": store.stream_names()?, "HasMoreStreams": false})),
        "DescribeStream" => describe_stream(store, &stream()?, now_ms),
        "DescribeStreamSummary" => describe_summary(store, &stream()?, now_ms),
        "ListShards" => list_shards(store, body),
        "PutRecord" => put_record(store, body, now_ms),
        "PutRecords" => put_records(store, body, now_ms),
        "GetShardIterator" => get_shard_iterator(store, body, now_ms),
        "GetRecords" => get_records(store, body, now_ms),
        "SplitShard" => change(store, &stream()?, now_ms, |stream| {
            store.split_shard(stream, text("ShardToSplit")?, text("NewStartingHashKey")?, now_ms)
        }),
        "MergeShards" => change(store, &stream()?, now_ms, |stream| {
            store.merge_shards(stream, text("ShardToMerge")?, text("AdjacentShardToMerge")?, now_ms)
        }),
        "UpdateShardCount" => update_shard_count(store, body, now_ms),
        "IncreaseStreamRetentionPeriod" => change_retention(store, body, RetentionChange::Increase, now_ms),
        "DecreaseStreamRetentionPeriod" => change_retention(store, body, RetentionChange::Decrease, now_ms),
        other => Err(KinesisError {
            code: "UnknownOperationException",
            message: format!("the local stream does not offer {other}"),
        }),
    }
}

/// Carries out a change for which the stream has to be `ACTIVE`, and after
/// which it is `UPDATING` for a while.
fn change(
    store: &KinesisStore,
    stream: &str,
    now_ms: i64,
    change: impl FnOnce(&str) -> Result<(), KinesisError>,
) -> Result<Value, KinesisError> {
    store.require_active(stream, now_ms)?;
    change(stream)?;
    store.begin_update(stream, now_ms)?;
    Ok(json!({}))
}

fn change_retention(
    store: &KinesisStore,
    body: &Value,
    direction: RetentionChange,
    now_ms: i64,
) -> Result<Value, KinesisError> {
    let hours = body["RetentionPeriodHours"].as_i64();
    let hours = hours
        .ok_or_else(|| KinesisError::validation("RetentionPeriodHours is missing or not a whole number"))?;
    change(store, &stream_name(body)?, now_ms, |stream| {
        store.change_retention(stream, direction, hours, now_ms)
    })
}

fn update_shard_count(store: &KinesisStore, body: &Value, now_ms: i64) -> Result<Value, KinesisError> {
    let stream = stream_name(body)?;
    let target = body["TargetShardCount"].as_u64().and_then(|target| usize::try_from(target).ok());
    let target = target.filter(|target| *target > 0);
    let target = target.ok_or_else(|| KinesisError::validation("TargetShardCount has to be at least 1"))?;
    if body["ScalingType"] != "UNIFORM_SCALING" {
        return Err(KinesisError::validation("ScalingType has to be UNIFORM_SCALING"));
    }
    store.require_active(&stream, now_ms)?;
    let before = store.update_shard_count(&stream, target, now_ms)?;
    store.begin_update(&stream, now_ms)?;
    Ok(json!({"StreamName": stream, "CurrentShardCount": before, "TargetShardCount": target}))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a Value) -> Result<T, KinesisError> {
    T::deserialize(body).map_err(|error| KinesisError::validation(error.to_string()))
}

fn stream_name(body: &Value) -> Result<String, KinesisError> {
    let request: StreamRequest = parse(body)?;
    let from_arn = || {
        request
            .stream_arn
            .as_deref()
            .and_then(|arn| arn.split_once(":stream/"))
            .map(|(_, name)| name.to_owned())
    };
    request
        .stream_name
        .or_else(from_arn)
        .ok_or_else(|| KinesisError::validation("StreamName or StreamARN is missing"))
}

fn stream_arn(name: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:{ACCOUNT_ID}:stream/{name}")
}

fn shard_json(shard: &Shard) -> Value {
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

fn description(store: &KinesisStore, name: &str, now_ms: i64) -> Result<Value, KinesisError> {
    let created_s = store.stream_created_ms(name)? / 1000;
    let status = if store.is_updating(name, now_ms)? { "UPDATING" } else { "ACTIVE" };
    Ok(json!({
        "StreamName": name, "StreamARN": stream_arn(name), "StreamStatus": status,
        "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "RetentionPeriodHours": store.retention_hours(name)?,
        "StreamCreationTimestamp": created_s, "EnhancedMonitoring": [{"ShardLevelMetrics": []}], "EncryptionType": "NONE",
    }))
}

fn describe_stream(store: &KinesisStore, name: &str, now_ms: i64) -> Result<Value, KinesisError> {
    let mut description = description(store, name, now_ms)?;
    description["Shards"] = store.shards(name)?.iter().map(shard_json).collect();
    description["HasMoreShards"] = json!(false);
    Ok(json!({"StreamDescription": description}))
}

fn describe_summary(store: &KinesisStore, name: &str, now_ms: i64) -> Result<Value, KinesisError> {
    let mut description = description(store, name, now_ms)?;
    description["OpenShardCount"] = json!(store.shards(name)?.iter().filter(|shard| shard.is_open()).count());
    description["ConsumerCount"] = json!(0);
    Ok(json!({"StreamDescriptionSummary": description}))
}

fn list_shards(store: &KinesisStore, body: &Value) -> Result<Value, KinesisError> {
    let after = body["ExclusiveStartShardId"].as_str().unwrap_or("");
    let shards = store.shards(&stream_name(body)?)?;
    let listed: Vec<Value> =
        shards.iter().filter(|shard| shard.shard_id.as_str() > after).map(shard_json).collect();
    Ok(json!({"Shards": listed}))
}

fn new_record(entry: &RecordEntry) -> Result<NewRecord, KinesisError> {
    let data = STANDARD.decode(&entry.data).map_err(|_| KinesisError::validation("Data is not base64"))?;
    let characters = entry.partition_key.chars().count();
    if !(1..=MAX_PARTITION_KEY_CHARACTERS).contains(&characters) {
        return Err(KinesisError::validation(format!(
            "PartitionKey has {characters} characters; it has to have 1 to {MAX_PARTITION_KEY_CHARACTERS}"
        )));
    }
    if data.len() + entry.partition_key.len() > MAX_RECORD_BYTES {
        return Err(KinesisError::validation(format!(
            "the record has {} bytes with its partition key, more than {MAX_RECORD_BYTES}",
            data.len() + entry.partition_key.len()
        )));
    }
    Ok(NewRecord {
        partition_key: entry.partition_key.clone(),
        explicit_hash_key: entry.explicit_hash_key.clone(),
        data,
    })
}

fn put_record(store: &KinesisStore, body: &Value, now_ms: i64) -> Result<Value, KinesisError> {
    let record = new_record(&parse(body)?)?;
    let placed = store.put(&stream_name(body)?, &[record], now_ms)?;
    let (shard_id, sequence) = &placed[0];
    Ok(json!({"ShardId": shard_id, "SequenceNumber": digits_of(sequence)}))
}

fn put_records(store: &KinesisStore, body: &Value, now_ms: i64) -> Result<Value, KinesisError> {
    let entries: Vec<RecordEntry> = parse(&body["Records"])?;
    if !(1..=MAX_PUT_RECORDS).contains(&entries.len()) {
        return Err(KinesisError::validation(format!(
            "Records has {} entries; it has to have 1 to {MAX_PUT_RECORDS}",
            entries.len()
        )));
    }
    let records = entries.iter().map(new_record).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
    if bytes > MAX_PUT_BYTES {
        return Err(KinesisError::invalid(format!("Records has {bytes} bytes, more than {MAX_PUT_BYTES}")));
    }
    let placed = store.put(&stream_name(body)?, &records, now_ms)?;
    let results: Vec<Value> = placed
        .iter()
        .map(|(shard_id, sequence)| json!({"ShardId": shard_id, "SequenceNumber": digits_of(sequence)}))
        .collect();
    Ok(json!({"FailedRecordCount": 0, "Records": results}))
}

fn get_shard_iterator(store: &KinesisStore, body: &Value, now_ms: i64) -> Result<Value, KinesisError> {
    let stream = stream_name(body)?;
    let request: IteratorRequest = parse(body)?;
    let sequence = || {
        let digits = request.starting_sequence_number.as_deref();
        storage_form(digits.ok_or_else(|| KinesisError::invalid("StartingSequenceNumber is missing"))?)
    };
    let latest = store.latest(&stream, &request.shard_id)?;
    let position = match request.shard_iterator_type.as_str() {
        "TRIM_HORIZON" => Position::AtTimestamp(0),
        "LATEST" => latest,
        "AT_SEQUENCE_NUMBER" => Position::AtSequence(sequence()?),
        "AFTER_SEQUENCE_NUMBER" => Position::AfterSequence(sequence()?),
        "AT_TIMESTAMP" => Position::AtTimestamp(at_timestamp_ms(&request)?),
        other => return Err(KinesisError::validation(format!("ShardIteratorType {other:?} does not exist"))),
    };
    let iterator = ShardIterator { stream, shard_id: request.shard_id, position, issued_ms: now_ms };
    Ok(json!({"ShardIterator": iterator.to_token()}))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit, and a wrong time only finds no record"
)]
fn at_timestamp_ms(request: &IteratorRequest) -> Result<i64, KinesisError> {
    let seconds = request.timestamp.ok_or_else(|| KinesisError::invalid("Timestamp is missing"))?;
    Ok((seconds * 1000.0).round() as i64)
}

#[expect(clippy::cast_precision_loss, reason = "the protocol tells times as seconds in a double")]
fn epoch_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn get_records(store: &KinesisStore, body: &Value, now_ms: i64) -> Result<Value, KinesisError> {
    let token =
        body["ShardIterator"].as_str().ok_or_else(|| KinesisError::validation("ShardIterator is missing"))?;
    let limit =
        body["Limit"].as_u64().map_or(MAX_GET_RECORDS, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if !(1..=MAX_GET_RECORDS).contains(&limit) {
        return Err(KinesisError::validation(format!(
            "Limit is {limit}; it has to be 1 to {MAX_GET_RECORDS}"
        )));
    }
    let iterator = ShardIterator::from_token(token, now_ms)?;
    let read = store.read(&iterator.stream, &iterator.shard_id, &iterator.position, limit, now_ms)?;
    let records: Vec<Value> = read
        .records
        .iter()
        .map(|record| {
            json!({
                "SequenceNumber": digits_of(&record.sequence), "PartitionKey": record.partition_key,
                "ApproximateArrivalTimestamp": epoch_seconds(record.arrived_ms), "Data": STANDARD.encode(&record.data),
            })
        })
        .collect();
    let mut response = json!({"Records": records, "MillisBehindLatest": read.millis_behind_latest});
    match read.next {
        Some(position) => {
            let next = ShardIterator { position, issued_ms: now_ms, ..iterator };
            response["NextShardIterator"] = json!(next.to_token());
        }
        None => response["ChildShards"] = child_shards(store, &iterator)?,
    }
    Ok(response)
}

fn child_shards(store: &KinesisStore, iterator: &ShardIterator) -> Result<Value, KinesisError> {
    let is_child = |shard: &&Shard| {
        [&shard.parent, &shard.adjacent_parent]
            .into_iter()
            .flatten()
            .any(|parent| *parent == iterator.shard_id)
    };
    let children = store.shards(&iterator.stream)?;
    Ok(children
        .iter()
        .filter(is_child)
        .map(|shard| {
            let parents: Vec<&String> = [&shard.parent, &shard.adjacent_parent].into_iter().flatten().collect();
            let described = shard_json(shard);
            json!({"ShardId": shard.shard_id, "ParentShards": parents, "HashKeyRange": described["HashKeyRange"]})
        })
        .collect())
}
