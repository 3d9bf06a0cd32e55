//! Kinesis events, as the event source mapping passes them to a function.

use aws_sdk_kinesis::types::Record;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::names::{ACCOUNT_ID, REGION, arn, stream_arn};

/// Returns the ARN of the function's alias `live`, which the mapping invokes.
pub(super) fn function_arn(function: &str) -> String {
    arn("lambda", &format!("function:{function}:live"))
}

/// Builds the event for records of one shard.
///
/// Source: AWS Lambda Developer Guide, "Using Lambda to process records from Amazon Kinesis Data
/// Streams", example event.
pub fn kinesis_event(stream: &str, shard_id: &str, records: &[Record]) -> Value {
    let source_arn = stream_arn(stream);
    let records: Vec<Value> = records
        .iter()
        .map(|record| {
            let arrived_s = record
                .approximate_arrival_timestamp()
                .map_or(0.0, aws_sdk_kinesis::primitives::DateTime::as_secs_f64);
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": record.partition_key(),
                    "sequenceNumber": record.sequence_number(),
                    "data": STANDARD.encode(record.data().as_ref()),
                    "approximateArrivalTimestamp": arrived_s,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": format!("{shard_id}:{}", record.sequence_number()),
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT_ID}:role/usage-consumer"),
                "awsRegion": REGION,
                "eventSourceARN": source_arn,
            })
        })
        .collect();
    json!({"Records": records})
}
