//! One endpoint for all services: what `AWS_ENDPOINT_URL` points at.
//!
//! A request names its service in the scope of its signature. DynamoDB
//! requests are handed on to the embedded database, through the faults that
//! were asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_support::clock::now_ms;
use serde_json::{Value, json};

use crate::authorization::AnswerCache;
use crate::cloudwatch::{self, MetricName, MetricStore};
use crate::faults::{Faults, WriteFault};
use crate::gateway::{API_ID, STAGE};
use crate::kinesis::{self, KinesisError, KinesisStore};
use crate::lagging_index::LaggingIndex;
use crate::logs::LogsService;
use crate::notifications::Notifications;
use crate::queues::Queues;
use crate::s3::{self, S3Store};
use crate::stack::STREAM;
use crate::torn_transactions::{self, Reply};

/// More than any request of these services may have.
const MAX_BODY_BYTES: usize = 32 << 20;

/// The services behind the endpoint.
#[derive(Clone)]
pub struct AwsEndpoint {
    /// Where the embedded DynamoDB listens.
    pub dynamodb: SocketAddr,
    /// The streams.
    pub kinesis: Arc<KinesisStore>,
    /// SQS and SNS.
    pub queues: Arc<Queues>,
    /// The objects of S3, on disk.
    pub s3: Arc<S3Store>,
    /// What goes wrong on purpose.
    pub faults: Arc<Faults>,
    /// Where published messages go.
    pub notifications: Arc<Notifications>,
    /// The gateway's cache of authorizer answers.
    pub answers: Arc<AnswerCache>,
    /// The access log.
    pub logs: Arc<LogsService>,
    /// The metrics.
    pub metrics: Arc<MetricStore>,
    /// The index of keys, where it lags.
    pub lagging_index: Option<Arc<LaggingIndex>>,
    /// Hands requests on to the embedded database.
    pub client: DatabaseClient,
}

/// A client of the embedded database.
pub type DatabaseClient = Client<HttpConnector, Full<Bytes>>;

/// A client of the embedded database.
pub fn database_client() -> DatabaseClient {
    Client::builder(TokioExecutor::new()).build(HttpConnector::new())
}

/// The operations of DynamoDB that change something.
const WRITES: [&str; 5] = ["UpdateItem", "PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

impl AwsEndpoint {
    /// The router that answers for the services.
    pub fn router(self) -> Router {
        Router::new().fallback(serve).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(self)
    }

    async fn dynamodb(&self, headers: HeaderMap, body: Bytes) -> Response {
        let operation = target(&headers).1;
        if operation == "Query"
            && let Some(answer) = self.lagging_query(&body)
        {
            return json_response(StatusCode::OK, "application/x-amz-json-1.0", &answer);
        }
        let fault = if WRITES.contains(&operation) { self.faults.write_fault() } else { WriteFault::None };
        if fault == WriteFault::Throttle {
            self.tell_throttle(&body);
            let message = "a throttle that was asked for";
            return error_response(
                StatusCode::BAD_REQUEST,
                "ProvisionedThroughputExceededException",
                message,
            );
        }
        let body = ask_for_consumed_capacity(body);
        let may_tear = operation == "TransactWriteItems" && self.faults.rates().torn_transaction > 0.0;
        let reply = if may_tear {
            torn_transactions::carry_out(self.clone(), headers.clone(), body.clone()).await
        } else {
            self.forward(&headers, operation, body.clone()).await
        };
        let (parts, reply) = match reply {
            Ok(reply) => reply.into_parts(),
            Err(response) => return response,
        };
        if operation == "TransactWriteItems" && parts.status.is_success() {
            self.note_transaction(&body);
        }
        self.tell_consumed(operation, &body, parts.status, &reply);
        if fault == WriteFault::LoseReply {
            return lost_reply();
        }
        Response::from_parts(parts, Body::from(reply))
    }

    /// Hands an operation on to the embedded database, and reads its reply.
    pub(crate) async fn forward(&self, headers: &HeaderMap, operation: &str, body: Bytes) -> Reply {
        let mut request = http::Request::post(format!("http://{}/", self.dynamodb))
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        for name in [header::CONTENT_TYPE, header::AUTHORIZATION] {
            if let Some(value) = headers.get(&name) {
                request = request.header(name, value);
            }
        }
        for name in ["x-amz-date", "x-amz-security-token"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let Ok(request) = request.body(Full::new(body)) else {
            return Err(error_response(
                StatusCode::BAD_REQUEST,
                "SerializationException",
                "the request has no usable headers",
            ));
        };
        match self.client.request(request).await {
            Ok(response) => collect(response).await,
            Err(error) => Err(error_response(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerError",
                &error.to_string(),
            )),
        }
    }

    /// Tells the metrics that DynamoDB has of what a request used. A failed
    /// condition uses one write unit, as the rows here are smaller than 1 KB;
    /// a half unit, of an eventually consistent read, counts as one.
    fn tell_consumed(&self, operation: &str, request: &Bytes, status: StatusCode, reply: &Bytes) {
        let name = if WRITES.contains(&operation) {
            "ConsumedWriteCapacityUnits"
        } else {
            "ConsumedReadCapacityUnits"
        };
        let tell = |table: &str, units: f64| {
            let metric = MetricName::new("AWS/DynamoDB", name, [("TableName", table)]);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "units are few and positive"
            )]
            self.metrics.record(metric, now_ms(), [units.ceil() as u64]);
        };
        if status.is_success() {
            let reply: Value = serde_json::from_slice(reply).unwrap_or_default();
            let consumed = &reply["ConsumedCapacity"];
            let tables = consumed.as_array().map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
            for table in tables {
                if let (Some(name), Some(units)) =
                    (table["TableName"].as_str(), table["CapacityUnits"].as_f64())
                {
                    tell(name, units);
                }
            }
        } else if status == StatusCode::BAD_REQUEST
            && find(reply, b"ConditionalCheckFailed")
            && let Some(table) = table_name(request)
        {
            tell(&table, 1.0);
        }
    }

    /// Tells the metrics that Kinesis has of a stream.
    fn tell_stream(metrics: &MetricStore, operation: &str, request: &Value, reply: &Value) {
        let data = |records: &Value| -> Vec<u64> {
            let records = records.as_array().into_iter().flatten();
            records.map(|record| (record["Data"].as_str().map_or(0, str::len) * 3 / 4) as u64).collect()
        };
        let stream = request["StreamName"].as_str().unwrap_or_default();
        let metric = |name: &str| MetricName::new("AWS/Kinesis", name, [("StreamName", stream)]);
        if operation == "PutRecords" {
            let bytes = data(&request["Records"]);
            metrics.record(metric("IncomingRecords"), now_ms(), [bytes.len() as u64]);
            metrics.record(metric("IncomingBytes"), now_ms(), bytes);
        } else if operation == "GetRecords" {
            // An iterator names its stream; there is one here.
            let metric = MetricName::new("AWS/Kinesis", "GetRecords.Bytes", [("StreamName", STREAM)]);
            metrics.record(metric, now_ms(), data(&reply["Records"]));
        }
    }

    /// Tells the metric that DynamoDB has of a table that throttles.
    fn tell_throttle(&self, body: &Bytes) {
        if let Some(table) = table_name(body) {
            let metric = MetricName::new("AWS/DynamoDB", "WriteThrottleEvents", [("TableName", &table)]);
            self.metrics.record(metric, now_ms(), [1]);
        }
    }

    async fn logs(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let (logs, operation) = (self.logs.clone(), target(headers).1.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            logs.handle(&operation, &serde_json::from_slice(&body).unwrap_or_default())
        });
        match answer.await {
            Ok(Ok(value)) => json_response(StatusCode::OK, "application/x-amz-json-1.1", &value),
            Ok(Err((code, message))) => error_response(StatusCode::BAD_REQUEST, code, &message),
            Err(error) => error_response(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceUnavailableException",
                &error.to_string(),
            ),
        }
    }

    fn lagging_query(&self, body: &Bytes) -> Option<Value> {
        self.lagging_index.as_ref()?.query(&serde_json::from_slice(body).ok()?, now_ms())
    }

    fn note_transaction(&self, body: &Bytes) {
        if let (Some(index), Ok(request)) = (&self.lagging_index, serde_json::from_slice(body)) {
            index.written(&request, now_ms());
        }
    }

    async fn s3(&self, parts: http::request::Parts) -> Response {
        let store = self.s3.clone();
        let answer = tokio::task::spawn_blocking(move || s3::handle(&store, &parts)).await;
        answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }

    async fn sns(&self, parts: http::request::Parts, body: Bytes) -> Response {
        let response = self.queues.sns(parts, body.clone()).await;
        if response.status().is_success() {
            self.notifications.carried_out(&body);
        }
        response
    }

    /// The one operation of API Gateway that the meter uses.
    fn api_gateway(&self, method: &http::Method, path: &str) -> Response {
        let cache = format!("/restapis/{API_ID}/stages/{STAGE}/cache/authorizers");
        if method == http::Method::DELETE && path == cache {
            self.answers.flush();
            return StatusCode::ACCEPTED.into_response();
        }
        let message = format!("the local stack offers DELETE {cache} only");
        error_response(StatusCode::NOT_FOUND, "NotFoundException", &message)
    }

    async fn kinesis(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let operation = target(headers).1.to_owned();
        let (store, metrics) = (self.kinesis.clone(), self.metrics.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let body: Value = serde_json::from_slice(&body).map_err(|error| KinesisError {
                code: "SerializationException",
                message: format!("the request is not JSON: {error}"),
            })?;
            let reply = kinesis::handle(&store, &operation, &body, now_ms())?;
            Self::tell_stream(&metrics, &operation, &body, &reply);
            Ok::<_, KinesisError>(reply)
        });
        match answer.await {
            Ok(Ok(value)) => json_response(StatusCode::OK, "application/x-amz-json-1.1", &value),
            Ok(Err(error)) if error.is_internal() => {
                error_response(StatusCode::INTERNAL_SERVER_ERROR, error.code, &error.message)
            }
            Ok(Err(error)) => error_response(StatusCode::BAD_REQUEST, error.code, &error.message),
            Err(error) => error_response(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalFailureException",
                &error.to_string(),
            ),
        }
    }
}

async fn serve(State(endpoint): State<AwsEndpoint>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return error_response(StatusCode::BAD_REQUEST, "SerializationException", &error.to_string());
        }
    };
    match service(&parts.headers) {
        "dynamodb" => endpoint.dynamodb(parts.headers, body).await,
        "kinesis" => endpoint.kinesis(&parts.headers, body).await,
        "sqs" => endpoint.queues.sqs(target(&parts.headers).1, &parts.headers, body).await,
        "sns" => endpoint.sns(parts, body).await,
        "logs" => endpoint.logs(&parts.headers, body).await,
        "s3" => endpoint.s3(parts).await,
        "monitoring" => cloudwatch::api::handle(&endpoint.metrics, parts.uri.path(), &body),
        "apigateway" => endpoint.api_gateway(&parts.method, parts.uri.path()),
        other => {
            let message = format!(
                "the local stack offers apigateway, dynamodb, kinesis, logs, monitoring, s3, sns and sqs; this request is for {other:?}. Sign it with any credentials, so that it names its service"
            );
            error_response(StatusCode::NOT_FOUND, "UnknownServiceException", &message)
        }
    }
}

/// The service of a request: from its target, else from its signature's scope.
fn service(headers: &HeaderMap) -> &str {
    match target(headers).0 {
        "DynamoDB_20120810" | "DynamoDBStreams_20120810" => "dynamodb",
        "Kinesis_20131202" => "kinesis",
        "AmazonSQS" => "sqs",
        "Logs_20140328" => "logs",
        _ => {
            let authorization =
                headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
            authorization.split('/').nth(3).unwrap_or("")
        }
    }
}

/// The two halves of `X-Amz-Target`: the service's version and the operation.
fn target(headers: &HeaderMap) -> (&str, &str) {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("");
    target.split_once('.').unwrap_or((target, ""))
}

/// Has the database say what a request used, where the client does not ask for it.
fn ask_for_consumed_capacity(body: Bytes) -> Bytes {
    const OPTION: &[u8] = b"\"ReturnConsumedCapacity\"";
    match body.strip_prefix(b"{") {
        Some(members) if members.trim_ascii_start() != b"}" && !find(members, OPTION) => {
            [b"{".as_slice(), OPTION, b":\"TOTAL\",", members].concat().into()
        }
        _ => body,
    }
}

/// The table of a request that has one.
fn table_name(request: &Bytes) -> Option<String> {
    let request: Value = serde_json::from_slice(request).ok()?;
    Some(request["TableName"].as_str()?.to_owned())
}

fn find(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Reads a reply of the database to its end.
async fn collect<B>(response: http::Response<B>) -> Result<http::Response<Bytes>, Response>
where
    B: http_body_util::BodyExt,
    B::Error: std::fmt::Display,
{
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Ok(http::Response::from_parts(parts, body.to_bytes())),
        Err(error) => {
            Err(error_response(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &error.to_string()))
        }
    }
}

/// A reply that breaks off before its first byte of content, so that the
/// client sees a closed connection and cannot know what became of its request.
fn lost_reply() -> Response {
    let broken = futures_util::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("a lost reply that was asked for"))
    });
    ([(header::CONTENT_LENGTH, "2")], Body::from_stream(broken)).into_response()
}

fn json_response(status: StatusCode, content_type: &'static str, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], value.to_string()).into_response()
}

fn error_response(status: StatusCode, code: &str, message: &str) -> Response {
    json_response(status, "application/x-amz-json-1.1", &json!({"__type": code, "message": message}))
}
