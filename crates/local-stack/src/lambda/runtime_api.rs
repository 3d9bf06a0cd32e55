//! The Lambda Runtime API of one execution environment.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API".

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{Mutex, mpsc, watch};

use crate::api::identity::arn;

/// What is given to the runtime.
#[derive(Debug)]
pub struct Invocation {
    /// The request id.
    pub request_id: String,
    /// The event.
    pub payload: Bytes,
    /// When the function has to have answered, in milliseconds since 1970.
    pub deadline_ms: i64,
}

/// What the runtime says.
#[derive(Debug)]
pub enum RuntimeMessage {
    /// The answer to an invocation.
    Response(String, Bytes),
    /// The function failed, with the error's JSON.
    Error(String, Bytes),
    /// The function could not start, with the error's JSON.
    InitError(Bytes),
}

/// The state of the API of one environment.
pub struct RuntimeApi {
    /// Invocations, as the runtime asks for them.
    pub invocations: Mutex<mpsc::Receiver<Invocation>>,
    /// What it answers.
    pub messages: mpsc::Sender<RuntimeMessage>,
    /// Counts how often the runtime has asked for the next invocation.
    pub polls: watch::Sender<u64>,
    /// The function's name, for its ARN.
    pub function_name: String,
}

/// The router.
pub fn router(api: Arc<RuntimeApi>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(axum::extract::DefaultBodyLimit::max(8 << 20))
        .with_state(api)
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    api.polls.send_modify(|polls| *polls += 1);
    let Some(invocation) = api.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let arn = arn("lambda", &format!("function:{}", api.function_name));
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
        ("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms.to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", arn),
        ("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ];
    (headers, invocation.payload).into_response()
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    Path(request_id): Path<String>,
    body: Bytes,
) -> StatusCode {
    accept(&api, RuntimeMessage::Response(request_id, body)).await
}

async fn error(
    State(api): State<Arc<RuntimeApi>>,
    Path(request_id): Path<String>,
    body: Bytes,
) -> StatusCode {
    accept(&api, RuntimeMessage::Error(request_id, body)).await
}

async fn init_error(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    accept(&api, RuntimeMessage::InitError(body)).await
}

async fn accept(api: &RuntimeApi, message: RuntimeMessage) -> StatusCode {
    match api.messages.send(message).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}
