//! Client of the embedded DynamoDB.

use std::net::SocketAddr;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::api::protocol::error_response;

/// A response of the database, or the error response that replaces it.
pub(super) type Reply = Result<http::Response<Bytes>, Response>;

/// The embedded database, which listens on the loopback interface.
#[derive(Clone)]
pub(super) struct EmbeddedDatabase {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl EmbeddedDatabase {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()) }
    }

    /// Forwards a request to the embedded database and reads the response.
    pub async fn forward(&self, headers: &HeaderMap, operation: &str, body: Bytes) -> Reply {
        let mut request = http::Request::post(format!("http://{}/", self.address))
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
                "the request has invalid headers",
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
}

/// Reads the whole body of a response.
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
