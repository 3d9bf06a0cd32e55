//! Probes, which measure freshness: the time from a call's response to the first
//! ledger read that shows the call.
//!
//! A probe is a scheduled call like all others, but its key has no other call
//! in flight. The ledger's count of the key therefore shows whether this call
//! is counted. A key is used again only after its call was counted. Probes do
//! not wait for one another: while the ledger does not change, more and more
//! probes wait, and each is measured.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use metering_aws::ledger_items::{LedgerItem, rows_of_partition};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use system_clock::now_ms;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::client::Caller;
use crate::harness::client_counts::ClientCounts;
use crate::harness::identities::AnsweredCall;
use crate::harness::interruption::Interruption;
use crate::harness::worker::ClientKey;
use crate::histogram::microseconds;
use crate::profile::ProbeSettings;

/// Interval between two reads for an old probe, as a share of the probe's age.
const INTERVAL_SHARE: f64 = 0.05;
const MAX_INTERVAL: Duration = Duration::from_secs(2);

/// The position of a record in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RecordPosition {
    /// Kinesis shard, such as `shardId-000000000000`.
    pub shard_id: String,
    /// Kinesis sequence number, in decimal digits.
    pub sequence_number: String,
}

/// The measurement of one probe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProbeSample {
    /// Time at which the probe was due, in seconds from the start of the run.
    pub due_s: f64,
    /// Time of the response, in milliseconds since 1970.
    pub answered_ms: i64,
    /// Time of the first read that showed the call, in milliseconds since 1970; `None` if no read
    /// did before the time limit.
    pub shown_ms: Option<i64>,
    /// Time from the response to that read or to the time limit, in microseconds, by a monotonic
    /// clock.
    pub freshness_us: u64,
    /// The stream record that contains the call, if a read showed it.
    pub record: Option<RecordPosition>,
}

/// The results of all probes of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProbeResults {
    /// One sample for each probe with a successful response.
    pub samples: Vec<ProbeSample>,
    /// Number of probes without a successful response.
    pub unsuccessful: u64,
    /// Number of probes that were not sent, because no key was free.
    pub without_key: u64,
    /// Number of ledger reads.
    pub reads: u64,
    /// Number of ledger reads that failed, in a run with faults.
    pub failed_reads: u64,
    /// Counts of the probes' calls. Key indexes are those of the probe keys.
    pub client_counts: ClientCounts,
    /// Each successful call. Key indexes are those of the probe keys.
    #[serde(skip)]
    pub answered: Vec<AnsweredCall>,
}

/// Measurements since the previous request for them.
pub struct RecentProbes {
    /// Freshness of each probe that was measured, in microseconds.
    pub freshness_us: Vec<u64>,
    /// Number of probes that wait at present.
    pub waiting: usize,
}

/// Sends probes and measures their freshness.
pub struct Prober {
    caller: Caller,
    client: Client,
    /// Name of the ledger table.
    table: String,
    keys: Vec<ClientKey>,
    settings: ProbeSettings,
    /// `true` if a read of the ledger may fail and is then repeated.
    tolerates_failed_reads: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: VecDeque<FreeKey>,
    results: ProbeResults,
    /// Freshness since the previous [`Prober::take_recent`], in microseconds.
    recent_us: Vec<u64>,
}

/// A key without a call in flight.
#[derive(Debug, Clone, Copy)]
struct FreeKey {
    /// Index of the key.
    key: u32,
    /// Number of calls that the ledger counts for the key.
    calls: u64,
}

/// The ledger's content for the key of a probe.
struct KeyUsage {
    calls: u64,
    /// The last record with a call of the key.
    record: Option<RecordPosition>,
}

/// The first read that showed a call.
struct Shown {
    at: Instant,
    record: Option<RecordPosition>,
}

impl Prober {
    /// Creates a prober. Nothing else may use its keys.
    pub fn new(
        caller: Caller,
        client: Client,
        table: String,
        keys: Vec<ClientKey>,
        settings: ProbeSettings,
    ) -> Self {
        let indexes = 0..u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let free = indexes.map(|key| FreeKey { key, calls: 0 }).collect();
        let state = Mutex::new(State { free, ..State::default() });
        Self { caller, client, table, keys, settings, tolerates_failed_reads: false, state }
    }

    /// Repeats reads of the ledger that fail, as in a run with faults. The time until a read
    /// succeeds is a part of the freshness.
    #[must_use]
    pub fn tolerating_failed_reads(self, tolerates_failed_reads: bool) -> Self {
        Self { tolerates_failed_reads, ..self }
    }

    /// Returns the number of keys with which each probe finds a free one, provided that calls are
    /// counted within the time limit, and that no call lacks a response for longer than
    /// `unanswered_s` altogether: its key is not used again.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of keys is small")]
    pub fn keys_needed(settings: ProbeSettings, duration_s: f64, unanswered_s: f64) -> u32 {
        let waiting_s = settings.timeout_s.min(duration_s) + unanswered_s;
        (settings.calls_per_s * waiting_s).ceil().max(1.0) as u32 + 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the measurements since the previous call of this function.
    pub fn take_recent(&self) -> RecentProbes {
        let mut state = self.lock();
        let freshness_us = std::mem::take(&mut state.recent_us);
        RecentProbes { freshness_us, waiting: self.keys.len() - state.free.len() }
    }

    /// Sends probes for `duration` from `start` on, or until an interruption, and waits until all are measured.
    ///
    /// # Errors
    /// Returns an error if the ledger cannot be read.
    pub async fn run(
        self: &Arc<Self>,
        start: Instant,
        duration: Duration,
        mut interruption: Interruption,
    ) -> anyhow::Result<ProbeResults> {
        let mut probes = JoinSet::new();
        let mut number = 0.0;
        loop {
            let due = Duration::from_secs_f64(number / self.settings.calls_per_s);
            if due >= duration {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep_until(start + due) => {}
                () = interruption.wait() => break,
            }
            number += 1.0;
            let free = self.lock().free.pop_front();
            let Some(free) = free else {
                self.lock().results.without_key += 1;
                continue;
            };
            let prober = self.clone();
            probes.spawn(async move { prober.probe(free, due.as_secs_f64()).await });
            while let Some(ended) = probes.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = probes.join_next().await {
            ended??;
        }
        Ok(std::mem::take(&mut self.lock().results))
    }

    async fn probe(&self, FreeKey { key, calls }: FreeKey, due_s: f64) -> anyhow::Result<()> {
        let sent_ms = now_ms();
        let answer = self.caller.call(200, &self.keys[key as usize].secret).await.ok();
        let status = answer.as_ref().map(|answer| answer.status);
        let (answered, answered_ms) = (Instant::now(), now_ms());
        if status != Some(200) {
            let mut state = self.lock();
            state.results.unsuccessful += 1;
            if status.is_none() {
                // The call may be counted or not, so the key's count is no longer known: drop the key.
                state.results.client_counts.record_unanswered(key, sent_ms, answered_ms);
            } else {
                state.free.push_back(FreeKey { key, calls });
            }
            return Ok(());
        }
        {
            let results = &mut self.lock().results;
            results.client_counts.record_success(key, sent_ms, answered_ms);
            let request_id = answer.and_then(|answer| answer.request_id).unwrap_or_default();
            results.answered.push(AnsweredCall { key, request_id });
        }
        let calls = calls + 1;
        let shown = self.await_count(key, calls, answered).await?;
        let freshness_us =
            microseconds(shown.as_ref().map_or_else(|| answered.elapsed(), |shown| shown.at - answered));
        let mut state = self.lock();
        state.recent_us.push(freshness_us);
        let is_shown = shown.is_some();
        let sample = ProbeSample {
            due_s,
            answered_ms,
            shown_ms: is_shown.then(now_ms),
            freshness_us,
            record: shown.and_then(|shown| shown.record),
        };
        state.results.samples.push(sample);
        if is_shown {
            state.free.push_back(FreeKey { key, calls });
        }
        Ok(())
    }

    /// Reads the ledger until it counts `calls` calls of a key. Returns `None` at the time limit.
    async fn await_count(&self, key: u32, calls: u64, answered: Instant) -> anyhow::Result<Option<Shown>> {
        let first = Duration::from_millis(self.settings.read_interval_ms);
        loop {
            let age = answered.elapsed();
            if age.as_secs_f64() > self.settings.timeout_s {
                return Ok(None);
            }
            let interval = first.max(age.mul_f64(INTERVAL_SHARE)).min(MAX_INTERVAL);
            // Jitter keeps the reads of many probes from coinciding.
            let jitter = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(interval.mul_f64(jitter)).await;
            let usage = match self.read(key).await {
                Ok(usage) => usage,
                Err(_) if self.tolerates_failed_reads => {
                    self.lock().results.failed_reads += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if usage.calls >= calls {
                return Ok(Some(Shown { at: Instant::now(), record: usage.record }));
            }
        }
    }

    async fn read(&self, key: u32) -> anyhow::Result<KeyUsage> {
        self.lock().results.reads += 1;
        let key = self.keys[key as usize].metered_key();
        let query = rows_of_partition(&self.client, &self.table, &key);
        let reply = query.consistent_read(true).send().await.context("a probe cannot read the ledger")?;
        let is_of_key = |row: &LedgerItem| row.row_key().is_some_and(|row| *row.key() == key);
        let rows = reply.items().iter().map(LedgerItem).filter(is_of_key);
        let calls = rows.clone().filter_map(LedgerItem::total).sum();
        // The calls of a key follow one another, so the row of the latest call has the newest record.
        let newest = rows.max_by_key(|row| row.last_call_ms());
        let record = newest.and_then(|row| {
            let number = row.high_water_mark().ok()?;
            Some(RecordPosition {
                shard_id: row.row_key()?.shard.shard_id().to_owned(),
                sequence_number: number.digits().to_owned(),
            })
        });
        Ok(KeyUsage { calls, record })
    }
}
