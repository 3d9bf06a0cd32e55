//! A record of the quarantine as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metering_aws::quarantine_queue::KeptRecord;
use schemars::JsonSchema;
use serde::Serialize;

/// A record in quarantine, without its payload.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuarantinedRecord {
    /// Stream and shard of the record.
    shard: String,
    /// Sequence number of the record in its shard.
    sequence_number: String,
    /// Time at which the record arrived on the stream, in milliseconds since 1970.
    arrived_at_ms: i64,
    /// Reason, as a stable word.
    reason: String,
    /// Description of the problem.
    detail: String,
    /// SHA-256 of the payload, as hexadecimal digits.
    digest: String,
    /// Size of the payload, in bytes.
    bytes: usize,
}

/// A record in quarantine with its payload.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuarantinedRecordWithData {
    #[serde(flatten)]
    record: QuarantinedRecord,
    /// Payload in base64.
    data: String,
}

impl QuarantinedRecord {
    pub fn new(record: &KeptRecord) -> Self {
        Self {
            shard: record.record.shard.as_str().to_owned(),
            sequence_number: record.record.sequence_number.digits().to_owned(),
            arrived_at_ms: record.arrived_at_ms,
            reason: record.reason.clone(),
            detail: record.detail.clone(),
            digest: record.digest.clone(),
            bytes: record.payload.len(),
        }
    }
}

impl QuarantinedRecordWithData {
    pub fn new(record: &KeptRecord) -> Self {
        Self { record: QuarantinedRecord::new(record), data: STANDARD.encode(&record.payload) }
    }
}
