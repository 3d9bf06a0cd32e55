//! Requests over HTTP and HTTPS.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Longer than API Gateway waits for an integration, 29 s. Source: API Gateway
/// Developer Guide, "Quotas for configuring and running a REST API".
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length of a response, in bytes. The expected responses are far shorter.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A request without a complete response.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No complete response arrived in time.
    #[error("no complete response arrived within {TIMEOUT:?}")]
    Timeout,
    #[error("the connection failed")]
    Connection(#[from] legacy::Error),
    /// The response is truncated or too long.
    #[error("the response is truncated, or longer than {MAX_BODY_BYTES} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Debug, Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Client {
    /// Creates a client that trusts the certificates of this machine.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn new() -> std::io::Result<Self> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request and reads the whole response.
    ///
    /// # Errors
    /// When no complete response arrives in time.
    pub async fn send(&self, request: Request<Empty<Bytes>>) -> Result<(StatusCode, Bytes), RequestError> {
        let response = async {
            let (parts, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(RequestError::Body)?;
            Ok((parts.status, body.to_bytes()))
        };
        tokio::time::timeout(TIMEOUT, response).await.unwrap_or(Err(RequestError::Timeout))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Answers one request with a body of this length, and returns what the client makes of it.
    async fn answered(bytes: usize) -> Result<usize, RequestError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1_024]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
            // The client may hang up before the end.
            let _ = stream.write_all(&vec![b'x'; bytes]);
        });
        let response = Client::new().unwrap().send(Request::get(url).body(Empty::new()).unwrap()).await;
        server.join().unwrap();
        response.map(|(_, body)| body.len())
    }

    #[tokio::test]
    async fn a_response_is_a_mebibyte_at_most() {
        assert_eq!(answered(MAX_BODY_BYTES).await.unwrap(), MAX_BODY_BYTES);
        assert!(matches!(answered(MAX_BODY_BYTES + 1).await, Err(RequestError::Body(_))));
    }
}
