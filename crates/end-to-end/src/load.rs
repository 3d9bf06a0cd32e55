//! Runs of the command `loadtest`, on a stack behind a gateway that may be faulty.

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

/// A lock for runs, each of which needs the whole machine.
pub static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Starts a stack whose gateway caches the authorizer's results.
pub async fn start_stack(folder: &Path) -> LocalStack {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = 0;
    options.authorizer_cache_ttl_ms = 3_600_000;
    LocalStack::start(options).await.unwrap()
}

/// Returns the fault of a gateway for the call with this number, counted from 0.
pub type FaultOf = fn(u64) -> CallFault;

/// A fault of a gateway for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// The call is forwarded once.
    None,
    /// The call is answered with success and not forwarded.
    Lost,
    /// The call is forwarded twice.
    Twice,
    /// This and all later calls are not answered for a while.
    Stall(std::time::Duration),
}

struct Gateway {
    url: String,
    client: Client<HttpConnector, Body>,
    calls: AtomicU64,
    fault_of: FaultOf,
    open: tokio::sync::RwLock<()>,
}

/// Starts a faulty gateway in front of the stack's gateway, and returns its URL.
pub async fn start_faulty_gateway(stack: &LocalStack, fault_of: FaultOf) -> String {
    let gateway = Gateway {
        url: stack.endpoints.gateway.clone(),
        client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        calls: AtomicU64::new(0),
        fault_of,
        open: tokio::sync::RwLock::new(()),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(handle).with_state(Arc::new(gateway));
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let uri = format!("{}{}", gateway.url, request.uri().path());
    let secret = request.headers()["x-api-key"].clone();
    drop(request);
    let number = gateway.calls.fetch_add(1, Ordering::Relaxed);
    let fault = (gateway.fault_of)(number);
    if let CallFault::Stall(time) = fault {
        let _closed = gateway.open.write().await;
        tokio::time::sleep(time).await;
    }
    let _open = gateway.open.read().await;
    if fault == CallFault::Lost {
        return StatusCode::OK.into_response();
    }
    let forward = || {
        let request = http::Request::get(&uri).header("x-api-key", &secret);
        gateway.client.request(request.body(Body::empty()).unwrap())
    };
    if fault == CallFault::Twice {
        forward().await.unwrap();
    }
    forward().await.unwrap().map(Body::new)
}

/// Runs a profile and returns the exit status, the output, and the result.
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

/// Runs a profile through a faulty gateway.
pub async fn run_with_faults(profile: &str, fault_of: FaultOf) -> (i32, String, Outcome) {
    let folder = tempfile::tempdir().unwrap();
    let stack = Box::pin(start_stack(folder.path())).await;
    let gateway = start_faulty_gateway(&stack, fault_of).await;
    let data = folder.path().join("data");
    let result =
        run(folder.path(), profile, &["--data", data.to_str().unwrap(), "--gateway", &gateway]).await;
    stack.shut_down().await;
    result
}

/// Returns a profile with this rate and length, and with `share_of_404` unsuccessful calls for each 100 successful ones.
pub fn profile(calls_per_s: u32, duration_s: u32, share_of_404: u32, more: &str) -> String {
    format!(
        "name = 'test'\nseed = 7\nstatuses = [{{ status = 200, weight = 100 }}, {{ status = 404, weight = {share_of_404} }}]\n\
         [load]\nshape = 'constant'\ncalls_per_s = {calls_per_s}\nduration_s = {duration_s}\n\
         [keys]\ncount = 50\nzipf_exponent = 1.0\n{more}"
    )
}
