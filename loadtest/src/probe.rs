//! Measures freshness: from a call's answer to the first read that shows the
//! call in the ledger.
//!
//! A probe is a call like all others, sent when it is due, with a key that has
//! no other call under way: so the ledger's count of that key says whether
//! this very call was counted. A key is used again only after that. Probes do
//! not wait for one another: while the ledger stands still, more and more of
//! them wait, and each is measured.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use lambda_support::clock::now_ms;
use metering_aws::ledger_items::{LedgerItem, rows_of_key};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Caller;
use crate::histogram::microseconds;
use crate::profile::Probes;
use crate::seen::Seen;
use crate::worker::ClientKey;

/// An old probe is read at intervals of this share of its age.
const INTERVAL_SHARE: f64 = 0.05;
const LONGEST_INTERVAL: Duration = Duration::from_secs(2);

/// What a probe measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    /// When it was due, in seconds from the start of the run.
    pub due_s: f64,
    /// When its answer had come, in milliseconds since 1970.
    pub answered_ms: i64,
    /// When a read showed it, in milliseconds since 1970; `None` where none did.
    pub shown_ms: Option<i64>,
    /// From the one to the other, or to the end of retry_policy, by a clock that is never set.
    pub freshness_us: u64,
    /// The shard and the sequence number of the record that it was in.
    pub record: Option<(String, String)>,
}

/// What all probes of a run measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Each probe that was answered with success.
    pub samples: Vec<Sample>,
    /// Probes that were not answered with success.
    pub unsuccessful: u64,
    /// Probes that found no free key, and so were not sent.
    pub without_key: u64,
    /// Reads of the ledger.
    pub reads: u64,
    /// What their clients saw; keys are counted from 0 among those of the probes.
    pub seen: Seen,
}

/// The probes of a run.
pub struct Prober {
    caller: Caller,
    client: Client,
    table: String,
    keys: Vec<ClientKey>,
    settings: Probes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys without a call under way, with the calls that they have made.
    free: VecDeque<(u32, u64)>,
    measured: Measured,
    /// Freshness since it was asked for before, in microseconds.
    recent: Vec<u64>,
}

/// What the ledger has of a probe's key.
struct Row {
    calls: u64,
    /// The shard and the sequence number of the last record.
    record: Option<(String, String)>,
}

impl Prober {
    /// Probes with these keys, which nothing else uses.
    pub fn new(
        caller: Caller,
        client: Client,
        table: String,
        keys: Vec<ClientKey>,
        settings: Probes,
    ) -> Self {
        let free = (0..u32::try_from(keys.len()).unwrap_or(u32::MAX)).map(|key| (key, 0)).collect();
        let state = Mutex::new(State { free, ..State::default() });
        Self { caller, client, table, keys, settings, state }
    }

    /// How many keys are needed, so that each probe finds one as long as
    /// calls are counted within the retry_policy.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of keys is small")]
    pub fn keys_needed(settings: Probes, duration_s: f64) -> u32 {
        let waiting_s = settings.patience_s.min(duration_s);
        (settings.calls_per_s * waiting_s).ceil().max(1.0) as u32 + 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Freshness since this was asked before, in microseconds, and how many probes still wait.
    pub fn recent(&self) -> (Vec<u64>, usize) {
        let mut state = self.lock();
        (std::mem::take(&mut state.recent), self.keys.len() - state.free.len())
    }

    /// Sends probes from `start` on for `duration`, and waits for all of them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn run(self: &Arc<Self>, start: Instant, duration: Duration) -> anyhow::Result<Measured> {
        let mut probes = JoinSet::new();
        let mut number = 0.0;
        loop {
            let due = Duration::from_secs_f64(number / self.settings.calls_per_s);
            if due >= duration {
                break;
            }
            tokio::time::sleep_until(start + due).await;
            number += 1.0;
            let free = self.lock().free.pop_front();
            let Some((key, calls)) = free else {
                self.lock().measured.without_key += 1;
                continue;
            };
            let prober = self.clone();
            probes.spawn(async move { prober.probe(key, calls, due.as_secs_f64()).await });
            while let Some(ended) = probes.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = probes.join_next().await {
            ended??;
        }
        Ok(std::mem::take(&mut self.lock().measured))
    }

    async fn probe(&self, key: u32, calls_before: u64, due_s: f64) -> anyhow::Result<()> {
        let sent_ms = now_ms();
        let status = self.caller.call(200, &self.keys[key as usize].secret).await.ok();
        let (answered, answered_ms) = (Instant::now(), now_ms());
        if status != Some(200) {
            let mut state = self.lock();
            state.measured.unsuccessful += 1;
            if status.is_none() {
                // It may be counted or not, so its key tells nothing any more.
                state.measured.seen.unanswered(key, sent_ms, answered_ms);
            } else {
                state.free.push_back((key, calls_before));
            }
            return Ok(());
        }
        self.lock().measured.seen.success(key, sent_ms, answered_ms);
        let shown = self.watch(key, calls_before + 1, answered).await?;
        let freshness_us =
            microseconds(shown.as_ref().map_or_else(|| answered.elapsed(), |(shown, _)| *shown - answered));
        let mut state = self.lock();
        state.recent.push(freshness_us);
        let is_shown = shown.is_some();
        let sample = Sample {
            due_s,
            answered_ms,
            shown_ms: is_shown.then(now_ms),
            freshness_us,
            record: shown.and_then(|(_, record)| record),
        };
        state.measured.samples.push(sample);
        if is_shown {
            state.free.push_back((key, calls_before + 1));
        }
        Ok(())
    }

    /// Reads the ledger until it shows that many calls of a key, or retry_policy ends.
    async fn watch(
        &self,
        key: u32,
        calls: u64,
        answered: Instant,
    ) -> anyhow::Result<Option<(Instant, Option<(String, String)>)>> {
        let first = Duration::from_millis(self.settings.read_interval_ms);
        loop {
            let age = answered.elapsed();
            if age.as_secs_f64() > self.settings.patience_s {
                return Ok(None);
            }
            let interval = first.max(age.mul_f64(INTERVAL_SHARE)).min(LONGEST_INTERVAL);
            // Reads of many probes shall not fall together.
            let jitter = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(interval.mul_f64(jitter)).await;
            let row = self.read(key).await?;
            if row.calls >= calls {
                return Ok(Some((Instant::now(), row.record)));
            }
        }
    }

    async fn read(&self, key: u32) -> anyhow::Result<Row> {
        self.lock().measured.reads += 1;
        let query = rows_of_key(&self.client, &self.table, &self.keys[key as usize].api_key_id);
        let reply = query.consistent_read(true).send().await.context("a probe cannot read the ledger")?;
        let rows = reply.items().iter().map(LedgerItem);
        let calls = rows.clone().filter_map(LedgerItem::total).sum();
        // The calls of a key follow one another, so the row of the latest call has the newest record.
        let newest = rows.max_by_key(|row| row.last_call_ms());
        let record = newest.and_then(|row| {
            let number = row.high_water_mark().ok()?;
            Some((row.shard_id()?.to_owned(), number.digits().to_owned()))
        });
        Ok(Row { calls, record })
    }
}
