//! Requests to the endpoint.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;

use crate::api::protocol::{Protocol, target};

/// A request whose service and protocol are known.
pub(super) struct Call {
    pub parts: Parts,
    pub body: Bytes,
    pub protocol: Protocol,
    pub request_id: String,
}

impl Call {
    /// Returns the operation in `X-Amz-Target`.
    pub fn operation(&self) -> &str {
        target(&self.parts.headers).1
    }

    pub fn error(&self, status: StatusCode, code: &str, message: &str) -> Response {
        self.protocol.error(status, code, message, &self.request_id)
    }

    pub fn bad_request(&self, code: &str, message: &str) -> Response {
        self.error(StatusCode::BAD_REQUEST, code, message)
    }
}
