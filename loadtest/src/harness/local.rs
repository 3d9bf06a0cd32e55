//! A local stack in a child process, and the control of a local stack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use deployment::Endpoints;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::faults::FaultRates;
use local_stack::stack::{LocalOptions, LocalStack};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::harness::child::Process;
use crate::profile::StackSettings;

/// The local stack to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackPlan {
    pub data_folder: PathBuf,
    /// Folder of the functions' binaries.
    pub binaries: PathBuf,
    pub settings: StackSettings,
    /// Seed of the injected faults.
    pub seed: u64,
}

impl StackPlan {
    fn options(self) -> LocalOptions {
        let settings = self.settings;
        let mut options = LocalOptions::new(self.data_folder, self.binaries);
        options.demo_keys = 0;
        options.api_kind = settings.api_kind;
        options.shard_count = settings.shards;
        options.batch_size = settings.batch_size;
        options.batch_window_ms = settings.batch_window_ms;
        options.poll_interval_ms = settings.poll_interval_ms;
        options.events_per_record = settings.events_per_record;
        options.delivery_delay_ms = settings.delivery_delay_ms;
        options.delivery_lag = settings.delivery_lag;
        options.max_environments = settings.max_environments;
        options.max_authorizers = settings.max_authorizers;
        options.sync_interval_ms = settings.sync_interval_ms;
        options.authorizer_cache_ttl_ms = settings.authorizer_cache_ttl_ms;
        options.limits_memory = settings.limits_memory;
        options.max_retries = settings.max_retries;
        options.max_record_age_ms = settings.max_record_age_ms;
        options.ttl_sweep_interval_ms = settings.ttl_sweep_interval_ms;
        options.canary = settings.canary;
        options.fault_seed = self.seed;
        options
    }
}

/// Runs the stack that the first line of standard input describes, until standard input ends.
///
/// # Errors
/// Returns an error if the plan is malformed or the stack cannot start.
pub async fn run_stack() -> anyhow::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut plan = String::new();
    input.read_line(&mut plan).await?;
    let plan: StackPlan = serde_json::from_str(&plan).context("the plan of the local stack is malformed")?;
    let stack = LocalStack::start(plan.options()).await?;
    println!("ready");
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).await?;
    stack.shut_down().await;
    Ok(())
}

/// A local stack in a child process. The process is killed when this is dropped.
pub struct StackProcess {
    process: Process,
    pub data_folder: PathBuf,
}

impl StackProcess {
    /// Starts a stack and waits until it is ready.
    ///
    /// # Errors
    /// Returns an error if the stack cannot start. The process prints the reason to standard error.
    pub async fn start(plan: &StackPlan) -> anyhow::Result<Self> {
        let mut process = Process::start("stack")?;
        process.send(plan).await?;
        let ready = process.lines.next_line().await?;
        ensure!(
            ready.as_deref() == Some("ready"),
            "the local stack did not start; see its last lines for the reason"
        );
        Ok(Self { process, data_folder: plan.data_folder.clone() })
    }

    /// Stops the stack and waits until its process has ended.
    ///
    /// # Errors
    /// Returns an error if the process cannot be awaited.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Process { mut child, input, .. } = self.process;
        drop(input);
        child.wait().await.context("cannot wait for the end of the local stack")?;
        Ok(())
    }
}

/// Process ids of a local stack.
#[derive(Debug, Clone, Deserialize)]
pub struct Processes {
    pub stack: u32,
    /// Execution environments of each function, by its name.
    pub functions: BTreeMap<String, Vec<u32>>,
}

/// Client of the control API of a running local stack.
#[derive(Clone)]
pub struct Control {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Control {
    /// Opens the control of the stack that uses a data folder.
    ///
    /// # Errors
    /// Returns an error if no local stack was started with this folder.
    pub fn open(data_folder: &Path) -> anyhow::Result<Self> {
        let folder = data_folder.display();
        let endpoints = Endpoints::read(data_folder).with_context(|| {
            format!("no local stack was started in {folder}; run `meter local --data {folder}`")
        })?;
        Ok(Self {
            url: endpoints.control,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        })
    }

    async fn request(&self, method: http::Method, path: &str, body: Option<String>) -> anyhow::Result<Bytes> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.unwrap_or_default()))?;
        let reply =
            self.client.request(request).await.context("the control of the local stack does not respond")?;
        let status = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "the control of the local stack responded {status} to {path}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// Returns the present rates of injected faults.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn faults(&self) -> anyhow::Result<FaultRates> {
        Ok(serde_json::from_slice(&self.request(http::Method::GET, "/faults", None).await?)?)
    }

    /// Changes the rates of injected faults.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn set_faults(&self, rates: FaultRates) -> anyhow::Result<()> {
        self.request(http::Method::PUT, "/faults", Some(serde_json::to_string(&rates)?)).await.map(drop)
    }

    /// Kills one process of a function.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn kill(&self, function: &str) -> anyhow::Result<()> {
        self.request(http::Method::POST, &format!("/functions/{function}/kill"), None).await.map(drop)
    }

    /// Deletes the items whose time to live has expired.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond or cannot delete them.
    pub async fn expire(&self) -> anyhow::Result<()> {
        self.request(http::Method::POST, "/expire", None).await.map(drop)
    }

    /// Returns the process ids of the stack.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn processes(&self) -> anyhow::Result<Processes> {
        Ok(serde_json::from_slice(&self.request(http::Method::GET, "/processes", None).await?)?)
    }

    /// Waits until the consumer has processed every logged call, for at most `timeout`. Returns
    /// `false` if the time is over before.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn wait_until_settled(&self, timeout: Duration) -> anyhow::Result<bool> {
        let settled = self.request(http::Method::GET, "/settled", None);
        match tokio::time::timeout(timeout, settled).await {
            Ok(response) => response.map(|_| true),
            Err(_) => Ok(false),
        }
    }
}
