//! A local stack in a process of its own, and the control of a local stack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::faults::FaultRates;
use local_stack::stack::{Endpoints, LocalOptions, LocalStack};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::harness::child::Process;
use crate::profile::StackSettings;

/// How a stack is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackPlan {
    /// Where it keeps everything.
    pub data: PathBuf,
    /// Where the functions' binaries are.
    pub binaries: PathBuf,
    /// Its settings.
    pub settings: StackSettings,
    /// The seed of its faults.
    pub seed: u64,
}

impl StackPlan {
    fn options(self) -> LocalOptions {
        let settings = self.settings;
        let mut options = LocalOptions::new(self.data, self.binaries);
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

/// Runs a stack as standard input says, until standard input ends.
///
/// # Errors
/// When it cannot start.
pub async fn run_stack() -> anyhow::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut plan = String::new();
    input.read_line(&mut plan).await?;
    let plan: StackPlan = serde_json::from_str(&plan).context("the plan of the stack is not understood")?;
    let stack = LocalStack::start(plan.options()).await?;
    println!("ready");
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).await?;
    stack.shut_down().await;
    Ok(())
}

/// A running stack in a process of its own; it ends when this is dropped.
pub struct StackProcess {
    process: Process,
    /// Its data folder.
    pub data: PathBuf,
}

impl StackProcess {
    /// Starts a stack and waits until it can be used.
    ///
    /// # Errors
    /// When it cannot start; it says why on standard error.
    pub async fn start(plan: &StackPlan) -> anyhow::Result<Self> {
        let mut process = Process::start("stack")?;
        process.tell(plan).await?;
        let ready = process.lines.next_line().await?;
        ensure!(ready.as_deref() == Some("ready"), "the local stack did not start; its last lines say why");
        Ok(Self { process, data: plan.data.clone() })
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Process { mut child, input, .. } = self.process;
        drop(input);
        child.wait().await.context("the local stack cannot be waited for")?;
        Ok(())
    }
}

/// Processes of a stack.
#[derive(Debug, Clone, Deserialize)]
pub struct Processes {
    /// The stack itself.
    pub stack: u32,
    /// The environments of each function.
    pub functions: BTreeMap<String, Vec<u32>>,
}

/// Controls a running local stack.
#[derive(Clone)]
pub struct Control {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Control {
    /// The control of the stack in a data folder.
    ///
    /// # Errors
    /// When none was started there.
    pub fn of_folder(data: &Path) -> anyhow::Result<Self> {
        let folder = data.display();
        let endpoints = Endpoints::of_folder(data).with_context(|| {
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
            self.client.request(request).await.context("the control of the local stack does not answer")?;
        let status = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "the control of the local stack answers {status} to {path}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// What goes wrong at present.
    ///
    /// # Errors
    /// When the stack does not answer.
    pub async fn faults(&self) -> anyhow::Result<FaultRates> {
        Ok(serde_json::from_slice(&self.request(http::Method::GET, "/faults", None).await?)?)
    }

    /// Changes what goes wrong.
    ///
    /// # Errors
    /// When the stack does not answer.
    pub async fn set_faults(&self, rates: FaultRates) -> anyhow::Result<()> {
        self.request(http::Method::PUT, "/faults", Some(serde_json::to_string(&rates)?)).await.map(drop)
    }

    /// Kills a process of a function.
    ///
    /// # Errors
    /// When the stack does not answer.
    pub async fn kill(&self, function: &str) -> anyhow::Result<()> {
        self.request(http::Method::POST, &format!("/functions/{function}/kill"), None).await.map(drop)
    }

    /// Deletes the items whose time to live is over.
    ///
    /// # Errors
    /// When the stack does not answer or cannot delete them.
    pub async fn expire(&self) -> anyhow::Result<()> {
        self.request(http::Method::POST, "/expire", None).await.map(drop)
    }

    /// Its processes.
    ///
    /// # Errors
    /// When the stack does not answer.
    pub async fn processes(&self) -> anyhow::Result<Processes> {
        Ok(serde_json::from_slice(&self.request(http::Method::GET, "/processes", None).await?)?)
    }

    /// Waits until all that is logged has gone through the consumer, for as
    /// long as `retry_policy`; says whether it has.
    ///
    /// # Errors
    /// When the stack does not answer.
    pub async fn settled(&self, retry_policy: Duration) -> anyhow::Result<bool> {
        let settled = self.request(http::Method::GET, "/settled", None);
        match tokio::time::timeout(retry_policy, settled).await {
            Ok(answer) => answer.map(|_| true),
            Err(_) => Ok(false),
        }
    }
}
