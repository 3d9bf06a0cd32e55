//! `GetMetricData`, in the protocol that the SDKs speak to CloudWatch: CBOR.
//!
//! Source: Smithy 2.0, "RPC v2 CBOR protocol".

use axum::response::{IntoResponse, Response};
use ciborium::Value as Cbor;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{MetricStore, metric_data};

/// The tag of a time in seconds since 1970. Source: RFC 8949, section 3.4.2.
const EPOCH_TAG: u64 = 1;
/// Where the operations of CloudWatch are found.
const OPERATIONS: &str = "/service/GraniteServiceVersion20100801/operation/";

/// Answers a request.
pub fn handle(store: &MetricStore, path: &str, body: &[u8]) -> Response {
    let operation = path.strip_prefix(OPERATIONS).unwrap_or(path);
    if operation != "GetMetricData" {
        let message = format!("the local stack offers GetMetricData of CloudWatch, and not {operation}");
        return error(&message);
    }
    let Ok(request) = ciborium::from_reader::<Cbor, _>(body) else { return error("the request is not CBOR") };
    let request = to_json(&request);
    let queries = request["MetricDataQueries"].as_array().cloned().unwrap_or_default();
    match metric_data(store, &queries, milliseconds(&request["StartTime"]), milliseconds(&request["EndTime"]))
    {
        Ok(data) => {
            let results = data.iter().map(|data| {
                // The newest first, as CloudWatch answers unless it is asked otherwise.
                let (times, values) = data
                    .values
                    .iter()
                    .rev()
                    .map(|(&at_ms, &value)| {
                        (
                            Cbor::Tag(EPOCH_TAG, Box::new(Cbor::Integer((at_ms / 1_000).into()))),
                            Cbor::Float(value),
                        )
                    })
                    .unzip();
                map([
                    ("Id", Cbor::Text(data.id.clone())),
                    ("Label", Cbor::Text(data.label.clone())),
                    ("StatusCode", Cbor::Text("Complete".to_owned())),
                    ("Timestamps", Cbor::Array(times)),
                    ("Values", Cbor::Array(values)),
                ])
            });
            respond(StatusCode::OK, &map([("MetricDataResults", Cbor::Array(results.collect()))]))
        }
        Err(problem) => error(&problem.to_string()),
    }
}

fn error(message: &str) -> Response {
    let body = map([
        ("__type", Cbor::Text("InvalidParameterValue".to_owned())),
        ("message", Cbor::Text(message.to_owned())),
    ]);
    respond(StatusCode::BAD_REQUEST, &body)
}

fn respond(status: StatusCode, body: &Cbor) -> Response {
    let mut bytes = Vec::new();
    if let Err(error) = ciborium::into_writer(body, &mut bytes) {
        return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
    }
    (status, [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")], bytes)
        .into_response()
}

fn map<const N: usize>(members: [(&str, Cbor); N]) -> Cbor {
    Cbor::Map(members.map(|(name, value)| (Cbor::Text(name.to_owned()), value)).into())
}

#[expect(clippy::cast_possible_truncation, reason = "times of this century")]
fn milliseconds(seconds: &Value) -> i64 {
    (seconds.as_f64().unwrap_or_default() * 1_000.0) as i64
}

fn to_json(value: &Cbor) -> Value {
    match value {
        Cbor::Text(text) => Value::from(text.as_str()),
        Cbor::Integer(number) => i64::try_from(*number).map_or(Value::Null, Value::from),
        Cbor::Float(number) => Value::from(*number),
        Cbor::Bool(value) => Value::from(*value),
        Cbor::Tag(_, inner) => to_json(inner),
        Cbor::Array(items) => items.iter().map(to_json).collect(),
        Cbor::Map(members) => {
            let members =
                members.iter().filter_map(|(name, value)| Some((name.as_text()?.to_owned(), to_json(value))));
            Value::Object(members.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}
