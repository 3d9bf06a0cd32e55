//! Records that are given up, as Lambda writes them to a bucket.
//!
//! Source: Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event
//! source in Lambda": an invocation record and, in S3 only, the whole event as a text.

use std::sync::Arc;

use aws_sdk_kinesis::types::Record;
use jiff::Timestamp;
use serde_json::{Value, json};
use system_clock::now_ms;

use super::event::{function_arn, kinesis_event};
use super::function::Invoked;
use crate::names::stream_arn;
use crate::s3::{S3Error, S3Store};

/// Bucket that is the on-failure destination of a mapping.
#[derive(Debug, Clone)]
pub struct OnFailureDestination {
    pub store: Arc<S3Store>,
    /// Name of the bucket.
    pub bucket: String,
    /// UUID of the event source mapping.
    pub mapping_uuid: String,
}

/// Reason why records are given up, named as in the Lambda API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
    /// The mapping's maximum number of retries was reached.
    RetryAttemptsExhausted,
    /// The records exceeded the mapping's maximum record age.
    RecordAgeExceeded,
}

/// Records of one shard that are given up, with the reason.
pub struct GivenUp<'r> {
    /// Name of the stream.
    pub stream: &'r str,
    /// Name of the function.
    pub function: &'r str,
    pub shard_id: &'r str,
    /// The records; at least one.
    pub records: &'r [Record],
    pub reason: GiveUpReason,
    /// Number of invocations with these records.
    pub invocations: u32,
    /// The last of these invocations, if any.
    pub last: Option<&'r Invoked>,
}

impl OnFailureDestination {
    /// Writes records that are given up, and returns the key of the object.
    ///
    /// # Errors
    /// Returns an error if the object cannot be written.
    pub fn write(&self, given_up: &GivenUp<'_>) -> Result<String, S3Error> {
        let now_ms = now_ms();
        let at = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let key = format!(
            "aws/lambda/{}/{}/{}-{}",
            self.mapping_uuid,
            given_up.shard_id,
            at.strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S"),
            random_uuid(),
        );
        self.store.put(&self.bucket, &key, given_up.invocation_record(now_ms).to_string().as_bytes())?;
        Ok(key)
    }
}

impl GivenUp<'_> {
    fn invocation_record(&self, now_ms: i64) -> Value {
        let condition = match self.reason {
            GiveUpReason::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            GiveUpReason::RecordAgeExceeded => "RecordAgeExceeded",
        };
        let event = kinesis_event(self.stream, self.shard_id, self.records);
        let mut record = json!({
            "requestContext": {
                "requestId": self.last.map_or_else(random_uuid, |last| last.request_id.clone()),
                "functionArn": function_arn(self.function),
                "condition": condition,
                "approximateInvokeCount": self.invocations,
            },
            "version": "1.0",
            "timestamp": iso_time(now_ms),
            "KinesisBatchInfo": {
                "shardId": self.shard_id,
                "startSequenceNumber": self.records.first().map(Record::sequence_number),
                "endSequenceNumber": self.records.last().map(Record::sequence_number),
                "approximateArrivalOfFirstRecord": arrival(self.records.first()),
                "approximateArrivalOfLastRecord": arrival(self.records.last()),
                "batchSize": self.records.len(),
                "streamArn": stream_arn(self.stream),
            },
            "payload": event.to_string(),
        });
        if let Some(last) = self.last {
            record["responseContext"] = json!({"statusCode": 200, "executedVersion": last.version});
            // A partial batch response is not a function error.
            if last.result.is_err() {
                record["responseContext"]["functionError"] = json!("Unhandled");
            }
        }
        record
    }
}

fn arrival(record: Option<&Record>) -> Option<String> {
    let arrived = record?.approximate_arrival_timestamp()?;
    Some(iso_time(arrived.to_millis().ok()?))
}

fn iso_time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Generates a UUID of version 4.
fn random_uuid() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) | (4 << 76);
    let bits = bits & !(0b11 << 62) | (0b10 << 62);
    let digits = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
