//! The gateway: has calls authorized, proxies to a backend and writes the access log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use access_log::log_format::ApiKind;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use lambda_support::clock::now_ms;
use rand::Rng;
use serde_json::{Value, json};

use crate::authorization::{
    Authorization, Verdict, add_rate_limit_headers, query_parameters, refusal, resource,
};
use crate::cloudwatch::{MetricName, MetricStore};
use crate::lambda::Function;
use crate::log_group::LogGroup;

/// The id of the gateway's API.
pub const API_ID: &str = "local";
/// The name of its API.
const API_NAME: &str = "usage-example-local";
/// The name of its stage, and of the environment that a local stack is.
pub const STAGE: &str = "local";
/// What CloudWatch Logs bills for an event beside its text. Source: CloudWatch Logs API Reference, `PutLogEvents`.
const EVENT_BYTES: usize = 26;
/// Paths below this need no key.
const PUBLIC_PREFIX: &str = "/public/";
/// Where customers see their usage. It is a method of its own, whose calls are
/// neither logged to the metered log group nor billed.
const USAGE_PATH: &str = "/usage";

/// The gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    authorization: Authorization,
    usage_endpoint: Arc<Function>,
    backend: String,
    log_group: Arc<LogGroup>,
    metrics: Arc<MetricStore>,
    log_stream: String,
    client: Client<HttpConnector, Body>,
    request_prefix: String,
    requests: AtomicU64,
}

/// What the access log tells about a call.
struct Call {
    extended_request_id: String,
    api_key_id: Option<String>,
    requested_at_ms: i64,
    method: String,
}

impl Gateway {
    /// A gateway in front of `backend`, as `http://HOST:PORT`.
    pub fn new(
        authorization: Authorization,
        usage_endpoint: Arc<Function>,
        backend: String,
        log_group: Arc<LogGroup>,
        metrics: Arc<MetricStore>,
    ) -> Self {
        let request_prefix = format!("{:016x}", rand::rng().random::<u64>());
        let inner = Inner {
            authorization,
            usage_endpoint,
            backend,
            log_group,
            metrics,
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
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let method = parts.method.to_string();
    let verdict = if path.starts_with(PUBLIC_PREFIX) {
        Verdict::Admitted(Value::Null)
    } else {
        inner.authorization.verdict(&parts).await
    };
    let mut response = match &verdict {
        Verdict::Admitted(context) if path == USAGE_PATH => inner.usage(&parts, context).await,
        Verdict::Admitted(_) => inner.proxy(Request::from_parts(parts, body)).await,
        _ => refusal(&verdict),
    };
    inner.tell(response.status());
    add_rate_limit_headers(&verdict, response.headers_mut());
    if path == USAGE_PATH {
        return response;
    }
    let call = Call {
        extended_request_id: format!("{}{number:012x}=", inner.request_prefix),
        api_key_id: verdict.context("apiKeyId").as_str().map(str::to_owned),
        requested_at_ms,
        method,
    };
    let line = access_log_line(&call, response.status());
    // The call is answered only once it is logged, so that no answer that a
    // client has seen can be missing from the ledger.
    inner.tell_logged(line.len());
    if let Err(error) = inner.log_group.append(&inner.log_stream, now_ms(), vec![line]).await {
        tracing::error!(%error, "a call could not be logged");
        return message(StatusCode::INTERNAL_SERVER_ERROR, "the access log cannot be written");
    }
    if let Ok(id) = HeaderValue::from_str(&call.extended_request_id) {
        response.headers_mut().insert("x-amz-apigw-id", id);
    }
    response
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, [(http::header::CONTENT_TYPE, "application/json")], json!({"message": text}).to_string())
        .into_response()
}

impl Inner {
    /// Tells the metrics that API Gateway has of a stage.
    fn tell(&self, status: StatusCode) {
        let is = |class: bool| u64::from(class);
        for (metric, value) in [
            ("Count", 1),
            ("4XXError", is(status.is_client_error())),
            ("5XXError", is(status.is_server_error())),
        ] {
            let metric = MetricName::new("AWS/ApiGateway", metric, [("ApiName", API_NAME), ("Stage", STAGE)]);
            self.metrics.record(metric, now_ms(), [value]);
        }
    }

    /// Tells the metric that CloudWatch Logs has of a log group.
    fn tell_logged(&self, line_bytes: usize) {
        let metric = MetricName::new("AWS/Logs", "IncomingBytes", [("LogGroupName", self.log_group.name())]);
        let bytes = u64::try_from(line_bytes + EVENT_BYTES).unwrap_or(0);
        self.metrics.record(metric, now_ms(), [bytes]);
    }

    /// Calls the usage endpoint as a Lambda proxy integration.
    async fn usage(&self, parts: &Parts, context: &Value) -> Response {
        let parameters = query_parameters(parts);
        let parameters = if parameters.is_empty() { Value::Null } else { Value::Object(parameters) };
        let event = json!({
            "resource": resource(parts.uri.path()), "path": parts.uri.path(), "httpMethod": parts.method.as_str(),
            "queryStringParameters": parameters,
            "requestContext": {"apiId": API_ID, "stage": STAGE, "authorizer": context},
        });
        let answer = self.usage_endpoint.invoke(Bytes::from(event.to_string())).await;
        let answer: Value = match answer.map(|answer| serde_json::from_slice(&answer)) {
            Ok(Ok(answer)) => answer,
            problem => {
                tracing::warn!(?problem, "the usage endpoint gives no answer");
                return message(StatusCode::BAD_GATEWAY, "Internal server error");
            }
        };
        let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let mut response = Response::new(Body::from(answer["body"].as_str().unwrap_or("").to_owned()));
        *response.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            let (name, value) = (name.parse::<http::HeaderName>(), value.as_str().unwrap_or("").parse());
            if let (Ok(name), Ok(value)) = (name, value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    async fn proxy(&self, mut request: Request) -> Response {
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(uri) = format!("{}{path}", self.backend).parse::<Uri>() else {
            return message(StatusCode::BAD_REQUEST, "the path cannot be passed on");
        };
        *request.uri_mut() = uri;
        // The backend is spoken to by HTTP/1.1, whatever the client speaks.
        *request.version_mut() = http::Version::HTTP_11;
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
fn access_log_line(call: &Call, status: StatusCode) -> String {
    let latency_ms = now_ms() - call.requested_at_ms;
    let request_time = Timestamp::from_millisecond(call.requested_at_ms)
        .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
        .unwrap_or_default();
    let values = HashMap::from([
        ("extendedRequestId", call.extended_request_id.clone()),
        ("authorizer.apiKeyId", call.api_key_id.clone().unwrap_or_else(|| "-".to_owned())),
        ("requestTimeEpoch", call.requested_at_ms.to_string()),
        ("requestTime", request_time),
        ("status", status.as_u16().to_string()),
        ("responseLatency", latency_ms.to_string()),
        ("httpMethod", call.method.clone()),
        ("resourcePath", "/{proxy+}".to_owned()),
        ("stage", STAGE.to_owned()),
        ("apiId", API_ID.to_owned()),
    ]);
    fill_in(ApiKind::Rest.access_log_format(), &values)
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
        let line: serde_json::Value =
            serde_json::from_str(&fill_in(ApiKind::Rest.access_log_format(), &values)).unwrap();
        assert_eq!(
            (&line["status"], &line["key"], &line["stage"]),
            (&json!("200"), &json!("a\"b"), &json!("-"))
        );
    }
}
