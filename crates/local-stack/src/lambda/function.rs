//! A function: its environments, started as they are needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lambda_support::clock::{monotonic_us, now_ms};
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::sync::Semaphore;

use super::environment::{Environment, InvocationError};
use super::versions::Versions;
use crate::cloudwatch::MetricName;
use crate::gateway::STAGE;
use crate::metrics::MetricSink;

/// What a function runs and how.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// The published version that this is.
    pub version: String,
    /// The binary, the same file that is deployed as `bootstrap`.
    pub binary: PathBuf,
    /// Its environment variables.
    pub environment: Vec<(String, String)>,
    /// Memory that a process may have, in MiB.
    pub memory_mib: u64,
    /// Whether an allocation beyond `memory_mib` fails, as it does on Lambda.
    pub limits_memory: bool,
    /// How long an invocation may take, in milliseconds.
    pub timeout_ms: u64,
    /// The most environments at once.
    pub max_environments: usize,
    /// Whether an invocation goes to any idle environment, and not to the one
    /// that was used last.
    pub spreads: bool,
}

/// An invocation that has ended, with its answer or its error.
#[derive(Debug)]
pub struct Invoked {
    /// The invocation's request id.
    pub request_id: String,
    /// The version that was invoked.
    pub version: String,
    /// What the function answered, or why the invocation failed.
    pub result: Result<Bytes, InvocationError>,
}

/// A function that can be invoked.
pub struct Function {
    versions: Versions,
    metrics: Arc<MetricSink>,
    permits: Semaphore,
    idle: Mutex<Vec<Arc<Environment>>>,
    all: Mutex<Vec<Arc<Environment>>>,
    invocations: AtomicU64,
}

impl Function {
    /// A function without any environment yet.
    pub fn new(spec: FunctionSpec, metrics: Arc<MetricSink>) -> Self {
        Self::of_versions(Versions::one(spec), metrics)
    }

    /// A function behind an alias that sends invocations to either of two versions.
    pub fn of_versions(versions: Versions, metrics: Arc<MetricSink>) -> Self {
        let permits = Semaphore::new(versions.main().max_environments);
        let (idle, all) = (Mutex::default(), Mutex::default());
        Self { versions, metrics, permits, idle, all, invocations: AtomicU64::new(0) }
    }

    /// Invokes the function and returns its answer.
    ///
    /// # Errors
    /// When the function fails, crashes or takes too long.
    pub async fn invoke(&self, payload: Bytes) -> Result<Bytes, InvocationError> {
        self.invoke_traced(payload).await.result
    }

    /// Invokes the function and says also which version was invoked.
    pub async fn invoke_traced(&self, payload: Bytes) -> Invoked {
        let spec = self.versions.draw();
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-8000-{number:012x}");
        let result = self.invoke_version(spec, &request_id, payload).await;
        Invoked { request_id, version: spec.version.clone(), result }
    }

    async fn invoke_version(
        &self,
        spec: &FunctionSpec,
        request_id: &str,
        payload: Bytes,
    ) -> Result<Bytes, InvocationError> {
        let _permit = self.permits.acquire().await.map_err(|_| InvocationError::Crashed)?;
        let environment = match self.take_idle(spec) {
            Some(environment) => environment,
            None => self.start(spec).await?,
        };
        let started_us = monotonic_us();
        let result = environment.invoke(request_id, payload, spec.timeout_ms).await;
        self.tell("Duration", (monotonic_us() - started_us).div_ceil(1_000));
        self.tell("Invocations", 1);
        self.tell("Errors", u64::from(result.is_err()));
        if result.as_ref().err().is_none_or(InvocationError::keeps_environment) && !environment.has_exited() {
            locked(&self.idle).push(environment);
        } else {
            locked(&self.all).retain(|other| !Arc::ptr_eq(other, &environment));
        }
        result
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.versions.main().name
    }

    /// Tells a metric that Lambda itself has of a function.
    pub fn tell(&self, metric: &str, value: u64) {
        let name = format!("{}-{STAGE}", self.name());
        let metric = MetricName::new("AWS/Lambda", metric, [("FunctionName", &name)]);
        self.metrics.store().record(metric, now_ms(), [value]);
    }

    fn take_idle(&self, spec: &FunctionSpec) -> Option<Arc<Environment>> {
        let mut idle = locked(&self.idle);
        loop {
            let places: Vec<usize> =
                (0..idle.len()).filter(|place| idle[*place].version() == spec.version).collect();
            let last = places.len().checked_sub(1)?;
            let place = places[if spec.spreads { rand::rng().random_range(0..=last) } else { last }];
            let environment = idle.remove(place);
            if !environment.has_exited() {
                return Some(environment);
            }
            locked(&self.all).retain(|other| !Arc::ptr_eq(other, &environment));
        }
    }

    async fn start(&self, spec: &FunctionSpec) -> Result<Arc<Environment>, InvocationError> {
        let environment = Arc::new(Environment::start(spec, &self.metrics).await?);
        locked(&self.all).push(environment.clone());
        Ok(environment)
    }

    /// Starts an environment of the main version ahead of its first invocation.
    ///
    /// # Errors
    /// When the function cannot start.
    pub async fn prepare(&self) -> Result<(), InvocationError> {
        let environment = self.start(self.versions.main()).await?;
        locked(&self.idle).push(environment);
        Ok(())
    }

    /// Kills the process of a random environment, busy or frozen, and returns
    /// its process id; `None` where there is none.
    pub fn kill_random(&self) -> Option<i32> {
        let environment = locked(&self.all).choose(&mut rand::rng()).cloned()?;
        environment.kill();
        Some(environment.pid().as_raw_nonzero().get())
    }

    /// The processes of all environments.
    pub fn process_ids(&self) -> Vec<i32> {
        locked(&self.all).iter().map(|environment| environment.pid().as_raw_nonzero().get()).collect()
    }

    /// Ends all environments.
    pub fn shut_down(&self) {
        locked(&self.idle).clear();
        for environment in locked(&self.all).drain(..) {
            environment.kill();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
