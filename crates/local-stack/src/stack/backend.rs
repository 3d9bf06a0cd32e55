//! The built-in backend of the API.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use serde_json::json;

/// Returns the routes of the backend: `/status/{code}` and `/public/status/{code}` answer with the
/// status `code`, every other path with 200.
pub fn router() -> Router {
    Router::new()
        .route("/status/{code}", any(status))
        .route("/public/status/{code}", any(status))
        .fallback(|| async { respond(StatusCode::OK) })
}

async fn status(Path(code): Path<u16>) -> Response {
    respond(StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST))
}

fn respond(status: StatusCode) -> Response {
    let body = Body::from(json!({"status": status.as_u16()}).to_string());
    (status, [(http::header::CONTENT_TYPE, "application/json")], body).into_response()
}
