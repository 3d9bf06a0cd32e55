//! Performs the reads that the decision cache asks for, until it has an answer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metering_core::api_key::KeyDigest;
use metering_core::authorization::Decision;
use metering_core::clock_reading::ClockReading;
use metering_core::decision_cache::{CacheSettings, DecisionCache, LogCheck, Read, Request, Step};
use metering_core::invalidation::LogRead;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{InvalidationLog, KeyTable, PortError, UsageAlert, UsageAlerts, UsageTotals};
use metering_core::quota::MonthUsage;
use metering_core::window::{CallWindow, UtcMonth};

use crate::metrics::{AuthorizerMetric, AuthorizerMetrics};
use crate::single_flight::SingleFlight;

/// Longest time for which a call waits for an alert to be sent. An alert that is
/// not sent by then is sent with a later call.
const ALERT_LIMIT: Duration = Duration::from_secs(1);

/// Storage and alerts of the authorizer.
#[derive(Debug)]
pub struct Ports<K, L, U, A> {
    /// The table of keys.
    pub keys: K,
    /// The invalidation log: the changes of keys.
    pub log: L,
    /// The usage of each key in a month.
    pub usage: U,
    /// Alerts about monthly limits.
    pub alerts: A,
}

/// One instance of the authorizer.
#[derive(Debug)]
pub struct Authorizer<K, L, U, A> {
    ports: Ports<K, L, U, A>,
    cache: Mutex<DecisionCache>,
    metrics: Mutex<AuthorizerMetrics>,
    flights: SingleFlight<FlightKey>,
    /// Start of the last answered call, in milliseconds since 1970.
    last_answered_ms: AtomicI64,
    now: fn() -> ClockReading,
}

/// A read that one request at a time performs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum FlightKey {
    Log,
    Key(KeyDigest),
    Usage(Box<str>),
}

impl FlightKey {
    fn new(read: &Read, digest: KeyDigest) -> Self {
        match read {
            Read::Log => Self::Log,
            Read::KeyByIndex | Read::KeyConsistently => Self::Key(digest),
            Read::Usage { key, .. } => Self::Usage(key.api_key_id.clone()),
        }
    }
}

/// Failure to decide on a call. The call is neither admitted nor denied: API
/// Gateway answers 500.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// A read failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The reads succeeded but do not suffice for a decision.
    #[error("the call cannot be decided: {reason}")]
    Undecidable { reason: &'static str },
    /// The decision took longer than its limit.
    #[error("the call could not be decided within {limit_ms} ms; DynamoDB does not answer in time")]
    TooLate { limit_ms: u64 },
}

impl<K: KeyTable, L: InvalidationLog, U: UsageTotals, A: UsageAlerts> Authorizer<K, L, U, A> {
    /// Creates an instance with an empty cache.
    pub fn new(ports: Ports<K, L, U, A>, settings: CacheSettings, now: fn() -> ClockReading) -> Self {
        Self {
            ports,
            cache: Mutex::new(DecisionCache::new(settings)),
            metrics: Mutex::default(),
            flights: SingleFlight::default(),
            last_answered_ms: AtomicI64::new(i64::MIN),
            now,
        }
    }

    fn cache(&self) -> MutexGuard<'_, DecisionCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Metrics that were not yet emitted.
    pub fn metrics(&self) -> MutexGuard<'_, AuthorizerMetrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on a call that presents the secret with this digest.
    ///
    /// # Errors
    /// When a read that the decision needs fails. The call is not admitted.
    pub async fn decide(&self, digest: KeyDigest) -> Result<Decision, Unavailable> {
        let mut request = self.cache().begin(digest);
        let began_ms = (self.now)().wall_ms;
        loop {
            let read = match self.step(&request) {
                Step::Answer(decision) => {
                    let missed = request.read_key();
                    let metric =
                        if missed { AuthorizerMetric::CacheMisses } else { AuthorizerMetric::CacheHits };
                    self.metrics().add(metric, 1);
                    self.last_answered_ms.fetch_max(began_ms, Ordering::Relaxed);
                    return Ok(decision);
                }
                Step::Unavailable(reason) => return Err(Unavailable::Undecidable { reason }),
                Step::Read(read) => read,
            };
            let flight = self.flights.begin(FlightKey::new(&read, digest)).await;
            // Another request may have completed this read while this one waited.
            let step = flight.waited.then(|| self.step(&request));
            if step.is_none_or(|step| step == Step::Read(read.clone())) {
                self.perform(read, &mut request).await?;
            }
        }
    }

    fn step(&self, request: &Request) -> Step {
        let now = (self.now)();
        self.cache().step(request, now)
    }

    async fn perform(&self, read: Read, request: &mut Request) -> Result<(), Unavailable> {
        match read {
            Read::Log => self.sync().await,
            Read::KeyByIndex => {
                self.metrics().add(AuthorizerMetric::IndexReads, 1);
                let start = self.cache().begin_read((self.now)());
                // Treat an index error like a stale index: fall back to the consistent read.
                let key = self.ports.keys.find_by_index(request.digest()).await.unwrap_or(None);
                self.cache().found_by_index(request, start, key, (self.now)());
            }
            Read::KeyConsistently => {
                self.metrics().add(AuthorizerMetric::KeyReads, 1);
                let start = self.cache().begin_read((self.now)());
                let key = self.ports.keys.find_consistently(request.digest()).await?;
                self.cache().found_consistently(request, start, key, (self.now)());
            }
            Read::Usage { key, month, known } => self.read_usage(request, &key, month, known).await,
        }
        Ok(())
    }

    /// Reads the invalidation log into the cache. Called at the start, so that the
    /// first call does not wait for it.
    pub async fn sync(&self) {
        let began = (self.now)();
        let (start, position, known) = {
            let mut cache = self.cache();
            (cache.begin_read(began), cache.log_position(), cache.log_head())
        };
        let result = self.ports.log.read_after(position).await;
        let now = (self.now)();
        let mut metrics = self.metrics();
        metrics.add(AuthorizerMetric::LogReads, 1);
        match result {
            Ok(read) => {
                if let Some(known) = known {
                    self.record_new_entries(&mut metrics, &read, known);
                }
                if self.cache().synced(start, &read, now) == LogCheck::Behind {
                    tracing::warn!(
                        head = read.head,
                        "the invalidation log was lost or restored; run `meter keys check-log`"
                    );
                    metrics.add(AuthorizerMetric::LogBehind, 1);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the invalidation log cannot be read; every call reads its key until it can");
                metrics.add(AuthorizerMetric::LogReadFailures, 1);
                self.cache().sync_failed(now);
            }
        }
    }

    /// Records the entries after `known`, the last one that this instance knew.
    fn record_new_entries(&self, metrics: &mut AuthorizerMetrics, read: &LogRead, known: u64) {
        let last_answered_ms = self.last_answered_ms.load(Ordering::Relaxed);
        for entry in read.entries.iter().filter(|entry| entry.sequence > known) {
            metrics.add(AuthorizerMetric::InvalidationsByLog, 1);
            let lag_ms = last_answered_ms.saturating_sub(entry.changed_at_ms);
            metrics.record_duration(AuthorizerMetric::InvalidationLag, lag_ms);
        }
    }

    async fn read_usage(
        &self,
        request: &mut Request,
        key: &MeteredKey,
        month: UtcMonth,
        known: Option<MonthUsage>,
    ) {
        self.metrics().add(AuthorizerMetric::UsageReads, 1);
        let began = (self.now)();
        let Ok(today) = CallWindow::at(began.wall_ms) else { return self.cache().usage_failed(request) };
        match self.ports.usage.month_usage(key, month, known, today.day).await {
            Ok(usage) => self.cache().usage_read(request, &key.api_key_id, usage, began),
            Err(error) => {
                tracing::warn!(%error, "the usage of a key cannot be read; using the last known usage");
                self.metrics().add(AuthorizerMetric::UsageReadFailures, 1);
                return self.cache().usage_failed(request);
            }
        }
        let decision = self.step(request);
        if tokio::time::timeout(ALERT_LIMIT, self.send_alerts(decision)).await.is_err() {
            self.metrics().add(AuthorizerMetric::AlertFailures, 1);
        }
    }

    /// Sends an alert for each threshold that the usage has reached since the last alert.
    async fn send_alerts(&self, decision: Step) {
        let Step::Answer(
            Decision::Allow { key, quota: Some(quota) }
            | Decision::Deny { key: Some(key), quota: Some(quota), .. },
        ) = decision
        else {
            return;
        };
        let now = (self.now)();
        let Some(reached) = self.cache().threshold_to_notify(&key.key_id, &quota) else { return };
        let Ok(month) = UtcMonth::at(now.wall_ms) else { return };
        for threshold in reached.up_to() {
            let (key_id, owner) = (key.key_id.clone(), key.owner.clone());
            let alert = UsageAlert { key_id, owner, month, threshold, quota };
            match self.ports.alerts.notify(&alert, now.wall_ms).await {
                Ok(true) => self.cache().threshold_notified(&key.key_id, threshold),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, key_id = key.key_id, "could not send an alert about a limit; a later call sends it");
                    self.metrics().add(AuthorizerMetric::AlertFailures, 1);
                    return;
                }
            }
        }
    }

    /// Applies a change of a key that arrived by message.
    pub fn notice(&self, key_id: &str, sequence: u64) {
        self.metrics().add(AuthorizerMetric::InvalidationsByMessage, 1);
        self.cache().record_invalidation(key_id, sequence, (self.now)());
    }
}
