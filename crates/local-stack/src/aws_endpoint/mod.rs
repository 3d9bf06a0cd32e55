//! One endpoint for all services, the value of `AWS_ENDPOINT_URL`.
//!
//! The endpoint takes the service of a request from `X-Amz-Target` or the credential scope of its
//! signature. It responds in the protocol of the request, with a unique request id.

mod call;
mod cloudwatch;
mod kinesis;
mod sts;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::api::protocol::{Protocol, add_request_id, new_request_id, service_and_region};
use crate::api::tables::SERVICES;
use crate::apigateway::authorization::AnswerCache;
use crate::cloudwatch::MetricStore;
use crate::cloudwatch_logs::service::LogsService;
use crate::dynamodb::DynamoDb;
use crate::faults::Faults;
use crate::kinesis::KinesisStore;
use crate::names::{API_ID, REGION, STAGE};
use crate::s3::{self, S3Store};
use crate::sns_sqs::queues::Queues;
use crate::sns_sqs::sns::{Answer, Sns};
use call::Call;

/// Maximum size of a request body, in bytes, above the limits of all services.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Services behind the endpoint.
#[derive(Clone)]
pub struct AwsEndpoint {
    pub dynamodb: DynamoDb,
    pub kinesis: Arc<KinesisStore>,
    pub queues: Arc<Queues>,
    pub sns: Arc<Sns>,
    pub s3: Arc<S3Store>,
    /// Cache of authorizer results of the local API Gateway.
    pub answers: Arc<AnswerCache>,
    pub logs: Arc<LogsService>,
    pub metrics: Arc<MetricStore>,
    pub faults: Arc<Faults>,
}

impl AwsEndpoint {
    /// Creates the router that serves all services.
    pub fn router(self) -> Router {
        Router::new().fallback(serve).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(self)
    }

    async fn logs(&self, call: &Call) -> Response {
        let request: Value = match serde_json::from_slice(&call.body) {
            Ok(request) => request,
            Err(error) => return call.bad_request("SerializationException", &error.to_string()),
        };
        let (logs, operation) = (self.logs.clone(), call.operation().to_owned());
        match tokio::task::spawn_blocking(move || logs.handle(&operation, &request)).await {
            Ok(Ok(value)) => call.protocol.respond(StatusCode::OK, &value),
            Ok(Err(error)) => call.bad_request(error.code, &error.message),
            Err(error) => call.error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceUnavailableException",
                &error.to_string(),
            ),
        }
    }

    async fn s3(&self, call: Call) -> Response {
        let store = self.s3.clone();
        let response =
            tokio::task::spawn_blocking(move || s3::handle(&store, &call.parts, &call.request_id)).await;
        response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }

    async fn sns(&self, call: &Call) -> Response {
        match self.sns.handle(&call.body).await {
            Ok(Answer { action, write }) => call.protocol.respond_xml(&action, &call.request_id, write),
            Err(error) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                call.error(status, error.code, &error.message)
            }
        }
    }

    /// Handles `FlushStageAuthorizersCache`, the only operation of API Gateway that the meter uses.
    fn api_gateway(&self, call: &Call) -> Response {
        let cache = format!("/restapis/{API_ID}/stages/{STAGE}/cache/authorizers");
        let is_flush = call.parts.method == http::Method::DELETE && call.parts.uri.path() == cache;
        if is_flush && call.parts.uri.query().is_none() {
            self.answers.flush();
            return StatusCode::ACCEPTED.into_response();
        }
        let message = format!("the local stack only offers DELETE {cache} without parameters");
        call.error(StatusCode::NOT_FOUND, "NotFoundException", &message)
    }
}

async fn serve(State(endpoint): State<AwsEndpoint>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (service, region) = service_and_region(&parts.headers);
    let (service, region) = (service.to_owned(), region.map(str::to_owned));
    let protocol = Protocol::detect(&service, &parts);
    let request_id = new_request_id();
    let mut response = match body.collect().await {
        Err(error) => {
            protocol.error(StatusCode::BAD_REQUEST, "SerializationException", &error.to_string(), &request_id)
        }
        Ok(body) => {
            let call = Call { parts, body: body.to_bytes(), protocol, request_id: request_id.clone() };
            match region.filter(|region| region != REGION) {
                Some(other) => wrong_region(&call, &service, &other),
                None => dispatch(endpoint, &service, call).await,
            }
        }
    };
    add_request_id(&mut response, &service, &request_id);
    response
}

/// Passes a request to its service.
async fn dispatch(endpoint: AwsEndpoint, service: &str, call: Call) -> Response {
    match service {
        "apigateway" => endpoint.api_gateway(&call),
        "dynamodb" => endpoint.dynamodb.handle(call.parts.headers, call.body).await,
        "kinesis" => endpoint.kinesis(&call).await,
        "logs" => endpoint.logs(&call).await,
        "monitoring" => endpoint.cloudwatch(&call).await,
        "s3" => endpoint.s3(call).await,
        "sns" => endpoint.sns(&call).await,
        "sqs" => endpoint.queues.handle(call.operation(), &call.parts.headers, call.body.clone()).await,
        "sts" => sts::handle(&call),
        other => {
            let offered: Vec<&str> = SERVICES.iter().map(|service| service.id).collect();
            let message = format!(
                "the local stack offers {}; this request is for {other:?}. Sign it with any credentials, so that its signature contains the service",
                offered.join(", ")
            );
            call.error(StatusCode::NOT_FOUND, "UnknownServiceException", &message)
        }
    }
}

/// Creates the error response for a request to another region.
///
/// Source of the codes: AWS General Reference, "Signature Version 4 troubleshooting" (a credential
/// has to be scoped to a valid region), and S3 API Reference, "Error responses",
/// `AuthorizationHeaderMalformed`.
fn wrong_region(call: &Call, service: &str, region: &str) -> Response {
    let (status, code) = match (service, call.protocol) {
        ("s3", _) => (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed"),
        (_, Protocol::Query(_)) => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
        _ => (StatusCode::BAD_REQUEST, "InvalidSignatureException"),
    };
    let message = format!(
        "Credential should be scoped to a valid region, not '{region}': the local stack is in {REGION}; set AWS_REGION and AWS_DEFAULT_REGION"
    );
    call.error(status, code, &message)
}
