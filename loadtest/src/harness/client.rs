//! The HTTP clients: HTTP/1.1 with persistent connections, or HTTP/2.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::profile::Protocol;

/// Time limit for a call. API Gateway ends an integration after 29 s. Source: API Gateway quotas.
const TIMEOUT: Duration = Duration::from_secs(32);

/// Response headers with the request id of the access log, for REST APIs and for HTTP APIs.
const REQUEST_ID_HEADERS: [&str; 2] = ["x-amz-apigw-id", "apigw-requestid"];

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `None` if API Gateway sent none.
    pub request_id: Option<String>,
}

/// Sends calls to one gateway.
pub struct Caller {
    gateway: String,
    clients: Vec<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>,
    next: AtomicUsize,
}

impl Caller {
    /// Creates the clients of a gateway: `connections` of them for HTTP/2. HTTP/1.1 needs one
    /// client, which opens a connection for each call in flight.
    ///
    /// # Errors
    /// Returns an error if the trusted certificates of this machine cannot be read.
    pub fn new(gateway: &str, protocol: Protocol, connections: u32) -> anyhow::Result<Self> {
        let count = if protocol == Protocol::Http2 { connections } else { 1 };
        let client = || {
            let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
            let tls = tls.context("cannot read the trusted certificates of this machine")?.https_or_http();
            let connector = match protocol {
                Protocol::Http1 => tls.enable_http1().build(),
                Protocol::Http2 => tls.enable_http2().build(),
            };
            let mut builder = Client::builder(TokioExecutor::new());
            builder.http2_only(protocol == Protocol::Http2);
            Ok::<_, anyhow::Error>(builder.build(connector))
        };
        let clients = (0..count).map(|_| client()).collect::<anyhow::Result<_>>()?;
        Ok(Self { gateway: gateway.trim_end_matches('/').to_owned(), clients, next: AtomicUsize::new(0) })
    }

    /// Calls the backend with the secret of a key, requests a status, and returns the answer after
    /// its body was read.
    ///
    /// # Errors
    /// Returns an error if there is no complete response within the time limit.
    pub async fn call(&self, status: u16, secret: &str) -> anyhow::Result<Answer> {
        let client = &self.clients[self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len()];
        let request =
            http::Request::get(format!("{}/status/{status}", self.gateway)).header("x-api-key", secret);
        let request = request.body(Empty::new())?;
        let response = async {
            let response = client.request(request).await.context("no response")?;
            let id = REQUEST_ID_HEADERS.iter().find_map(|name| response.headers().get(*name));
            let request_id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
            let status = response.status().as_u16();
            response.into_body().collect().await.context("a response is incomplete")?;
            Ok(Answer { status, request_id })
        };
        tokio::time::timeout(TIMEOUT, response)
            .await
            .unwrap_or_else(|_| anyhow::bail!("no response within {TIMEOUT:?}"))
    }
}
