//! A function and its execution environments. Environments are started on demand and frozen while
//! no invocation waits for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use system_clock::{monotonic_us, now_ms};
use tokio::sync::oneshot;

use super::environment::{Environment, InvocationError};
use super::spec::FunctionSpec;
use super::versions::Versions;
use crate::cloudwatch::MetricName;
use crate::cloudwatch::metrics::MetricSink;
use crate::names::STAGE;
use crate::sync::locked;

/// A finished invocation.
#[derive(Debug)]
pub struct Invoked {
    pub request_id: String,
    /// Version of the function that was invoked.
    pub version: String,
    /// The function's response, or the reason why the invocation failed.
    pub result: Result<Bytes, InvocationError>,
}

/// A Lambda function.
pub struct Function {
    shared: Arc<Shared>,
}

/// State that all invocations share.
struct Shared {
    versions: Versions,
    metrics: Arc<MetricSink>,
    max_environments: usize,
    state: Mutex<State>,
    invocations: AtomicU64,
    freezes: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Frozen environments, which have no invocation.
    idle: Vec<Arc<Environment>>,
    /// All environments, idle and busy.
    all: Vec<Arc<Environment>>,
    /// Number of environments that have an invocation or are being started for one.
    busy: usize,
    /// Number of busy environments that have responded and will ask for the next invocation
    /// shortly.
    responded: usize,
    /// Invocations that wait for an environment, oldest first.
    waiting: VecDeque<Job>,
}

/// An invocation without a response.
struct Job {
    spec: Arc<FunctionSpec>,
    request_id: String,
    payload: Bytes,
    response_sender: ResponseSender,
}

/// Channel for the response of an invocation.
type ResponseSender = oneshot::Sender<Result<Bytes, InvocationError>>;

impl Function {
    /// Creates a function of one version, without environments.
    pub fn new(spec: FunctionSpec, metrics: Arc<MetricSink>) -> Self {
        Self::with_versions(Versions::one(spec), metrics)
    }

    /// Creates a function behind an alias, whose invocations `versions` distributes.
    pub fn with_versions(versions: Versions, metrics: Arc<MetricSink>) -> Self {
        let max_environments = versions.main().max_environments;
        let (invocations, freezes) = (AtomicU64::new(0), AtomicU64::new(0));
        let state = Mutex::default();
        let shared = Shared { versions, metrics, max_environments, state, invocations, freezes };
        Self { shared: Arc::new(shared) }
    }

    /// Invokes the function and returns its response.
    ///
    /// # Errors
    /// Returns an error if the function fails, crashes or times out.
    pub async fn invoke(&self, payload: Bytes) -> Result<Bytes, InvocationError> {
        self.invoke_traced(payload).await.result
    }

    /// Invokes the function and also returns the request id and the version that was invoked.
    pub async fn invoke_traced(&self, payload: Bytes) -> Invoked {
        let spec = self.shared.versions.draw().clone();
        let number = self.shared.invocations.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-8000-{number:012x}");
        let version = spec.version.clone();
        let (response_sender, response) = oneshot::channel();
        self.shared.clone().submit(Job { spec, request_id: request_id.clone(), payload, response_sender });
        let result = response.await.unwrap_or(Err(InvocationError::Crashed));
        Invoked { request_id, version, result }
    }

    pub fn name(&self) -> &str {
        &self.shared.versions.main().name
    }

    /// Records a value of a metric in the namespace `AWS/Lambda`.
    pub fn record_metric(&self, metric: &str, value: u64) {
        self.shared.record_metric(metric, value);
    }

    /// Starts an environment of the main version before its first invocation.
    ///
    /// # Errors
    /// Returns an error if the function cannot start.
    pub async fn prepare(&self) -> Result<(), InvocationError> {
        let environment = self.shared.start(self.shared.versions.main()).await?;
        self.shared.put_idle(&mut self.shared.locked(), environment);
        Ok(())
    }

    /// Returns how many times an environment was frozen because no invocation waited for it.
    pub fn freezes(&self) -> u64 {
        self.shared.freezes.load(Ordering::Relaxed)
    }

    /// Kills the process of a random environment, busy or frozen, and returns its process id.
    /// Returns `None` if there is no environment.
    pub fn kill_random(&self) -> Option<i32> {
        let environment = self.shared.locked().all.choose(&mut rand::rng()).cloned()?;
        Some(kill(&environment))
    }

    /// Kills the process of a random environment that is not frozen, because it has an invocation or
    /// still works after its response, and returns its process id. Returns `None` if all are frozen.
    pub fn kill_busy(&self) -> Option<i32> {
        let state = self.shared.locked();
        let is_idle =
            |environment: &Arc<Environment>| state.idle.iter().any(|idle| Arc::ptr_eq(idle, environment));
        let busy = state.all.iter().filter(|environment| !is_idle(environment) && !environment.has_exited());
        busy.choose(&mut rand::rng()).map(|environment| kill(environment))
    }

    /// Stops the processes of all environments, busy or frozen, until [`Self::release`]. Returns
    /// their number. Environments that are started later are not stopped.
    pub fn hold(&self) -> usize {
        let all = self.shared.locked().all.clone();
        for environment in &all {
            environment.hold();
        }
        all.len()
    }

    /// Continues the processes that [`Self::hold`] stopped.
    pub fn release(&self) {
        for environment in &self.shared.locked().all {
            environment.release();
        }
    }

    /// Returns the process ids of all environments.
    pub fn process_ids(&self) -> Vec<i32> {
        let state = self.shared.locked();
        state.all.iter().map(|environment| environment.pid().as_raw_nonzero().get()).collect()
    }

    /// Stops all environments. Invocations that wait for one get no response.
    pub fn shut_down(&self) {
        let mut state = self.shared.locked();
        state.waiting.clear();
        state.idle.clear();
        for environment in state.all.drain(..) {
            environment.kill();
        }
    }
}

/// Kills the process of an environment, and returns its process id.
fn kill(environment: &Environment) -> i32 {
    environment.kill();
    environment.pid().as_raw_nonzero().get()
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Assigns an invocation to an environment, or queues it. An invocation also waits for an
    /// environment that has just responded: a client that calls again after a response expects the
    /// same environment.
    ///
    /// A separate task runs the invocation, so that the environment is returned even if the caller
    /// has gone.
    fn submit(self: Arc<Self>, job: Job) {
        let mut state = self.locked();
        if state.busy >= self.max_environments {
            state.waiting.push_back(job);
            return;
        }
        let environment = state.take_idle(&job.spec);
        if environment.is_none() && state.waiting.len() < state.responded {
            state.waiting.push_back(job);
            return;
        }
        state.busy += 1;
        drop(state);
        tokio::spawn(async move { self.work(environment, job).await });
    }

    /// Runs an invocation and then the queued ones, one at a time, until none is left.
    async fn work(&self, mut environment: Option<Arc<Environment>>, mut job: Job) {
        loop {
            let kept = self.run(environment, job).await;
            let Some(next) = self.next(kept) else { return };
            (environment, job) = next;
        }
    }

    /// Invokes `environment`, or a new one if it is `None`, and sends the response. Then waits
    /// until the environment asks for the next invocation, and returns it if it can be used again.
    ///
    /// Like Lambda, this sends the response without waiting for the runtime to ask for the next
    /// event. Source: Lambda Developer Guide, "Using the Lambda runtime API".
    async fn run(&self, environment: Option<Arc<Environment>>, job: Job) -> Option<Arc<Environment>> {
        let Job { spec, request_id, payload, response_sender } = job;
        let environment = match environment {
            Some(environment) => Ok(environment),
            None => self.start(&spec).await,
        };
        let environment = match environment {
            Ok(environment) => environment,
            Err(error) => {
                self.send_response(response_sender, Err(error));
                return None;
            }
        };
        let started_us = monotonic_us();
        let result = environment.invoke(&request_id, payload, spec.timeout_ms).await;
        self.record_metric("Invocations", 1);
        self.record_metric("Errors", u64::from(result.is_err()));
        let is_kept = result.as_ref().err().is_none_or(InvocationError::keeps_environment);
        self.send_response(response_sender, result);
        if is_kept {
            let spent_ms = (monotonic_us() - started_us) / 1_000;
            environment.wait_until_asking(spec.timeout_ms.saturating_sub(spent_ms)).await;
        }
        self.record_metric("Duration", (monotonic_us() - started_us).div_ceil(1_000));
        if is_kept && !environment.has_exited() {
            return Some(environment);
        }
        self.locked().forget(&environment);
        None
    }

    fn send_response(&self, response_sender: ResponseSender, result: Result<Bytes, InvocationError>) {
        self.locked().responded += 1;
        // The caller may have stopped waiting.
        let _ = response_sender.send(result);
    }

    /// Returns the oldest queued invocation and an environment for it. If none is queued, freezes
    /// the environment: Lambda also freezes one only if there is no next invocation for it.
    fn next(&self, environment: Option<Arc<Environment>>) -> Option<(Option<Arc<Environment>>, Job)> {
        let mut state = self.locked();
        state.responded -= 1;
        while let Some(job) = state.waiting.pop_front() {
            if job.response_sender.is_closed() {
                continue; // The caller has stopped waiting, and the invocation has not begun.
            }
            match environment {
                Some(environment) if environment.version() == job.spec.version => {
                    return Some((Some(environment), job));
                }
                Some(environment) => self.put_idle(&mut state, environment),
                None => {}
            }
            let environment = state.take_idle(&job.spec);
            return Some((environment, job));
        }
        if let Some(environment) = environment {
            self.put_idle(&mut state, environment);
        }
        state.busy -= 1;
        None
    }

    fn put_idle(&self, state: &mut State, environment: Arc<Environment>) {
        self.freezes.fetch_add(1, Ordering::Relaxed);
        environment.freeze();
        state.idle.push(environment);
    }

    async fn start(&self, spec: &FunctionSpec) -> Result<Arc<Environment>, InvocationError> {
        let environment = Arc::new(Environment::start(spec, &self.metrics).await?);
        self.locked().all.push(environment.clone());
        Ok(environment)
    }

    fn record_metric(&self, metric: &str, value: u64) {
        let name = format!("{}-{STAGE}", self.versions.main().name);
        let metric = MetricName::new("AWS/Lambda", metric, [("FunctionName", &name)]);
        self.metrics.store().record(metric, now_ms(), [value]);
    }
}

impl State {
    /// Takes the idle environment that was used last, or a random one if the function spreads its
    /// invocations.
    fn take_idle(&mut self, spec: &FunctionSpec) -> Option<Arc<Environment>> {
        loop {
            let candidates: Vec<usize> =
                (0..self.idle.len()).filter(|index| self.idle[*index].version() == spec.version).collect();
            let last = candidates.len().checked_sub(1)?;
            let index = candidates[if spec.spreads { rand::rng().random_range(0..=last) } else { last }];
            let environment = self.idle.remove(index);
            if !environment.has_exited() {
                return Some(environment);
            }
            self.forget(&environment);
        }
    }

    fn forget(&mut self, environment: &Arc<Environment>) {
        self.all.retain(|other| !Arc::ptr_eq(other, environment));
    }
}
