//! Requests to Kinesis, in JSON or CBOR, and the CloudWatch metrics of streams.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use system_clock::now_ms;

use super::AwsEndpoint;
use super::call::Call;
use crate::api::protocol::{KINESIS_CBOR, Protocol};
use crate::cloudwatch::{MetricName, MetricStore};
use crate::kinesis::{self, KinesisError, stream_of_iterator};

impl AwsEndpoint {
    pub(super) async fn kinesis(&self, call: &Call) -> Response {
        if self.faults.fails_stream_request() {
            let (code, message) = ("InternalFailureException", "injected fault: failed request");
            return call.error(StatusCode::INTERNAL_SERVER_ERROR, code, message);
        }
        let (protocol, body, operation) = (call.protocol, call.body.clone(), call.operation().to_owned());
        let (store, metrics) = (self.kinesis.clone(), self.metrics.clone());
        let task = tokio::task::spawn_blocking(move || {
            let request = read(protocol, &body)?;
            let metered = MeteredRequest::new(&operation, &request);
            let response = kinesis::handle(&store, &operation, &request, now_ms());
            metered.record(&metrics, &response);
            response
        });
        match task.await {
            Ok(Ok(value)) => call.protocol.respond(StatusCode::OK, &value),
            Ok(Err(error)) if error.is_internal() => {
                call.error(StatusCode::INTERNAL_SERVER_ERROR, error.code, &error.message)
            }
            Ok(Err(error)) => call.bad_request(error.code, &error.message),
            Err(error) => {
                call.error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailureException", &error.to_string())
            }
        }
    }
}

fn read(protocol: Protocol, body: &[u8]) -> Result<Value, KinesisError> {
    if protocol == Protocol::AmzCbor {
        return KINESIS_CBOR
            .read(body)
            .map_err(|error| KinesisError::serialization(format!("the request is not CBOR: {error}")));
    }
    serde_json::from_slice(body)
        .map_err(|error| KinesisError::serialization(format!("the request is not JSON: {error}")))
}

/// The parts of a request that its metrics need.
///
/// Source: Kinesis Developer Guide, "Monitor the Amazon Kinesis Data Streams service with Amazon
/// CloudWatch", basic stream-level metrics.
enum MeteredRequest {
    Other,
    Puts { stream: String, bytes: Vec<u64> },
    Read { stream: String },
}

impl MeteredRequest {
    fn new(operation: &str, request: &Value) -> Self {
        match operation {
            "PutRecord" => Self::Puts { stream: stream_of(request), bytes: vec![bytes(request)] },
            "PutRecords" => {
                let records = request["Records"].as_array().into_iter().flatten();
                Self::Puts { stream: stream_of(request), bytes: records.map(bytes).collect() }
            }
            "GetRecords" => {
                let iterator = request["ShardIterator"].as_str().unwrap_or_default();
                Self::Read { stream: stream_of_iterator(iterator).unwrap_or_default() }
            }
            _ => Self::Other,
        }
    }

    fn record(self, metrics: &MetricStore, response: &Result<Value, KinesisError>) {
        let throttled = response.as_ref().is_err_and(KinesisError::is_throttle);
        if response.is_err() && !throttled {
            return;
        }
        let record = |stream: &str, name: &str, values: Vec<u64>| {
            metrics.record(MetricName::new("AWS/Kinesis", name, [("StreamName", stream)]), now_ms(), values);
        };
        match self {
            Self::Other => {}
            Self::Puts { stream, bytes } => {
                let failed: Vec<bool> = response.as_ref().map_or_else(|_| vec![true; bytes.len()], failures);
                let refused = failed.iter().filter(|failed| **failed).count() as u64;
                let taken = bytes.iter().zip(failed.iter().chain(std::iter::repeat(&false)));
                let taken: Vec<u64> =
                    taken.filter(|(_, failed)| !**failed).map(|(bytes, _)| *bytes).collect();
                record(&stream, "IncomingRecords", vec![taken.len() as u64]);
                record(&stream, "IncomingBytes", taken);
                record(&stream, "WriteProvisionedThroughputExceeded", vec![refused]);
            }
            Self::Read { stream } => {
                let records = response.as_ref().ok().and_then(|response| response["Records"].as_array());
                let read: Option<Vec<u64>> = records.map(|records| records.iter().map(bytes).collect());
                record(&stream, "ReadProvisionedThroughputExceeded", vec![u64::from(throttled)]);
                record(&stream, "GetRecords.Bytes", read.unwrap_or_default());
            }
        }
    }
}

/// Returns for each record of a `PutRecords` response whether it was refused.
fn failures(response: &Value) -> Vec<bool> {
    let records = response["Records"].as_array().into_iter().flatten();
    records.map(|record| record["ErrorCode"].is_string()).collect()
}

fn stream_of(request: &Value) -> String {
    let of_arn =
        || request["StreamARN"].as_str().and_then(|arn| arn.split_once(":stream/")).map(|(_, name)| name);
    request["StreamName"].as_str().or_else(of_arn).unwrap_or_default().to_owned()
}

/// Returns the size of a record's data, estimated from its base64 form.
fn bytes(record: &Value) -> u64 {
    (record["Data"].as_str().map_or(0, str::len) * 3 / 4) as u64
}
