//! A backend to stand behind the gateway where there is no other.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use serde_json::json;

/// Answers `/status/{code}` (below any prefix the gateway keeps) with that
/// status, and everything else with 200.
pub fn router() -> Router {
    Router::new()
        .route("/status/{code}", any(status))
        .route("/public/status/{code}", any(status))
        .fallback(|| async { answer(StatusCode::OK) })
}

async fn status(Path(code): Path<u16>) -> Response {
    answer(StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST))
}

fn answer(status: StatusCode) -> Response {
    let body = Body::from(json!({"status": status.as_u16()}).to_string());
    (status, [(http::header::CONTENT_TYPE, "application/json")], body).into_response()
}
