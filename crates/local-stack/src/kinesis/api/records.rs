//! Operations that write and read records.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::error::KinesisError;
use super::super::iterator::{Position, ShardIterator};
use super::super::sequence::{digits_of, shard_of, storage_form};
use super::super::shard::Shard;
use super::super::store::{NewRecord, PlacedRecord};
use super::request::{Request, epoch_seconds};
use super::shards::shard_json;
use crate::api::tables::MAX_RECORD_BYTES;
use crate::names::ACCOUNT_ID;

/// Maximum size of one `PutRecords` request, including partition keys, in bytes. Source: Kinesis
/// API Reference, `PutRecords` (5 MiB until records of 10 MiB were introduced in 2025).
const MAX_PUT_BYTES: usize = 10 << 20;
/// Source: Kinesis API Reference, `GetRecords`.
const MAX_GET_RECORDS: usize = 10_000;

/// Parses a record. `path` is the name of its data in error messages.
fn new_record(entry: &Value, path: &str) -> Result<NewRecord, KinesisError> {
    let text = |member: &str| entry[member].as_str().map(str::to_owned);
    let data = STANDARD.decode(entry["Data"].as_str().unwrap_or_default());
    let data = data.map_err(|error| KinesisError::serialization(format!("{path} is not base64: {error}")))?;
    let partition_key = text("PartitionKey").unwrap_or_default();
    let record = NewRecord { partition_key, explicit_hash_key: text("ExplicitHashKey"), data };
    if record.bytes() > MAX_RECORD_BYTES {
        return Err(KinesisError::validation(format!(
            "1 validation error detected: Value at '{path}' failed to satisfy constraint: Member must have length less than or equal to {MAX_RECORD_BYTES}"
        )));
    }
    Ok(record)
}

pub(super) fn put_record(request: &Request<'_>) -> Result<Value, KinesisError> {
    let stream = request.stream()?;
    if let Some(digits) = request.optional("SequenceNumberForOrdering") {
        // Sequence numbers always increase within a shard, so only their syntax is checked.
        if shard_of(digits).is_none() {
            return Err(KinesisError::invalid(format!(
                "ExclusiveMinimumSequenceNumber {digits} used in PutRecord on stream {stream} under account {ACCOUNT_ID} is invalid."
            )));
        }
    }
    let record = new_record(request.body, "data")?;
    let placed = request.store.put(&stream, &[record], request.now_ms)?;
    let placed = placed.into_iter().next().ok_or_else(|| KinesisError::no_stream(&stream))?;
    let PlacedRecord { shard_id, sequence } = placed?;
    Ok(json!({"ShardId": shard_id, "SequenceNumber": digits_of(&sequence)}))
}

pub(super) fn put_records(request: &Request<'_>) -> Result<Value, KinesisError> {
    let entries = request.body["Records"].as_array().map_or(&[][..], Vec::as_slice);
    let records = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| new_record(entry, &format!("records.{}.member.data", index + 1)))
        .collect::<Result<Vec<_>, _>>()?;
    if records.iter().map(NewRecord::bytes).sum::<usize>() > MAX_PUT_BYTES {
        let message = format!("Records size exceeds {} MB limit", MAX_PUT_BYTES >> 20);
        return Err(KinesisError::invalid(message));
    }
    let placed = request.store.put(&request.stream()?, &records, request.now_ms)?;
    let failed = placed.iter().filter(|result| result.is_err()).count();
    let results = placed.iter().map(|result| match result {
        Ok(PlacedRecord { shard_id, sequence }) => {
            json!({"ShardId": shard_id, "SequenceNumber": digits_of(sequence)})
        }
        Err(error) => json!({"ErrorCode": error.code, "ErrorMessage": error.message}),
    });
    Ok(json!({"FailedRecordCount": failed, "Records": results.collect::<Vec<_>>()}))
}

pub(super) fn get_shard_iterator(request: &Request<'_>) -> Result<Value, KinesisError> {
    let (stream, shard_id) = (request.stream()?, request.text("ShardId"));
    let kind = request.text("ShardIteratorType");
    let latest = request.store.latest(&stream, shard_id)?;
    let needs_sequence = kind.ends_with("SEQUENCE_NUMBER");
    let sequence = request.optional("StartingSequenceNumber");
    if sequence.is_some() != needs_sequence {
        let given = if sequence.is_some() { "also a" } else { "no" };
        return Err(KinesisError::invalid(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {given} StartingSequenceNumber."
        )));
    }
    let position = match kind {
        "TRIM_HORIZON" => Position::AtTimestamp(0),
        "LATEST" => latest,
        "AT_TIMESTAMP" => Position::AtTimestamp(at_timestamp_ms(request)?),
        _ => {
            let digits = sequence.unwrap_or_default();
            let stored = sequence_of_shard(request, &stream, shard_id, digits)?;
            if kind == "AT_SEQUENCE_NUMBER" {
                Position::AtSequence(stored)
            } else {
                Position::AfterSequence(stored)
            }
        }
    };
    if kind != "AT_TIMESTAMP" && !request.body["Timestamp"].is_null() {
        return Err(KinesisError::invalid(format!(
            "Timestamp cannot be specified with ShardIteratorType {kind}"
        )));
    }
    let iterator =
        ShardIterator { stream, shard_id: shard_id.to_owned(), position, issued_ms: request.now_ms };
    Ok(json!({"ShardIterator": iterator.to_token()}))
}

/// Reads and checks the parameter `Timestamp`.
///
/// Source of the messages: kinesalite's `getShardIterator`.
fn at_timestamp_ms(request: &Request<'_>) -> Result<i64, KinesisError> {
    let time_ms = request.time_ms("Timestamp").ok_or_else(|| {
        KinesisError::invalid("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
    })?;
    if time_ms > request.now_ms {
        return Err(KinesisError::invalid(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {time_ms}, currentTimestampInMillis: {}",
            request.now_ms
        )));
    }
    Ok(time_ms)
}

/// Converts a sequence number of the shard to storage form. Returns an error if it belongs to
/// another shard or stream.
///
/// Source of the messages: kinesalite's `getShardIterator`.
fn sequence_of_shard(
    request: &Request<'_>,
    stream: &str,
    shard_id: &str,
    digits: &str,
) -> Result<String, KinesisError> {
    let used = format!(
        "StartingSequenceNumber {digits} used in GetShardIterator on shard {shard_id} in stream {stream} under account {ACCOUNT_ID} is invalid"
    );
    let (index, created_s) = shard_of(digits).ok_or_else(|| KinesisError::invalid(format!("{used}.")))?;
    let shards = request.store.shards(stream)?;
    let shard = shards.iter().find(|shard| shard.shard_id == shard_id);
    let shard = shard.ok_or_else(|| KinesisError::no_shard(stream, shard_id))?;
    if index != shard.index {
        return Err(KinesisError::invalid(format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {shard_id}",
            super::super::shard::shard_id(index)
        )));
    }
    if created_s != shard.created_ms / 1_000 {
        return Err(KinesisError::invalid(format!("{used} because it did not come from this stream.")));
    }
    storage_form(digits)
}

pub(super) fn get_records(request: &Request<'_>) -> Result<Value, KinesisError> {
    let (store, now_ms) = (request.store, request.now_ms);
    let iterator = ShardIterator::from_token(request.text("ShardIterator"), now_ms)?;
    if request.optional("StreamARN").is_some() && request.stream()? != iterator.stream {
        return Err(KinesisError::invalid("StreamARN and ShardIterator refer to different streams."));
    }
    let limit = request.limit("Limit", MAX_GET_RECORDS);
    // A missing shard is reported before exceeded throughput.
    store.latest(&iterator.stream, &iterator.shard_id)?;
    store.throughput().begin_read(&iterator.stream, &iterator.shard_id, now_ms)?;
    let read = store.read(&iterator.stream, &iterator.shard_id, &iterator.position, limit, now_ms)?;
    let bytes = read.records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
    store.throughput().end_read(&iterator.stream, &iterator.shard_id, bytes, now_ms);
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
        None => response["ChildShards"] = child_shards(request, &iterator)?,
    }
    Ok(response)
}

fn child_shards(request: &Request<'_>, iterator: &ShardIterator) -> Result<Value, KinesisError> {
    let parents = |shard: &Shard| [shard.parent.clone(), shard.adjacent_parent.clone()].into_iter().flatten();
    let shards = request.store.shards(&iterator.stream)?;
    let children = shards.iter().filter(|shard| parents(shard).any(|parent| parent == iterator.shard_id));
    Ok(children
        .map(|shard| {
            let parents: Vec<String> = parents(shard).collect();
            let described = shard_json(shard);
            json!({"ShardId": shard.shard_id, "ParentShards": parents, "HashKeyRange": described["HashKeyRange"]})
        })
        .collect())
}
