//! The protocols of requests and responses.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::cbor::Codec;
use super::query::{self, Xml};

/// The path of CloudWatch's operations in the protocol RPC v2 CBOR.
pub(crate) const CLOUDWATCH_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";

/// Source: AWS SDK for Java 2.x, `aws-cbor-protocol`: times in milliseconds.
pub(crate) const KINESIS_CBOR: Codec = Codec {
    units_per_second: 1_000.0,
    times: &["ApproximateArrivalTimestamp", "StreamCreationTimestamp"],
    blobs: &["Data"],
    doubles: &[],
};

/// Source: Smithy 2.0, "RPC v2 CBOR protocol": times in seconds.
pub(crate) const CLOUDWATCH_CBOR: Codec =
    Codec { units_per_second: 1.0, times: &["Timestamps"], blobs: &[], doubles: &["Values"] };

const AMZ_CBOR: &str = "application/x-amz-cbor-1.1";

/// A protocol of requests and responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON, with the content type.
    Json(&'static str),
    /// The older CBOR protocol, which Kinesis has.
    AmzCbor,
    /// RPC v2 CBOR, which CloudWatch has.
    RpcCbor,
    /// The query protocol, with the XML namespace of responses.
    Query(&'static str),
    /// REST with XML bodies, which S3 has.
    RestXml,
}

pub(crate) const JSON_1_0: &str = "application/x-amz-json-1.0";
pub(crate) const JSON_1_1: &str = "application/x-amz-json-1.1";

impl Protocol {
    /// Returns the protocol of a request to a service.
    pub fn detect(service: &str, parts: &Parts) -> Self {
        let content_type = text(&parts.headers, header::CONTENT_TYPE.as_str());
        match service {
            "kinesis" if content_type.starts_with(AMZ_CBOR) => Self::AmzCbor,
            "monitoring" if parts.uri.path().starts_with(CLOUDWATCH_PATH) => Self::RpcCbor,
            "monitoring" if text(&parts.headers, "x-amz-target").is_empty() => {
                Self::Query("http://monitoring.amazonaws.com/doc/2010-08-01/")
            }
            "sns" => Self::Query("http://sns.amazonaws.com/doc/2010-03-31/"),
            "sts" => Self::Query("https://sts.amazonaws.com/doc/2011-06-15/"),
            "s3" => Self::RestXml,
            "dynamodb" | "sqs" | "monitoring" => Self::Json(JSON_1_0),
            // The error for a service that is not supported is in the protocol of the request.
            _ if content_type.starts_with("application/x-www-form-urlencoded") => Self::Query(""),
            _ => Self::Json(JSON_1_1),
        }
    }

    /// Returns an error response.
    pub fn error(self, status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
        let value = json!({"__type": code, "message": message});
        let mut response = match self {
            Self::Query(namespace) => {
                let xml = query::error(namespace, code, message, status.is_client_error(), request_id);
                (status, [(header::CONTENT_TYPE, "text/xml")], xml).into_response()
            }
            Self::RestXml => s3_error(status, code, message, request_id),
            other => other.respond(status, &value),
        };
        if matches!(self, Self::RpcCbor | Self::Json(JSON_1_0)) {
            // For clients of services that had the query protocol earlier.
            // Source: Smithy 2.0, "AWS query-compatible error behavior".
            let fault = if status.is_client_error() { "Sender" } else { "Receiver" };
            if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
                response.headers_mut().insert("x-amzn-query-error", value);
            }
        }
        response
    }

    /// Returns the response of an operation.
    pub fn respond(self, status: StatusCode, value: &Value) -> Response {
        let typed = |content_type: &'static str, body: Vec<u8>| {
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        };
        match self {
            Self::AmzCbor => typed(AMZ_CBOR, KINESIS_CBOR.write(value)),
            Self::RpcCbor => {
                let mut response = typed("application/cbor", CLOUDWATCH_CBOR.write(value));
                response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
                response
            }
            Self::Json(content_type) => json_response(status, content_type, value),
            Self::Query(_) | Self::RestXml => json_response(status, JSON_1_0, value),
        }
    }

    /// Returns the response of an operation in the query protocol.
    pub fn respond_xml(self, action: &str, request_id: &str, write: impl FnOnce(&mut Xml)) -> Response {
        let namespace = if let Self::Query(namespace) = self { namespace } else { "" };
        let xml = query::response(namespace, action, request_id, write);
        ([(header::CONTENT_TYPE, "text/xml")], xml).into_response()
    }
}

fn s3_error(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    let mut xml = Xml::default();
    xml.element("Error", |xml| {
        xml.text("Code", code).text("Message", message).text("RequestId", request_id);
    });
    (status, [(header::CONTENT_TYPE, "application/xml")], xml.into_text()).into_response()
}

/// Returns the service and the region of a request. The target determines the service, or else the
/// scope of the signature.
pub(crate) fn service_and_region(headers: &HeaderMap) -> (&str, Option<&str>) {
    let scope: Vec<&str> = text(headers, header::AUTHORIZATION.as_str()).split('/').collect();
    let region = scope.get(2).copied().filter(|_| scope.len() > 4);
    let service = match target(headers).0 {
        "DynamoDB_20120810" | "DynamoDBStreams_20120810" => "dynamodb",
        "Kinesis_20131202" => "kinesis",
        "AmazonSQS" => "sqs",
        "Logs_20140328" => "logs",
        "GraniteServiceVersion20100801" => "monitoring",
        _ => scope.get(3).copied().unwrap_or(""),
    };
    (service, region)
}

/// Returns the two parts of `X-Amz-Target`: the version of the service, and the operation.
pub(crate) fn target(headers: &HeaderMap) -> (&str, &str) {
    let target = text(headers, "x-amz-target");
    target.split_once('.').unwrap_or((target, ""))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

pub(crate) fn json_response(status: StatusCode, content_type: &'static str, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], value.to_string()).into_response()
}

pub(crate) fn error_response(status: StatusCode, code: &str, message: &str) -> Response {
    json_response(status, JSON_1_1, &json!({"__type": code, "message": message}))
}

/// Returns a new request id in the form of a UUID.
pub(crate) fn new_request_id() -> String {
    let digits = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// Adds the header with the request id to a response that lacks it.
pub(crate) fn add_request_id(response: &mut Response, service: &str, request_id: &str) {
    let Ok(value) = HeaderValue::from_str(request_id) else { return };
    let name = if service == "s3" { "x-amz-request-id" } else { "x-amzn-requestid" };
    response.headers_mut().entry(name).or_insert(value);
}
