//! Kinesis events as Lambda delivers them to the consumer.

use aws_lambda_events::kinesis::KinesisEvent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A record of a shard.
#[derive(Debug, Clone)]
pub struct StreamRecord {
    pub sequence_number: u64,
    /// Arrival time in the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    pub partition_key: String,
    pub data: Vec<u8>,
}

impl StreamRecord {
    fn to_event_record(&self, stream_arn: &str, shard_id: &str) -> Value {
        let Self { sequence_number, arrived_at_ms, partition_key, data } = self;
        #[expect(clippy::cast_precision_loss, reason = "a time of this century")]
        let arrived_at_s = *arrived_at_ms as f64 / 1_000.0;
        json!({
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": partition_key, "sequenceNumber": sequence_number.to_string(),
                "data": STANDARD.encode(data), "approximateArrivalTimestamp": arrived_at_s},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("{shard_id}:{sequence_number}"),
            "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn", "awsRegion": "eu-west-1", "eventSourceARN": stream_arn,
        })
    }
}

/// Returns the event with a batch of a shard.
///
/// # Panics
/// Never, because the event has every member that its type requires.
pub fn kinesis_event(stream_arn: &str, shard_id: &str, records: &[StreamRecord]) -> KinesisEvent {
    let records: Vec<Value> =
        records.iter().map(|record| record.to_event_record(stream_arn, shard_id)).collect();
    serde_json::from_value(json!({ "Records": records })).expect("the event has every member")
}
