//! The gateway: has calls authorized, proxies to a backend and writes the access log.

mod access_log;
pub mod authorization;
mod call;
mod route;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::access_log::log_format::ApiKind;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_support::clock::now_ms;
use rand::Rng;
use serde_json::{Value, json};

pub use call::{Call, IDENTITY_HEADER};
pub use route::Route;

use crate::apigateway::authorization::{Authorization, Verdict, add_rate_limit_headers, refusal};
use crate::cloudwatch::{MetricName, MetricStore};
use crate::cloudwatch_logs::log_group::{LogError, LogGroup};
use crate::lambda::Function;
use crate::names::{API_ID, API_NAME, stage_name};

/// What CloudWatch Logs bills for an event beside its text. Source: CloudWatch Logs API Reference, `PutLogEvents`.
const EVENT_BYTES: usize = 26;

/// The gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ApiKind,
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
    /// A gateway of an API of this kind in front of `backend`, as `http://HOST:PORT`.
    pub fn new(
        kind: ApiKind,
        authorization: Authorization,
        usage_endpoint: Arc<Function>,
        backend: String,
        log_group: Arc<LogGroup>,
        metrics: Arc<MetricStore>,
    ) -> Self {
        let request_prefix = format!("{:016x}", rand::rng().random::<u64>());
        let inner = Inner {
            kind,
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
    let (mut call, body) = inner.call(request);
    let verdict = match call.route {
        Some(route) if route.needs_key() => inner.authorization.verdict(&call).await,
        Some(_) => Verdict::OPEN,
        None => Verdict::NoRoute,
    };
    let mut response = match (&verdict, call.route) {
        (Verdict::Admitted { principal_id, context }, Some(Route::Usage)) => {
            inner.usage(&call.integration_event(principal_id, context)).await
        }
        (Verdict::Admitted { .. }, _) => inner.proxy(&mut call, body).await,
        _ => refusal(inner.kind, &verdict),
    };
    inner.tell(response.status());
    if inner.kind == ApiKind::Rest {
        add_rate_limit_headers(&verdict, response.headers_mut());
    }
    // The call is answered only once it is logged, so that no answer that a
    // client has seen can be missing from the ledger.
    if let Err(error) = inner.log(&call, &verdict, response.status()).await {
        tracing::error!(%error, "a call could not be logged");
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
        let route = Route::of(self.kind, &parts.method, parts.uri.path());
        let request_id = format!("{}{number:012x}=", self.request_prefix);
        (Call { kind: self.kind, parts, route, request_id, requested_at_ms }, body)
    }

    /// The header of a response that has the id of its request.
    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static(match self.kind {
            ApiKind::Rest => "x-amz-apigw-id",
            ApiKind::Http => "apigw-requestid",
        })
    }

    async fn log(&self, call: &Call, verdict: &Verdict, status: StatusCode) -> Result<(), LogError> {
        let api_key_id = verdict.context("apiKeyId").as_str();
        let line = access_log::line(call, api_key_id, status, now_ms() - call.requested_at_ms);
        self.tell_logged(line.len());
        self.log_group.append(&self.log_stream, now_ms(), vec![line]).await
    }

    /// Tells the metrics that API Gateway has of a stage.
    ///
    /// Source: API Gateway Developer Guide, "Amazon API Gateway dimensions and
    /// metrics" and "Monitor CloudWatch metrics for HTTP APIs".
    fn tell(&self, status: StatusCode) {
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

    /// Tells the metric that CloudWatch Logs has of a log group.
    fn tell_logged(&self, line_bytes: usize) {
        let metric = MetricName::new("AWS/Logs", "IncomingBytes", [("LogGroupName", self.log_group.name())]);
        let bytes = u64::try_from(line_bytes + EVENT_BYTES).unwrap_or(0);
        self.metrics.record(metric, now_ms(), [bytes]);
    }

    /// Calls the usage endpoint as a Lambda proxy integration.
    async fn usage(&self, event: &Value) -> Response {
        let answer = self.usage_endpoint.invoke(Bytes::from(event.to_string())).await;
        let answer: Value = match answer.map(|answer| serde_json::from_slice(&answer)) {
            Ok(Ok(answer)) => answer,
            problem => {
                tracing::warn!(?problem, "the usage endpoint gives no answer");
                return self.failed_integration();
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

    /// What API Gateway answers where a function fails.
    fn failed_integration(&self) -> Response {
        match self.kind {
            ApiKind::Rest => message(StatusCode::BAD_GATEWAY, "Internal server error"),
            ApiKind::Http => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }

    async fn proxy(&self, call: &mut Call, body: Body) -> Response {
        let path = call.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Ok(uri) = format!("{}{path}", self.backend).parse::<Uri>() else {
            return message(StatusCode::BAD_REQUEST, "the path cannot be passed on");
        };
        // The backend is spoken to by HTTP/1.1, whatever the client speaks.
        let mut request = Request::new(body);
        *request.method_mut() = call.parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = std::mem::take(&mut call.parts.headers);
        // The backend has no use for the key, and should not log it.
        request.headers_mut().remove(IDENTITY_HEADER);
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
