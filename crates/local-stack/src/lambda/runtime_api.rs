//! Lambda Runtime API of one execution environment.
//!
//! Every invocation passes through this API. It is therefore served by hyper directly, without a
//! router, and buffers nothing for longer than necessary.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API".

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};

use crate::names::arn;

/// Prefix of every path, with the version of the API.
const ROOT: &str = "/2018-06-01/runtime/";

/// Maximum size of a request body, in bytes.
const MAX_BODY_BYTES: usize = 8 << 20;

/// An invocation that is passed to the runtime.
#[derive(Debug)]
pub struct Invocation {
    pub request_id: String,
    /// Event of the invocation, as JSON.
    pub payload: Bytes,
    /// Time at which the function times out, in milliseconds since 1970.
    pub deadline_ms: i64,
}

/// A message of the runtime.
#[derive(Debug)]
pub enum RuntimeMessage {
    /// Request id and response of an invocation.
    Response(String, Bytes),
    /// Request id of a failed invocation and the error's JSON.
    Error(String, Bytes),
    /// JSON of an error in the init phase.
    InitError(Bytes),
}

/// State of the Runtime API of one environment.
pub struct RuntimeApi {
    invocations: Mutex<mpsc::Receiver<Invocation>>,
    messages: mpsc::Sender<RuntimeMessage>,
    is_asking: watch::Sender<bool>,
    function_arn: HeaderValue,
}

impl RuntimeApi {
    /// Creates the API of an environment of `function_name`. It takes invocations from
    /// `invocations`, sends the runtime's messages to `messages`, and sets `is_asking` while the
    /// runtime waits for an invocation.
    pub fn new(
        function_name: &str,
        invocations: mpsc::Receiver<Invocation>,
        messages: mpsc::Sender<RuntimeMessage>,
        is_asking: watch::Sender<bool>,
    ) -> Self {
        let function_arn = arn("lambda", &format!("function:{function_name}"));
        let function_arn =
            HeaderValue::try_from(function_arn).expect("a function name is a valid header value");
        Self { invocations: Mutex::new(invocations), messages, is_asking, function_arn }
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path().strip_prefix(ROOT)) {
            (&Method::GET, Some("invocation/next")) => self.next().await,
            (&Method::POST, Some(path)) => empty(match Message::from_path(path) {
                Some(message) => match Limited::new(body, MAX_BODY_BYTES).collect().await {
                    Ok(body) => self.accept(message.with(body.to_bytes())).await,
                    Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
                },
                None => StatusCode::NOT_FOUND,
            }),
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        // Lock before setting `is_asking`, so that the next invocation is certain to reach this
        // request.
        let mut invocations = self.invocations.lock().await;
        self.is_asking.send_replace(true);
        let Some(invocation) = invocations.recv().await else {
            return empty(StatusCode::GONE);
        };
        self.is_asking.send_replace(false);
        let Ok(request_id) = HeaderValue::try_from(invocation.request_id) else {
            return empty(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut response = Response::new(Full::new(invocation.payload));
        let headers = response.headers_mut();
        headers.insert("lambda-runtime-aws-request-id", request_id);
        headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(invocation.deadline_ms));
        headers.insert("lambda-runtime-invoked-function-arn", self.function_arn.clone());
        headers.insert(
            "lambda-runtime-trace-id",
            HeaderValue::from_static("Root=1-00000000-000000000000000000000000;Sampled=0"),
        );
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    async fn accept(&self, message: RuntimeMessage) -> StatusCode {
        match self.messages.send(message).await {
            Ok(()) => StatusCode::ACCEPTED,
            Err(_) => StatusCode::GONE,
        }
    }
}

/// Kind of a message, known from the path before the body is read.
enum Message {
    Response(String),
    Error(String),
    InitError,
}

impl Message {
    /// Parses a path below [`ROOT`].
    fn from_path(path: &str) -> Option<Self> {
        if path == "init/error" {
            return Some(Self::InitError);
        }
        match path.strip_prefix("invocation/")?.split_once('/')? {
            (request_id, "response") => Some(Self::Response(request_id.to_owned())),
            (request_id, "error") => Some(Self::Error(request_id.to_owned())),
            _ => None,
        }
    }

    fn with(self, body: Bytes) -> RuntimeMessage {
        match self {
            Self::Response(request_id) => RuntimeMessage::Response(request_id, body),
            Self::Error(request_id) => RuntimeMessage::Error(request_id, body),
            Self::InitError => RuntimeMessage::InitError(body),
        }
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Serves the API until the process has exited.
pub async fn serve(listener: TcpListener, api: Arc<RuntimeApi>, mut exited: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                tokio::spawn(serve_connection(stream, api.clone()));
            }
            _ = exited.wait_for(|exited| *exited) => return,
        }
    }
}

async fn serve_connection(stream: TcpStream, api: Arc<RuntimeApi>) {
    // A response is a single write; delaying it to fill a packet only adds latency.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.handle(request).await) }
    });
    // The connection fails when the process exits, which the environment detects separately.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
