//! Execution environment of a function: a process of the function's binary, which is frozen while
//! no invocation waits for it, as on AWS.
//!
//! Source: Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle": an
//! environment is frozen when its runtime has asked for the next event and none is pending.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex as SyncMutex;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use system_clock::now_ms;
use tokio::process::Command;
use tokio::sync::{Mutex, mpsc, watch};

use super::memory_limit::limit_memory;
use super::output::FunctionOutput;
use super::runtime_api::{Invocation, RuntimeApi, RuntimeMessage, serve};
use super::spec::FunctionSpec;
use crate::cloudwatch::metrics::MetricSink;
use crate::sync::locked;

/// Time limit of the init phase. Source: Lambda Developer Guide, init phase.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reason why an invocation returned no response.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    #[error("the function's binary {binary} could not be started; build it with scripts/build-local.sh")]
    Spawn { binary: String, source: std::io::Error },
    /// The process ended or reported an error before it asked for an invocation.
    #[error("the function failed to initialise: {detail}")]
    Init {
        /// The error's JSON, or a description of the failure.
        detail: String,
    },
    /// The function returned an error.
    #[error("the function failed: {detail}")]
    Function { detail: String },
    #[error("the function's process ended during the invocation")]
    Crashed,
    /// The function did not respond in time, and its process was killed.
    #[error("the function did not respond within {timeout_ms} ms")]
    TimedOut { timeout_ms: u64 },
}

impl InvocationError {
    /// Returns `true` if the environment can serve further invocations.
    pub fn keeps_environment(&self) -> bool {
        matches!(self, Self::Function { .. })
    }
}

/// A running execution environment.
pub struct Environment {
    version: String,
    pid: Pid,
    invocations: mpsc::Sender<Invocation>,
    messages: Mutex<mpsc::Receiver<RuntimeMessage>>,
    is_asking: watch::Receiver<bool>,
    exited: watch::Receiver<bool>,
    output: FunctionOutput,
    stops: SyncMutex<Stops>,
}

/// Reasons for which the process is stopped.
#[derive(Debug, Default)]
struct Stops {
    /// No invocation waits for the environment.
    is_frozen: bool,
    /// A fault holds the process.
    is_held: bool,
}

impl Environment {
    /// Starts a process and waits until it asks for an invocation. Does not freeze it.
    pub async fn start(spec: &FunctionSpec, metrics: &Arc<MetricSink>) -> Result<Self, InvocationError> {
        let spawn_error =
            |source| InvocationError::Spawn { binary: spec.binary.display().to_string(), source };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(spawn_error)?;
        let address = listener.local_addr().map_err(spawn_error)?;
        let (invocations, invocation_receiver) = mpsc::channel(1);
        let (message_sender, messages) = mpsc::channel(4);
        let (asking, is_asking) = watch::channel(false);
        let api = RuntimeApi::new(&spec.name, invocation_receiver, message_sender, asking);
        let mut child = command(spec, &address.to_string()).spawn().map_err(spawn_error)?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid =
            pid.ok_or_else(|| InvocationError::Init { detail: "the process ended immediately".to_owned() })?;
        if spec.limits_memory {
            limit_memory(pid, spec.memory_mib).map_err(spawn_error)?;
        }
        let output = FunctionOutput::forward(&mut child, &spec.name, metrics).map_err(spawn_error)?;
        let (exit_sender, exited) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = child.wait() => {}
                // The environment was dropped: kill the process, which also stops its Runtime API.
                () = exit_sender.closed() => { let _ = child.kill().await; }
            }
            let _ = exit_sender.send(true);
        });
        tokio::spawn(serve(listener, Arc::new(api), exited.clone()));
        let environment = Self {
            version: spec.version.clone(),
            pid,
            invocations,
            messages: Mutex::new(messages),
            is_asking,
            exited,
            output,
            stops: SyncMutex::default(),
        };
        environment.wait_for_init().await?;
        Ok(environment)
    }

    async fn wait_for_init(&self) -> Result<(), InvocationError> {
        let (mut is_asking, mut exited) = (self.is_asking.clone(), self.exited.clone());
        let mut messages = self.messages.lock().await;
        let init = |detail: String| Err(InvocationError::Init { detail });
        tokio::select! {
            _ = is_asking.wait_for(|is_asking| *is_asking) => Ok(()),
            Some(RuntimeMessage::InitError(body)) = messages.recv() => init(String::from_utf8_lossy(&body).into_owned()),
            _ = exited.wait_for(|exited| *exited) => init("the process ended; see its last log lines".to_owned()),
            () = tokio::time::sleep(INIT_TIMEOUT) => init(format!("the init phase took more than {INIT_TIMEOUT:?}")),
        }
    }

    /// Returns the version of the function that the environment runs.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the id of the process.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns `true` if the process has exited.
    pub fn has_exited(&self) -> bool {
        *self.exited.borrow()
    }

    /// Stops the process (`SIGSTOP`) until the next invocation.
    pub fn freeze(&self) {
        self.change(|stops| stops.is_frozen = true);
    }

    fn thaw(&self) {
        self.change(|stops| stops.is_frozen = false);
    }

    /// Stops the process (`SIGSTOP`) until [`Self::release`], also during an invocation.
    pub fn hold(&self) {
        self.change(|stops| stops.is_held = true);
    }

    /// Continues the process (`SIGCONT`) if it is not frozen.
    pub fn release(&self) {
        self.change(|stops| stops.is_held = false);
    }

    /// Changes the reasons for a stop, and sends the signal that they ask for. The lock makes the
    /// signals have the order of the changes.
    fn change(&self, change: impl FnOnce(&mut Stops)) {
        let mut stops = locked(&self.stops);
        let was_stopped = stops.is_frozen || stops.is_held;
        change(&mut stops);
        match (was_stopped, stops.is_frozen || stops.is_held) {
            (false, true) => self.signal(Signal::STOP),
            (true, false) => self.signal(Signal::CONT),
            _ => {}
        }
    }

    fn signal(&self, signal: Signal) {
        // After the process has exited, its id may belong to another process.
        if !self.has_exited() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Kills the process (`SIGKILL`), as a crash would end it.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Thaws the process if it is frozen, passes the event to it, and waits for its response.
    ///
    /// All lines that the process wrote before it responded are forwarded first, so a caller
    /// sees the metrics of its invocation. The process may continue to run until it asks for
    /// the next invocation: see [`Self::wait_until_asking`].
    pub async fn invoke(
        &self,
        request_id: &str,
        payload: Bytes,
        timeout_ms: u64,
    ) -> Result<Bytes, InvocationError> {
        let mut exited = self.exited.clone();
        let deadline_ms = now_ms().saturating_add_unsigned(timeout_ms);
        self.thaw();
        let invocation = Invocation { request_id: request_id.to_owned(), payload, deadline_ms };
        if self.invocations.send(invocation).await.is_err() {
            return Err(InvocationError::Crashed);
        }
        let result = tokio::select! {
            result = self.wait_for_response(request_id) => result,
            _ = exited.wait_for(|exited| *exited) => Err(InvocationError::Crashed),
            () = tokio::time::sleep(Duration::from_millis(timeout_ms)) => {
                self.kill();
                Err(InvocationError::TimedOut { timeout_ms })
            }
        };
        self.output.forward_written();
        result
    }

    /// Waits until the process asks for the next invocation, and kills it after `limit_ms`.
    /// Lambda's timeout also includes the work after the response. A caller without another
    /// invocation for the environment must freeze it afterwards.
    pub async fn wait_until_asking(&self, limit_ms: u64) {
        let (mut is_asking, mut exited) = (self.is_asking.clone(), self.exited.clone());
        let asks = async {
            tokio::select! {
                _ = is_asking.wait_for(|is_asking| *is_asking) => {}
                _ = exited.wait_for(|exited| *exited) => {}
            }
        };
        if tokio::time::timeout(Duration::from_millis(limit_ms), asks).await.is_err() {
            self.kill();
            let _ = self.exited.clone().wait_for(|exited| *exited).await;
        }
    }

    async fn wait_for_response(&self, request_id: &str) -> Result<Bytes, InvocationError> {
        let mut messages = self.messages.lock().await;
        while let Some(message) = messages.recv().await {
            match message {
                RuntimeMessage::Response(id, body) if id == request_id => return Ok(body),
                RuntimeMessage::Error(id, body) if id == request_id => {
                    return Err(InvocationError::Function {
                        detail: String::from_utf8_lossy(&body).into_owned(),
                    });
                }
                _ => {}
            }
        }
        Err(InvocationError::Crashed)
    }
}

fn command(spec: &FunctionSpec, runtime_api: &str) -> Command {
    let mut command = Command::new(&spec.binary);
    command
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", &spec.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", &spec.version)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mib.to_string())
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // The process gets a separate process group. When this process is gone, however it ended,
        // the system ends even a frozen process of such a group (SIGHUP, then SIGCONT).
        .process_group(0)
        .kill_on_drop(true);
    command
}
