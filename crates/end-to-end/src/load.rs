//! Runs of the command `loadtest`, on a stack behind a gateway that may lie.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use loadtest::harness::outcome::Outcome;
use local_stack::stack::{LocalOptions, LocalStack};

use crate::binaries;

/// Each run keeps the whole machine busy: one at a time.
pub static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Starts a stack whose gateway keeps the authorizer's answers.
pub async fn start_stack(folder: &Path) -> LocalStack {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = 0;
    options.authorizer_cache_ttl_ms = 3_600_000;
    LocalStack::start(options).await.unwrap()
}

/// What a gateway does wrong with the call of a number, counted from 0.
pub type Lie = fn(u64) -> Wrong;

/// What is done wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// It is answered with success and not passed on.
    Lost,
    /// It is passed on twice.
    Twice,
    /// From here on nothing is answered for a while.
    Stall(std::time::Duration),
}

struct Gateway {
    url: String,
    client: Client<HttpConnector, Body>,
    calls: AtomicU64,
    lie: Lie,
    open: tokio::sync::RwLock<()>,
}

/// Starts a gateway before the stack's own, which lies, and returns its URL.
pub async fn start_lying_gateway(stack: &LocalStack, lie: Lie) -> String {
    let gateway = Gateway {
        url: stack.endpoints.gateway.clone(),
        client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        calls: AtomicU64::new(0),
        lie,
        open: tokio::sync::RwLock::new(()),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(pass_on).with_state(Arc::new(gateway));
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

async fn pass_on(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let uri = format!("{}{}", gateway.url, request.uri().path());
    let secret = request.headers()["x-api-key"].clone();
    drop(request);
    let number = gateway.calls.fetch_add(1, Ordering::Relaxed);
    let wrong = (gateway.lie)(number);
    if let Wrong::Stall(time) = wrong {
        let _closed = gateway.open.write().await;
        tokio::time::sleep(time).await;
    }
    let _open = gateway.open.read().await;
    if wrong == Wrong::Lost {
        return StatusCode::OK.into_response();
    }
    let again = || {
        let request = http::Request::get(&uri).header("x-api-key", &secret);
        gateway.client.request(request.body(Body::empty()).unwrap())
    };
    if wrong == Wrong::Twice {
        again().await.unwrap();
    }
    again().await.unwrap().map(Body::new)
}

/// Runs a profile and returns the exit status, what was printed, and the result.
pub async fn run(folder: &Path, profile: &str, arguments: &[&str]) -> (i32, String, Outcome) {
    let path = folder.join("profile.toml");
    std::fs::write(&path, profile).unwrap();
    let results: PathBuf = folder.join("results");
    let output = tokio::process::Command::new(binaries().join("loadtest"))
        .args(["run", "--quiet", "--profile"])
        .arg(&path)
        .arg("--output")
        .arg(&results)
        .args(arguments)
        .output()
        .await
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let status = output.status.code().unwrap();
    assert!(status == 0 || status >= 10, "{text}");
    println!("{text}");
    (status, text, Outcome::read(&results).unwrap())
}

/// Runs a profile through a gateway that lies.
pub async fn run_with_lies(profile: &str, lie: Lie) -> (i32, String, Outcome) {
    let folder = tempfile::tempdir().unwrap();
    let stack = Box::pin(start_stack(folder.path())).await;
    let gateway = start_lying_gateway(&stack, lie).await;
    let data = folder.path().join("data");
    let result =
        run(folder.path(), profile, &["--data", data.to_str().unwrap(), "--gateway", &gateway]).await;
    stack.shut_down().await;
    result
}

/// A profile of this rate and length; beside each 100 calls that ask for success, some ask for 404.
pub fn profile(calls_per_s: u32, duration_s: u32, share_of_404: u32, more: &str) -> String {
    format!(
        "name = 'test'\nseed = 7\nstatuses = [{{ status = 200, weight = 100 }}, {{ status = 404, weight = {share_of_404} }}]\n\
         [load]\nshape = 'constant'\ncalls_per_s = {calls_per_s}\nduration_s = {duration_s}\n\
         [keys]\ncount = 50\nzipf_exponent = 1.0\n{more}"
    )
}
