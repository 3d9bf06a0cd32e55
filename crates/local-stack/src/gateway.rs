//! The gateway: admits keys, proxies to a backend and writes the access log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use access_log::log_format::ACCESS_LOG_FORMAT;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use lambda_support::clock::now_ms;
use rand::Rng;
use serde_json::json;

use crate::key_file::KeyIds;
use crate::log_group::LogGroup;

/// Paths below this need no key.
const PUBLIC_PREFIX: &str = "/public/";

/// The gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    keys: KeyIds,
    backend: String,
    log_group: Arc<LogGroup>,
    log_stream: String,
    client: Client<HttpConnector, Body>,
    request_prefix: String,
    requests: AtomicU64,
}

/// What the access log tells about a call.
struct Call<'a> {
    extended_request_id: String,
    api_key_id: Option<&'a str>,
    requested_at_ms: i64,
    method: String,
}

impl Gateway {
    /// A gateway in front of `backend`, as `http://HOST:PORT`.
    pub fn new(keys: KeyIds, backend: String, log_group: Arc<LogGroup>) -> Self {
        let request_prefix = format!("{:016x}", rand::rng().random::<u64>());
        let inner = Inner {
            keys,
            backend,
            log_group,
            log_stream: format!("gateway-{request_prefix}"),
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            request_prefix,
            requests: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The router that answers every path.
    pub fn router(self) -> Router {
        Router::new().fallback(serve).with_state(self)
    }
}

async fn serve(State(gateway): State<Gateway>, request: Request) -> Response {
    let inner = &*gateway.inner;
    let requested_at_ms = now_ms();
    let number = inner.requests.fetch_add(1, Ordering::Relaxed);
    let api_key_id = api_key(request.headers()).and_then(|key| inner.keys.get(key)).map(String::as_str);
    let call = Call {
        extended_request_id: format!("{}{number:012x}=", inner.request_prefix),
        api_key_id,
        requested_at_ms,
        method: request.method().to_string(),
    };
    let is_public = request.uri().path().starts_with(PUBLIC_PREFIX);
    let mut response = match (api_key_id, is_public) {
        (None, false) => {
            let problem = if api_key(request.headers()).is_some() { "unknown" } else { "missing" };
            message(StatusCode::FORBIDDEN, &format!("the x-api-key header is {problem}"))
        }
        _ => inner.proxy(request).await,
    };
    let line = access_log_line(&call, response.status());
    // The call is answered only once it is logged, so that no answer that a
    // client has seen can be missing from the ledger.
    if let Err(error) = inner.log_group.append(&inner.log_stream, now_ms(), vec![line]).await {
        tracing::error!(%error, "a call could not be logged");
        return message(StatusCode::INTERNAL_SERVER_ERROR, "the access log cannot be written");
    }
    if let Ok(id) = HeaderValue::from_str(&call.extended_request_id) {
        response.headers_mut().insert("x-amz-apigw-id", id);
    }
    response
}

fn api_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-api-key").and_then(|value| value.to_str().ok())
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, [(http::header::CONTENT_TYPE, "application/json")], json!({"message": text}).to_string())
        .into_response()
}

impl Inner {
    async fn proxy(&self, mut request: Request) -> Response {
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(uri) = format!("{}{path}", self.backend).parse::<Uri>() else {
            return message(StatusCode::BAD_REQUEST, "the path cannot be passed on");
        };
        *request.uri_mut() = uri;
        // The backend has no use for the key, and should not log it.
        request.headers_mut().remove("x-api-key");
        request.headers_mut().remove(http::header::HOST);
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::warn!(%error, "the backend cannot be reached");
                message(StatusCode::BAD_GATEWAY, "the backend cannot be reached")
            }
        }
    }
}

/// Fills in the documented format, as API Gateway does.
fn access_log_line(call: &Call<'_>, status: StatusCode) -> String {
    let latency_ms = now_ms() - call.requested_at_ms;
    let request_time = Timestamp::from_millisecond(call.requested_at_ms)
        .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
        .unwrap_or_default();
    let values = HashMap::from([
        ("extendedRequestId", call.extended_request_id.clone()),
        ("authorizer.apiKeyId", call.api_key_id.unwrap_or("-").to_owned()),
        ("requestTimeEpoch", call.requested_at_ms.to_string()),
        ("requestTime", request_time),
        ("status", status.as_u16().to_string()),
        ("responseLatency", latency_ms.to_string()),
        ("httpMethod", call.method.clone()),
        ("resourcePath", "/{proxy+}".to_owned()),
        ("stage", "local".to_owned()),
        ("apiId", "local".to_owned()),
    ]);
    fill_in(ACCESS_LOG_FORMAT, &values)
}

/// Replaces each `$context.NAME` by its value, or by `-`.
fn fill_in(format: &str, values: &HashMap<&str, String>) -> String {
    let mut line = String::with_capacity(512);
    let mut parts = format.split("$context.");
    line.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let end = part.find('"').unwrap_or(part.len());
        let value = values.get(&part[..end]).map_or("-", String::as_str);
        // Whatever a key id holds, the line stays valid JSON.
        let escaped = serde_json::Value::from(value).to_string();
        line.push_str(&escaped[1..escaped.len() - 1]);
        line.push_str(&part[end..]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_filled_in_and_what_is_unknown_becomes_a_dash() {
        let values =
            HashMap::from([("status", "200".to_owned()), ("authorizer.apiKeyId", "a\"b".to_owned())]);
        let line: serde_json::Value = serde_json::from_str(&fill_in(ACCESS_LOG_FORMAT, &values)).unwrap();
        assert_eq!(
            (&line["status"], &line["apiKeyId"], &line["stage"]),
            (&json!("200"), &json!("a\"b"), &json!("-"))
        );
    }
}
