//! The Lambda Runtime API of one execution environment.
//!
//! It is on the way of every invocation, so it is served on hyper itself,
//! without a router, and nothing is buffered for longer than it has to be.
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

/// The version of the API, which every path begins with.
const ROOT: &str = "/2018-06-01/runtime/";

/// The largest body of a request, in bytes.
const MAX_BODY_BYTES: usize = 8 << 20;

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
    invocations: Mutex<mpsc::Receiver<Invocation>>,
    messages: mpsc::Sender<RuntimeMessage>,
    is_asking: watch::Sender<bool>,
    function_arn: HeaderValue,
}

impl RuntimeApi {
    /// The API of an environment of a function: where its invocations come from,
    /// where its answers go, and whether it asks for one.
    pub fn new(
        function_name: &str,
        invocations: mpsc::Receiver<Invocation>,
        messages: mpsc::Sender<RuntimeMessage>,
        is_asking: watch::Sender<bool>,
    ) -> Self {
        let function_arn = arn("lambda", &format!("function:{function_name}"));
        let function_arn =
            HeaderValue::try_from(function_arn).expect("the name of a function is made of letters");
        Self { invocations: Mutex::new(invocations), messages, is_asking, function_arn }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path().strip_prefix(ROOT)) {
            (&Method::GET, Some("invocation/next")) => self.next().await,
            (&Method::POST, Some(path)) => empty(match Message::of_path(path) {
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
        // Locked before it is told, so that whoever hands over an invocation next
        // is sure to reach this request.
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

/// What a request tells, before its body is read.
enum Message {
    Response(String),
    Error(String),
    InitError,
}

impl Message {
    /// What a path below [`ROOT`] is for.
    fn of_path(path: &str) -> Option<Self> {
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

/// Serves the API until the process has ended.
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
    // An answer is one write, and nothing follows that it could wait for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    // It ends with an error where the process ends: the environment sees that by itself.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
