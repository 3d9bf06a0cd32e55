//! Requests to CloudWatch, in each of its three protocols.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::AwsEndpoint;
use super::call::Call;
use crate::api::protocol::{CLOUDWATCH_CBOR, CLOUDWATCH_PATH, Protocol};
use crate::api::query::{self, Xml};
use crate::api::tables::CLOUDWATCH;
use crate::api::{Problem, Refusal, check, check_texts};
use crate::cloudwatch::operations::{CloudWatchError, handle};

impl AwsEndpoint {
    pub(super) async fn cloudwatch(&self, call: &Call) -> Response {
        let (operation, request) = match read(call) {
            Ok(read) => read,
            Err(error) => return call.bad_request(error.code, &error.message),
        };
        let (metrics, named) = (self.metrics.clone(), operation.clone());
        match tokio::task::spawn_blocking(move || handle(&metrics, &named, &request)).await {
            Ok(Ok(value)) => match call.protocol {
                Protocol::Query(_) => {
                    call.protocol.respond_xml(&operation, &call.request_id, |xml| members(xml, &value))
                }
                protocol => protocol.respond(StatusCode::OK, &value),
            },
            Ok(Err(error)) => call.bad_request(error.code, &error.message),
            Err(error) => {
                call.error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError", &error.to_string())
            }
        }
    }
}

/// Parses the operation and its parameters, and checks them against the parameter table.
fn read(call: &Call) -> Result<(String, Value), CloudWatchError> {
    let unreadable = |message: String| CloudWatchError { code: "SerializationException", message };
    let (operation, mut request) = match call.protocol {
        Protocol::RpcCbor => {
            let path = call.parts.uri.path();
            let operation = path.strip_prefix(CLOUDWATCH_PATH).unwrap_or(path).to_owned();
            (operation, CLOUDWATCH_CBOR.read(&call.body).map_err(unreadable)?)
        }
        Protocol::Query(_) => {
            let request = query::read(&call.body);
            (request.action, request.parameters)
        }
        _ => {
            let request = serde_json::from_slice(&call.body);
            (call.operation().to_owned(), request.map_err(|error| unreadable(error.to_string()))?)
        }
    };
    let checked = match call.protocol {
        Protocol::Query(_) => check_texts(&CLOUDWATCH, &operation, &mut request),
        _ => check(&CLOUDWATCH, &operation, &request),
    };
    checked.map_err(refused)?;
    Ok((operation, request))
}

fn refused(Refusal { problem, message }: Refusal) -> CloudWatchError {
    let code = match problem {
        Problem::UnknownOperation => "InvalidAction",
        Problem::UnknownParameter => "InvalidParameterValue",
        Problem::WrongType => "SerializationException",
        Problem::BrokenLimit => "ValidationError",
    };
    CloudWatchError { code, message }
}

/// Writes a response as XML. The elements of lists are named `member`; times are in ISO 8601.
fn members(xml: &mut Xml, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Array(values) => {
                xml.element(name, |xml| values.iter().for_each(|value| element(xml, "member", name, value)));
            }
            value => element(xml, name, name, value),
        }
    }
}

fn element(xml: &mut Xml, element: &str, member: &str, value: &Value) {
    match value {
        Value::Object(_) => {
            xml.element(element, |xml| members(xml, value));
        }
        Value::String(text) => {
            xml.text(element, text);
        }
        Value::Number(seconds) if member == "Timestamps" => {
            let time = jiff::Timestamp::from_second(seconds.as_i64().unwrap_or_default()).unwrap_or_default();
            xml.text(element, &time.to_string());
        }
        value => {
            xml.text(element, &value.to_string());
        }
    }
}
