//! A function URL without authorization (`AuthType` `NONE`) in front of a function.
//!
//! Source: Lambda Developer Guide, "Invoking Lambda function URLs".

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use rand::Rng;
use serde_json::{Value, json};
use system_clock::now_ms;

use super::Function;
use super::payload::{HttpRequest, http_response};

/// Route key and stage of the event of a function URL.
const DEFAULT: &str = "$default";

/// The id that the host name of the function URL begins with.
const URL_ID: &str = "local";

/// Returns a router that invokes the function for every request. Requests with a body are refused, because no function
/// here reads one.
pub fn router(function: Arc<Function>) -> Router {
    Router::new().fallback(invoke).with_state(function)
}

async fn invoke(State(function): State<Arc<Function>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !body.is_end_stream() {
        return message(StatusCode::NOT_IMPLEMENTED, "this function URL takes no request bodies");
    }
    let request_id = format!("{:032x}", rand::rng().random::<u128>());
    let request = HttpRequest {
        parts: &parts,
        api_id: URL_ID,
        route_key: DEFAULT,
        stage: DEFAULT,
        request_id: &request_id,
        requested_at_ms: now_ms(),
    };
    let mut event = request.payload_2(&json!({}));
    event["isBase64Encoded"] = json!(false);
    let returned = function.invoke(Bytes::from(event.to_string())).await;
    let returned = returned.map(|returned| serde_json::from_slice::<Value>(&returned));
    match returned {
        Ok(Ok(returned)) => http_response(&returned, true),
        problem => {
            tracing::warn!(?problem, "the function behind the URL returned no usable response");
            None
        }
    }
    .unwrap_or_else(|| message(StatusCode::BAD_GATEWAY, "Internal Server Error"))
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json!({ "Message": text }).to_string()).into_response()
}
