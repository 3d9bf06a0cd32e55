//! A client that makes single calls to a stack's gateway.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::stack::LocalStack;
use metering_aws::key_admin::NewKey;
use metering_core::api_key::{KeyDigest, KeyRecord};
use serde_json::Value;

/// The names and values of a call's headers.
pub type Headers<'call> = &'call [(&'call str, &'call [u8])];
/// Status, headers and JSON body of a response.
pub type Reply = (StatusCode, HeaderMap, Value);

/// A client of a gateway.
pub struct Caller {
    client: Client<HttpConnector, Empty<Bytes>>,
    gateway: String,
}

impl Caller {
    /// Creates a client of a stack's gateway.
    pub fn new(stack: &LocalStack) -> Self {
        Self::of_url(&stack.endpoints.gateway)
    }

    /// Creates a client of a server.
    pub fn of_url(url: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { client, gateway: url.to_owned() }
    }

    /// Sends a request without a body.
    pub async fn send(&self, method: Method, path: &str, headers: Headers<'_>) -> Reply {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.gateway));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = self.client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str, headers: Headers<'_>) -> Reply {
        self.send(Method::GET, path, headers).await
    }

    /// Calls `/status/200` of the backend with this secret.
    pub async fn call(&self, secret: &str) -> Reply {
        self.get("/status/200", &[("x-api-key", secret.as_bytes())]).await
    }
}

/// Creates a key with this id and returns its secret.
pub async fn create_key(stack: &LocalStack, id: &str, change: impl Fn(&mut KeyRecord)) -> String {
    let secret = format!("um_secret-of-{id}");
    let key = NewKey::new(id, KeyDigest::of_secret(&secret).unwrap(), 0).described(|key| {
        key.owner = "acme".into();
        change(key);
    });
    stack.key_admin.create(&key).await.unwrap();
    secret
}
