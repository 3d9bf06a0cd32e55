//! REST protocol of S3, with path-style requests.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use super::listing::{ListRequest, element, not_offered};
use super::store::{S3Error, S3Store};
use crate::api::tables::S3;
use crate::api::{Problem, Refusal, check_texts};

/// Headers of S3 that have no effect here: details of the signature, the user agent, and the
/// request for a checksum, which this service does not store.
const IGNORED_HEADERS: [&str; 5] =
    ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-user-agent", "x-amz-checksum-mode"];
/// Other headers that change the result of `GetObject`. A request with one of them is refused.
const CONDITIONS: [header::HeaderName; 5] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

pub fn handle(store: &S3Store, parts: &Parts, request_id: &str) -> Response {
    dispatch(store, parts).unwrap_or_else(|error| {
        let mut xml = String::from(r#"<?xml version="1.0" encoding="UTF-8"?><Error>"#);
        element(&mut xml, "Code", error.code);
        element(&mut xml, "Message", &error.message);
        element(&mut xml, "Resource", parts.uri.path());
        element(&mut xml, "RequestId", request_id);
        xml.push_str("</Error>");
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
    })
}

fn dispatch(store: &S3Store, parts: &Parts) -> Result<Response, S3Error> {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let (bucket, key) = (percent_decode(bucket)?, percent_decode(key)?);
    let query = parts.uri.query().unwrap_or("");
    if bucket.is_empty() {
        return Err(not_offered(&format!("{} / without a bucket", parts.method)));
    }
    let operation = match (key.is_empty(), &parts.method) {
        (true, &Method::GET) if query.split('&').any(|parameter| parameter == "list-type=2") => {
            "ListObjectsV2"
        }
        (true, &Method::GET) => return Err(not_offered("GET of a bucket without list-type=2")),
        (false, &Method::GET) => "GetObject",
        (false, &Method::DELETE) => "DeleteObject",
        (true, other) => return Err(not_offered(&format!("{other} of a bucket"))),
        (false, other) => return Err(not_offered(&format!("{other} of an object"))),
    };
    let parameters = form_urlencoded::parse(query.as_bytes()).into_owned();
    // An empty delimiter, which `aws s3 ls --recursive` sends, has no effect.
    let parameters = parameters.filter(|(name, value)| name != "delimiter" || !value.is_empty());
    let mut parameters =
        Value::Object(parameters.map(|(name, value)| (name, Value::String(value))).collect());
    check_texts(&S3, operation, &mut parameters).map_err(refused)?;
    refuse_headers(&parts.headers)?;
    match operation {
        "ListObjectsV2" => {
            let xml = ListRequest::from_parameters(&parameters)?.execute(store, &bucket)?;
            Ok(([(header::CONTENT_TYPE, "application/xml")], xml).into_response())
        }
        "GetObject" => get(store, &bucket, &key),
        _ => store.delete(&bucket, &key).map(|()| StatusCode::NO_CONTENT.into_response()),
    }
}

fn refused(Refusal { problem, message }: Refusal) -> S3Error {
    match problem {
        Problem::UnknownOperation | Problem::UnknownParameter => S3Error::new(501, "NotImplemented", message),
        Problem::WrongType | Problem::BrokenLimit => S3Error::new(400, "InvalidArgument", message),
    }
}

fn refuse_headers(headers: &HeaderMap) -> Result<(), S3Error> {
    let is_refused = |name: &&header::HeaderName| {
        CONDITIONS.contains(name)
            || (name.as_str().starts_with("x-amz-") && !IGNORED_HEADERS.contains(&name.as_str()))
    };
    match headers.keys().find(is_refused) {
        Some(name) => Err(not_offered(&format!("the header {name}"))),
        None => Ok(()),
    }
}

fn get(store: &S3Store, bucket: &str, key: &str) -> Result<Response, S3Error> {
    let (content, summary) = store.get(bucket, key)?;
    let modified = Timestamp::try_from(summary.modified).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ETAG, format!("\"{}\"", summary.etag)),
        (header::LAST_MODIFIED, modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
    ];
    Ok((headers, content).into_response())
}

/// Decodes a percent-encoded part of a path.
fn percent_decode(text: &str) -> Result<String, S3Error> {
    let invalid = || {
        S3Error::new(
            400,
            "InvalidURI",
            format!("the path contains {text:?}, which is not percent-encoded UTF-8"),
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().ok_or_else(invalid)?, rest.next().ok_or_else(invalid)?];
            let digits = std::str::from_utf8(&digits).map_err(|_| invalid())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| invalid())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}
