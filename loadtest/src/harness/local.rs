//! A local stack in a child process, and the control of a local stack.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use deployment::Endpoints;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::faults::{FaultRates, InjectedFaults};
use local_stack::stack::{LocalOptions, LocalStack};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use crate::fault::FaultyFunction;
use crate::harness::child::Process;
use crate::harness::clock_files::ClockFiles;
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
    /// `true` if the clocks of functions can be changed.
    pub has_clock_faults: bool,
}

impl StackPlan {
    fn options(self) -> anyhow::Result<LocalOptions> {
        let settings = self.settings;
        let clocks = ClockFiles::new(&self.data_folder);
        let mut options = LocalOptions::new(self.data_folder, self.binaries);
        if self.has_clock_faults {
            options.consumer_environment = clocks.environment(FaultyFunction::Consumer)?;
            options.authorizer_environment = clocks.environment(FaultyFunction::Authorizer)?;
        }
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
        Ok(options)
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
    let _writes_fail = survive_full_disk().context("cannot handle the signal SIGXFSZ")?;
    let stack = LocalStack::start(plan.options()?).await?;
    println!("ready");
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).await?;
    stack.shut_down().await;
    Ok(())
}

/// Makes writes beyond the limit fail in this process. Without this, the system ends a process that
/// writes beyond the limit (`SIGXFSZ`). The result has to be kept.
fn survive_full_disk() -> std::io::Result<SignalStream> {
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))
}

/// A local stack in a child process. The process is killed when this is dropped.
pub struct StackProcess {
    process: Process,
    pub plan: StackPlan,
}

impl StackProcess {
    /// Starts a stack and waits until it is ready.
    ///
    /// # Errors
    /// Returns an error if the stack cannot start. The process prints the reason to standard error.
    pub async fn start(plan: StackPlan) -> anyhow::Result<Self> {
        if plan.has_clock_faults {
            std::fs::create_dir_all(&plan.data_folder)?;
            let clocks = ClockFiles::new(&plan.data_folder);
            FaultyFunction::ALL.into_iter().try_for_each(|function| clocks.set(function, 0))?;
        }
        Ok(Self { process: start_process(&plan).await?, plan })
    }

    /// Kills the process of the stack (`SIGKILL`) and waits until it has ended.
    ///
    /// # Errors
    /// Returns an error if the process had already ended for another reason.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let child = &mut self.process.child;
        child.start_kill().context("cannot kill the local stack")?;
        let status = child.wait().await.context("cannot wait for the end of the local stack")?;
        ensure!(status.signal() == Some(Signal::KILL.as_raw()), "the local stack was not killed: {status}");
        Ok(())
    }

    /// Starts the stack again after [`Self::kill`], and waits until it is ready.
    ///
    /// # Errors
    /// Returns an error if the stack cannot start, or not on the same ports.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let before = Endpoints::read(&self.plan.data_folder)?;
        self.process = start_process(&self.plan).await?;
        let after = Endpoints::read(&self.plan.data_folder)?;
        ensure!(before == after, "the restarted stack has other endpoints: {after:?} instead of {before:?}");
        Ok(())
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

async fn start_process(plan: &StackPlan) -> anyhow::Result<Process> {
    let mut process = Process::start("stack")?;
    process.send(plan).await?;
    let ready = process.lines.next_line().await?;
    ensure!(
        ready.as_deref() == Some("ready"),
        "the local stack did not start; see its last lines for the reason"
    );
    Ok(process)
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

    /// Returns the number of injected faults of each kind since the stack was started.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn injected_faults(&self) -> anyhow::Result<InjectedFaults> {
        Ok(serde_json::from_slice(&self.request(http::Method::GET, "/faults/injected", None).await?)?)
    }

    /// Kills a process of a function during the first invocation within `within`. Returns `false` if
    /// there was none.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn kill(&self, function: &str, within: Duration) -> anyhow::Result<bool> {
        let action = format!("kill?within_ms={}", within.as_millis());
        Ok(!self.on_function(function, &action).await?["process_id"].is_null())
    }

    /// Stops all processes of a function, and returns their number.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn hold(&self, function: &str) -> anyhow::Result<u64> {
        Ok(self.on_function(function, "hold").await?["processes"].as_u64().unwrap_or(0))
    }

    /// Continues the processes of a function that [`Self::hold`] stopped.
    ///
    /// # Errors
    /// Returns an error if the stack does not respond.
    pub async fn release(&self, function: &str) -> anyhow::Result<()> {
        self.on_function(function, "release").await.map(drop)
    }

    async fn on_function(&self, function: &str, action: &str) -> anyhow::Result<Value> {
        let path = format!("/functions/{function}/{action}");
        Ok(serde_json::from_slice(&self.request(http::Method::POST, &path, None).await?)?)
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
