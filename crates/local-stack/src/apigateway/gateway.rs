//! Serves the API: authorizes a call, forwards it to the backend, and writes its line of the access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::access_log::log_format::ApiKind;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use deployment::names::KEY_HEADER;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::Rng;
use serde_json::{Value, json};
use system_clock::now_ms;

use super::access_log::{self, Answer};
use super::authorization::{Authorization, Verdict, add_rate_limit_headers, refusal};
use super::call::Call;
use super::route::Route;
use crate::cloudwatch::{MetricName, MetricStore};
use crate::cloudwatch_logs::log_group::{LogError, LogGroup};
use crate::lambda::Function;
use crate::lambda::payload::http_response;
use crate::names::{API_ID, API_NAME, stage_name};
use crate::stack::AccessLogFields;

/// Size of a log event beside its message, in bytes. Source: CloudWatch Logs API Reference, `PutLogEvents`.
const EVENT_BYTES: usize = 26;

/// Maximum length of the body of a response, in bytes. Source: API Gateway Developer Guide, "Quotas for
/// configuring and running a REST API" ("Payload size"), and likewise for an HTTP API.
const MAX_PAYLOAD_BYTES: usize = 10 << 20;

/// Serves the API.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ApiKind,
    fields: AccessLogFields,
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

impl Gateway {
    /// Returns a gateway in front of `backend`, which is a URL `http://HOST:PORT`.
    pub fn new(
        kind: ApiKind,
        fields: AccessLogFields,
        authorization: Authorization,
        usage_endpoint: Arc<Function>,
        backend: String,
        log_group: Arc<LogGroup>,
        metrics: Arc<MetricStore>,
    ) -> Self {
        let request_prefix = format!("{:016x}", rand::rng().random::<u64>());
        let inner = Inner {
            kind,
            fields,
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

    /// Returns a router that answers every path.
    pub fn router(self) -> Router {
        Router::new().fallback(serve).with_state(self)
    }
}

async fn serve(State(gateway): State<Gateway>, request: Request) -> Response {
    let inner = &*gateway.inner;
    let (mut call, body) = inner.call(request);
    let verdict = match call.route {
        Some(route) if route.needs_key() => inner.authorization.verdict(&call).await,
        Some(_) => Verdict::OPEN,
        None => Verdict::NoRoute,
    };
    let response = match (&verdict, call.route) {
        (Verdict::Admitted { principal_id, context }, Some(Route::Usage)) => {
            inner.usage(&call.integration_event(principal_id, context)).await
        }
        (Verdict::Admitted { .. }, _) => inner.proxy(&mut call, body).await,
        _ => refusal(inner.kind, &verdict),
    };
    let (mut response, response_bytes) = inner.measure(response).await;
    inner.record_metrics(response.status());
    if inner.kind == ApiKind::Rest {
        add_rate_limit_headers(&verdict, response.headers_mut());
    }
    // A call is answered only after it is logged. Otherwise the ledger could lack a call whose answer
    // the client has seen.
    if let Err(error) = inner.log(&call, &verdict, response.status(), response_bytes).await {
        tracing::error!(%error, "could not log a call");
        return message(StatusCode::INTERNAL_SERVER_ERROR, "the access log cannot be written");
    }
    if let Ok(id) = HeaderValue::from_str(&call.request_id) {
        response.headers_mut().insert(inner.request_id_header(), id);
    }
    response
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, [(http::header::CONTENT_TYPE, "application/json")], json!({"message": text}).to_string())
        .into_response()
}

impl Inner {
    fn call(&self, request: Request) -> (Call, Body) {
        let requested_at_ms = now_ms();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let (parts, body) = request.into_parts();
        let route = Route::find(self.kind, &parts.method, parts.uri.path());
        let request_id = format!("{}{number:012x}=", self.request_prefix);
        (Call { kind: self.kind, parts, route, request_id, requested_at_ms }, body)
    }

    /// Returns the name of the response header that has the id of the request.
    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static(match self.kind {
            ApiKind::Rest => "x-amz-apigw-id",
            ApiKind::Http => "apigw-requestid",
        })
    }

    /// Returns the response, and the length of its body in bytes if it is logged. API Gateway reads the whole
    /// body before it answers.
    async fn measure(&self, response: Response) -> (Response, Option<usize>) {
        if !self.fields.response_length {
            return (response, None);
        }
        let (parts, body) = response.into_parts();
        match axum::body::to_bytes(body, MAX_PAYLOAD_BYTES).await {
            Ok(body) => {
                let bytes = body.len();
                (Response::from_parts(parts, Body::from(body)), Some(bytes))
            }
            Err(error) => {
                tracing::warn!(%error, "the response cannot be read, or is larger than API Gateway allows");
                (self.failed_integration(), Some(0))
            }
        }
    }

    async fn log(
        &self,
        call: &Call,
        verdict: &Verdict,
        status: StatusCode,
        response_bytes: Option<usize>,
    ) -> Result<(), LogError> {
        let context = |name: &str| verdict.context(name).as_str();
        let answer = Answer { status, latency_ms: now_ms() - call.requested_at_ms, response_bytes };
        let line = access_log::line(call, context, &answer);
        self.record_logged_bytes(line.len());
        self.log_group.append(&self.log_stream, now_ms(), vec![line]).await
    }

    /// Records the metrics that API Gateway has of a stage.
    ///
    /// Source: API Gateway Developer Guide, "Amazon API Gateway dimensions and
    /// metrics" and "Monitor CloudWatch metrics for HTTP APIs".
    fn record_metrics(&self, status: StatusCode) {
        let (names, api) = match self.kind {
            ApiKind::Rest => (["Count", "4XXError", "5XXError"], ("ApiName", API_NAME)),
            ApiKind::Http => (["Count", "4xx", "5xx"], ("ApiId", API_ID)),
        };
        let values = [true, status.is_client_error(), status.is_server_error()].map(u64::from);
        for (name, value) in names.into_iter().zip(values) {
            let stage = ("Stage", stage_name(self.kind));
            self.metrics.record(MetricName::new("AWS/ApiGateway", name, [api, stage]), now_ms(), [value]);
        }
    }

    /// Records the metric that CloudWatch Logs has of a log group.
    fn record_logged_bytes(&self, line_bytes: usize) {
        let metric = MetricName::new("AWS/Logs", "IncomingBytes", [("LogGroupName", self.log_group.name())]);
        let bytes = u64::try_from(line_bytes + EVENT_BYTES).unwrap_or(0);
        self.metrics.record(metric, now_ms(), [bytes]);
    }

    /// Invokes the usage endpoint as a Lambda proxy integration.
    async fn usage(&self, event: &Value) -> Response {
        let answer = self.usage_endpoint.invoke(Bytes::from(event.to_string())).await;
        let answer: Value = match answer.map(|answer| serde_json::from_slice(&answer)) {
            Ok(Ok(answer)) => answer,
            problem => {
                tracing::warn!(?problem, "the usage endpoint returned no usable response");
                return self.failed_integration();
            }
        };
        http_response(&answer, self.kind == ApiKind::Http).unwrap_or_else(|| self.failed_integration())
    }

    /// Returns the response of API Gateway to a call whose function failed.
    fn failed_integration(&self) -> Response {
        match self.kind {
            ApiKind::Rest => message(StatusCode::BAD_GATEWAY, "Internal server error"),
            ApiKind::Http => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }

    async fn proxy(&self, call: &mut Call, body: Body) -> Response {
        let path = call.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(uri) = format!("{}{path}", self.backend).parse::<Uri>() else {
            return message(StatusCode::BAD_REQUEST, "the path cannot be forwarded");
        };
        // The request to the backend has HTTP/1.1, whichever version the client uses.
        let mut request = Request::new(body);
        *request.method_mut() = call.parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = std::mem::take(&mut call.parts.headers);
        // The backend does not need the API key and should not log it.
        request.headers_mut().remove(KEY_HEADER);
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
