//! What Lambda gave up: the objects of the S3 on-failure destination.
//!
//! Lambda writes an object for each batch that it gives up, an invocation
//! record with the event. Source: Lambda Developer Guide, "Retain discarded
//! batch records for a Kinesis Data Streams event source".

use access_log::decode_base64;
use aws_sdk_s3::Client;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::ports::{ClaimStore, PortError, WriteReply};
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{ArrivedRecord, HeadWrite};
use serde_json::Value;

use crate::error::port_error;
use crate::put_back::MAX_RECORD_BYTES;

/// What the keys of all objects begin with that a mapping writes.
const PREFIX: &str = "aws/lambda/";

/// The bucket of an on-failure destination.
#[derive(Debug, Clone)]
pub struct GivenUpBucket {
    client: Client,
    bucket: String,
}

impl GivenUpBucket {
    /// The bucket with this name.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// The name of the bucket.
    pub fn name(&self) -> &str {
        &self.bucket
    }

    /// The keys of all objects, ascending.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub async fn keys(&self) -> Result<Vec<String>, PortError> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(PREFIX);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| port_error(format!("listing the bucket {}", self.bucket), error))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(&self, key: &str) -> Result<Vec<u8>, PortError> {
        let operation = || format!("reading the object {key} of the bucket {}", self.bucket);
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = object.map_err(|error| port_error(operation(), error))?;
        let body = object.body.collect().await;
        let body =
            body.map_err(|error| PortError::Retryable { operation: operation(), source: error.into() })?;
        Ok(body.to_vec())
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When it is not known to be gone.
    pub async fn delete(&self, key: &str) -> Result<(), PortError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key);
        let operation = || format!("deleting the object {key} of the bucket {}", self.bucket);
        request.send().await.map_err(|error| port_error(operation(), error))?;
        Ok(())
    }
}

/// Why a document holds no records that were given up.
#[derive(Debug, thiserror::Error)]
pub enum GivenUpError {
    /// It is no JSON.
    #[error("it is no JSON document")]
    NotJson(#[source] serde_json::Error),
    /// An SQS or SNS destination, whose messages have no payload.
    #[error(
        "it has no payload, only the numbers of its records: read them from the stream, or compare with the access log (`meter reconcile --backfill`)"
    )]
    NoPayload,
    /// Its payload is no event.
    #[error("its payload is no Kinesis event with \"Records\"")]
    NoRecords,
}

/// A batch that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUpBatch {
    /// Why Lambda gave it up, such as `RetryAttemptsExhausted`; empty for a plain event.
    pub condition: String,
    /// When, as Lambda writes it; empty for a plain event.
    pub given_up_at: String,
    /// Id of the shard.
    pub shard_id: String,
    /// First sequence number.
    pub first: String,
    /// Last sequence number.
    pub last: String,
    /// Its records, each on its own: one that is damaged does not hold up the others.
    pub records: Vec<Result<GivenUpRecord, DamagedRecord>>,
}

/// A record of a batch that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUpRecord {
    /// The record.
    pub name: RecordName,
    /// When it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// The records whose calls it put back itself.
    pub put_back_from: PutBackFrom,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A record that cannot be put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {position} of the event has {problem}")]
pub struct DamagedRecord {
    position: usize,
    problem: &'static str,
}

impl GivenUpBatch {
    /// Reads an invocation record, whose payload is a text or an object, or a
    /// saved Kinesis event.
    ///
    /// # Errors
    /// When there are no records in it.
    pub fn read(document: &[u8]) -> Result<Self, GivenUpError> {
        let document: Value = serde_json::from_slice(document).map_err(GivenUpError::NotJson)?;
        let event = event_of(&document)?;
        let records = event["Records"].as_array().ok_or(GivenUpError::NoRecords)?;
        let numbers = || records.iter().filter_map(|record| record["kinesis"]["sequenceNumber"].as_str());
        let about = &document["KinesisBatchInfo"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shard_of_event = records.first().and_then(|record| record["eventID"].as_str()?.split(':').next());
        Ok(Self {
            condition: text(&document["requestContext"]["condition"]),
            given_up_at: text(&document["timestamp"]),
            shard_id: about["shardId"].as_str().or(shard_of_event).unwrap_or_default().to_owned(),
            first: numbers().next().unwrap_or_default().to_owned(),
            last: numbers().next_back().unwrap_or_default().to_owned(),
            records: records
                .iter()
                .enumerate()
                .map(|(position, record)| read_record(position, record))
                .collect(),
        })
    }
}

/// How often a head is read again that the consumer changes meanwhile.
const MAX_CONFLICTS: u32 = 30;

impl GivenUpBatch {
    /// Notes in the head of the shard that nobody counts these records any
    /// more. Only then may others take over their calls.
    ///
    /// # Errors
    /// When it is not known to be noted.
    pub async fn note(&self, claims: &impl ClaimStore) -> Result<(), PortError> {
        let mut readable = self.records.iter().filter_map(|record| record.as_ref().ok());
        let Some(first) = readable.next() else { return Ok(()) };
        let last = readable.next_back().unwrap_or(first);
        let arrived = ArrivedRecord {
            sequence_number: last.name.sequence_number.clone(),
            arrived_at_ms: last.arrived_at_ms,
        };
        for _ in 0..MAX_CONFLICTS {
            let present = claims.read_head(&first.name.shard).await?.unwrap_or_default();
            let RecordName { shard, sequence_number } = &first.name;
            let Some(write) = HeadWrite::giving_up(shard, &present, sequence_number, &arrived) else {
                return Ok(());
            };
            if claims.write_head(&write).await? == WriteReply::Written {
                return Ok(());
            }
        }
        Err(PortError::Retryable {
            operation: format!("noting in the head of {} what was given up", first.name.shard),
            source: "the consumer changed it every time".into(),
        })
    }
}

/// The event of an invocation record.
fn event_of(document: &Value) -> Result<Value, GivenUpError> {
    if document["Records"].is_array() {
        return Ok(document.clone());
    }
    match &document["payload"] {
        Value::Null => Err(GivenUpError::NoPayload),
        Value::String(text) => serde_json::from_str(text).map_err(|_| GivenUpError::NoRecords),
        event => Ok(event.clone()),
    }
}

fn read_record(position: usize, record: &Value) -> Result<GivenUpRecord, DamagedRecord> {
    let damaged = |problem| DamagedRecord { position, problem };
    let kinesis = &record["kinesis"];
    let shard_id = record["eventID"].as_str().and_then(|id| id.split(':').next()).unwrap_or_default();
    let shard = ShardName::new(record["eventSourceARN"].as_str().unwrap_or_default(), shard_id);
    let number = kinesis["sequenceNumber"].as_str().and_then(|digits| SequenceNumber::parse(digits).ok());
    let (Some(shard), Some(sequence_number)) = (shard, number) else {
        return Err(damaged("no usable \"eventSourceARN\", \"eventID\" or \"sequenceNumber\""));
    };
    let data = kinesis["data"].as_str().ok_or_else(|| damaged("no \"data\""))?;
    let data = decode_base64(data, MAX_RECORD_BYTES)
        .map_err(|_| damaged("\"data\" that is no base64 of a record"))?;
    let arrived_at_s = kinesis["approximateArrivalTimestamp"].as_f64().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "Lambda writes seconds with three decimals")]
    let arrived_at_ms = (arrived_at_s * 1_000.0).round() as i64;
    let put_back_from = PutBackFrom::from_partition_key(kinesis["partitionKey"].as_str().unwrap_or_default());
    Ok(GivenUpRecord { name: RecordName { shard, sequence_number }, arrived_at_ms, put_back_from, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(number: u32, data: &str) -> Value {
        json!({
            "kinesis": {"sequenceNumber": number.to_string(), "data": data, "approximateArrivalTimestamp": 1_795_000_100.123},
            "eventID": format!("shardId-000000000007:{number}"),
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:111122223333:stream/usage",
        })
    }

    fn invocation_record(payload: &Value) -> Vec<u8> {
        json!({
            "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 7},
            "version": "1.0", "timestamp": "2026-11-18T12:30:00.000Z",
            "KinesisBatchInfo": {"shardId": "shardId-000000000007", "batchSize": 2},
            "payload": payload,
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_payload_is_read_as_a_text_as_an_object_and_as_a_saved_event() {
        let event = json!({"Records": [record(5, "YWJj"), record(9, "ZGVm")]});
        let as_text = GivenUpBatch::read(&invocation_record(&json!(event.to_string()))).unwrap();
        assert_eq!(as_text, GivenUpBatch::read(&invocation_record(&event)).unwrap());
        let plain = GivenUpBatch::read(event.to_string().as_bytes()).unwrap();
        assert_eq!((&plain.records, &plain.shard_id), (&as_text.records, &as_text.shard_id));
        assert_eq!((as_text.first.as_str(), as_text.last.as_str()), ("5", "9"));
        assert_eq!((as_text.condition.as_str(), plain.condition.as_str()), ("RetryAttemptsExhausted", ""));
        let first = as_text.records[0].as_ref().unwrap();
        assert_eq!(first.name.to_string(), "111122223333/eu-central-1/usage/shardId-000000000007/5");
        assert_eq!((first.arrived_at_ms, first.data.as_slice()), (1_795_000_100_123, b"abc".as_slice()));
    }

    #[test]
    fn a_damaged_record_leaves_the_others_alone() {
        let event = json!({"Records": [record(5, "?"), {"kinesis": {}}, record(9, "ZGVm")]});
        let batch = GivenUpBatch::read(&invocation_record(&event)).unwrap();
        let told: Vec<String> = batch
            .records
            .iter()
            .filter_map(|record| record.as_ref().err().map(ToString::to_string))
            .collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("record 0") && told[1].contains("record 1"), "{told:?}");
        assert_eq!(batch.records[2].as_ref().unwrap().data, b"def");
    }

    #[test]
    fn a_document_without_records_says_what_to_do() {
        for (document, told) in [
            ("{", "no JSON"),
            (r#"{"requestContext":{},"KinesisBatchInfo":{}}"#, "meter reconcile --backfill"),
            (r#"{"payload":"hello"}"#, "no Kinesis event"),
            (r#"{"payload":{"a":1}}"#, "no Kinesis event"),
        ] {
            let error = GivenUpBatch::read(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
