//! Events and responses of functions that answer HTTP requests.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::names::ACCOUNT_ID;

/// A request of an HTTP API or a function URL, without its body.
pub struct HttpRequest<'r> {
    pub parts: &'r Parts,
    /// The id of the API, or of the function URL.
    pub api_id: &'r str,
    /// The key of the route; `$default` for a function URL.
    pub route_key: &'r str,
    /// The name of the stage; `$default` for a function URL.
    pub stage: &'r str,
    pub request_id: &'r str,
    /// Time at which the request arrived, in milliseconds since 1970.
    pub requested_at_ms: i64,
}

impl HttpRequest<'_> {
    /// Returns the event of payload format 2.0. Members without a value are omitted. `further_context` are members that
    /// only some events have.
    ///
    /// Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" and "Control access to
    /// HTTP APIs with AWS Lambda authorizers"; Lambda Developer Guide, "Invoking Lambda function URLs".
    pub fn payload_2(&self, further_context: &Value) -> Value {
        let parts = self.parts;
        let (headers, cookies) = joined_headers(&parts.headers);
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let mut context = json!({
            "accountId": ACCOUNT_ID, "apiId": self.api_id, "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": parts.method.as_str(), "path": parts.uri.path(), "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": agent.unwrap_or("")},
            "requestId": self.request_id, "routeKey": self.route_key, "stage": self.stage,
            "time": request_time(self.requested_at_ms), "timeEpoch": self.requested_at_ms,
        });
        for (name, value) in further_context.as_object().into_iter().flatten() {
            context[name] = value.clone();
        }
        let mut event = json!({
            "version": "2.0", "routeKey": self.route_key, "rawPath": parts.uri.path(),
            "rawQueryString": parts.uri.query().unwrap_or(""), "headers": headers, "requestContext": context,
        });
        let parameters = query(parts, |earlier, value| format!("{earlier},{value}"));
        if !parameters.is_empty() {
            event["queryStringParameters"] = json!(parameters);
        }
        if !cookies.is_empty() {
            event["cookies"] = json!(cookies);
        }
        event
    }
}

/// Returns a time in the form of `$context.requestTime`.
pub fn request_time(at_ms: i64) -> String {
    let time = Timestamp::from_millisecond(at_ms);
    time.map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()).unwrap_or_default()
}

/// Returns the query parameters. `combine` joins two values of one parameter.
pub fn query(parts: &Parts, combine: impl Fn(&str, &str) -> String) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()) {
        let value = match parameters.get(&*name).and_then(Value::as_str) {
            Some(earlier) => combine(earlier, &value),
            None => value.into_owned(),
        };
        parameters.insert(name.into_owned(), value.into());
    }
    parameters
}

/// Returns the values of a header joined by commas, as payload format 2.0 joins them.
pub fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Returns the headers with lower-case names and joined values, and the cookies separately.
fn joined_headers(headers: &HeaderMap) -> (Map<String, Value>, Vec<String>) {
    let names = headers.keys().filter(|name| **name != COOKIE);
    let values =
        names.filter_map(|name| Some((name.to_string(), joined(headers, name.as_str())?.into()))).collect();
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.flat_map(|value| value.split("; ")).map(str::to_owned);
    (values, cookies.collect())
}

/// Returns the HTTP response that a function has returned, or `None` if it has no status code or a status that is none,
/// or a body that is not the base64 that it should be. A REST API without binary media types decodes no base64.
pub fn http_response(returned: &Value, decodes_base64: bool) -> Option<Response> {
    let status = returned["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok())?;
    let body = returned["body"].as_str().unwrap_or("");
    let body = match returned["isBase64Encoded"].as_bool() {
        Some(true) if decodes_base64 => STANDARD.decode(body).ok()?,
        _ => body.as_bytes().to_vec(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in returned["headers"].as_object().into_iter().flatten() {
        let (name, value) = (name.parse::<HeaderName>(), value.as_str().unwrap_or("").parse());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body(returned: Value, decodes_base64: bool) -> Option<Vec<u8>> {
        let body = http_response(&returned, decodes_base64)?.into_body();
        Some(body.collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn base64_is_decoded_where_aws_decodes_it() {
        let encoded = json!({"statusCode": 200, "isBase64Encoded": true, "body": "H4sI"});
        assert_eq!(body(encoded.clone(), true).await, Some(vec![0x1f, 0x8b, 0x08]));
        assert_eq!(body(encoded, false).await, Some(b"H4sI".to_vec()));
        let text = json!({"statusCode": 200, "isBase64Encoded": false, "body": "H4sI"});
        assert_eq!(body(text, true).await, Some(b"H4sI".to_vec()));
        let damaged = json!({"statusCode": 200, "isBase64Encoded": true, "body": "H4s!"});
        assert_eq!(body(damaged, true).await, None);
    }
}
