//! Batches that Lambda gave up: the objects of the S3 on-failure destination.
//!
//! For each batch that it gives up, Lambda writes an object: an invocation
//! record that contains the event. Source: Lambda Developer Guide, "Retain discarded
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

/// The prefix of the keys of all objects that an event source mapping writes.
const PREFIX: &str = "aws/lambda/";

/// The bucket of the on-failure destination.
#[derive(Debug, Clone)]
pub struct GivenUpBucket {
    client: Client,
    bucket: String,
}

impl GivenUpBucket {
    /// Returns the bucket with this name.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// Returns the name of the bucket.
    pub fn name(&self) -> &str {
        &self.bucket
    }

    /// Lists the keys of all objects in ascending order.
    ///
    /// # Errors
    /// Fails if the bucket cannot be listed.
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
    /// Fails if the object cannot be read.
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
    /// Fails unless S3 confirms the deletion.
    pub async fn delete(&self, key: &str) -> Result<(), PortError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key);
        let operation = || format!("deleting the object {key} of the bucket {}", self.bucket);
        request.send().await.map_err(|error| port_error(operation(), error))?;
        Ok(())
    }
}

/// The reason why a document contains no given-up records.
#[derive(Debug, thiserror::Error)]
pub enum GivenUpError {
    /// The document is not JSON.
    #[error("it is not a JSON document")]
    NotJson(#[source] serde_json::Error),
    /// The document is from an SQS or SNS destination, whose messages have no payload.
    #[error(
        "it has no payload, only the numbers of its records: read them from the stream, or compare with the access log (`meter reconcile --backfill`)"
    )]
    NoPayload,
    /// The payload is not a Kinesis event.
    #[error("its payload is not a Kinesis event with \"Records\"")]
    NoRecords,
}

/// A batch of records that Lambda gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUpBatch {
    /// The condition, such as `RetryAttemptsExhausted`; empty for a plain event.
    pub condition: String,
    /// The time as Lambda writes it, in ISO 8601; empty for a plain event.
    pub given_up_at: String,
    /// The id of the shard, such as `shardId-000000000000`.
    pub shard_id: String,
    /// The sequence number of the first record, in decimal digits.
    pub first: String,
    /// The sequence number of the last record, in decimal digits.
    pub last: String,
    /// The records. A damaged one does not hold up the others.
    pub records: Vec<Result<GivenUpRecord, DamagedRecord>>,
}

/// A record of a given-up batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUpRecord {
    /// The shard and sequence number.
    pub name: RecordName,
    /// The time at which it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// The records whose calls this record puts back.
    pub put_back_from: PutBackFrom,
    /// The payload, decoded from base64.
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
    /// Parses an invocation record, whose payload is a text or an object, or a
    /// saved Kinesis event.
    ///
    /// ```
    /// use metering_aws::given_up::GivenUpBatch;
    ///
    /// let document = br#"{
    ///     "requestContext": {"condition": "RetryAttemptsExhausted"},
    ///     "payload": {"Records": [{
    ///         "eventID": "shardId-000000000000:42",
    ///         "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/usage",
    ///         "kinesis": {"sequenceNumber": "42", "data": "YWJj"}
    ///     }]}
    /// }"#;
    /// let batch = GivenUpBatch::read(document).unwrap();
    /// assert_eq!(batch.condition, "RetryAttemptsExhausted");
    /// assert_eq!(batch.records[0].as_ref().unwrap().data, b"abc");
    /// ```
    ///
    /// # Errors
    /// Fails if the document contains no records.
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

/// Maximum number of attempts to change a head that the consumer changes at the same time.
const MAX_CONFLICTS: u32 = 30;

impl GivenUpBatch {
    /// Records in the shard's head that these records will not be counted. Only
    /// then may other records take over their calls.
    ///
    /// # Errors
    /// Fails unless DynamoDB confirms the write.
    pub async fn record_given_up(&self, claims: &impl ClaimStore) -> Result<(), PortError> {
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
            operation: format!("recording the given-up records in the head of {}", first.name.shard),
            source: "the consumer changed the head between all attempts".into(),
        })
    }
}

/// Returns the event in an invocation record.
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
        .map_err(|_| damaged("\"data\" that is not the base64 of a record"))?;
    let arrived_at_s = kinesis["approximateArrivalTimestamp"].as_f64().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "Lambda writes seconds with three decimals")]
    let arrived_at_ms = (arrived_at_s * 1_000.0).round() as i64;
    let put_back_from = PutBackFrom::of_partition_key(kinesis["partitionKey"].as_str().unwrap_or_default());
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
        let errors: Vec<String> = batch
            .records
            .iter()
            .filter_map(|record| record.as_ref().err().map(ToString::to_string))
            .collect();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].contains("record 0") && errors[1].contains("record 1"), "{errors:?}");
        assert_eq!(batch.records[2].as_ref().unwrap().data, b"def");
    }

    #[test]
    fn a_document_without_records_says_what_to_do() {
        for (document, problem) in [
            ("{", "not a JSON"),
            (r#"{"requestContext":{},"KinesisBatchInfo":{}}"#, "meter reconcile --backfill"),
            (r#"{"payload":"hello"}"#, "not a Kinesis event"),
            (r#"{"payload":{"a":1}}"#, "not a Kinesis event"),
        ] {
            let error = GivenUpBatch::read(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
