//! One run: keys, workers, probes, faults, and afterwards the comparison with the ledger.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cost_model::LIST_PRICES;
use lambda_support::clock::now_ms;
use local_stack::stack::built_binaries;
use metering_aws::DynamoLedgerCounts;
use metering_core::ports::LedgerCounts;
use metering_core::reconciliation::{HourlyCalls, Reconciliation};
use metering_core::window::HOUR_MS;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::harness::client::Caller;
use crate::harness::fleet::Fleet;
use crate::harness::local::{StackPlan, StackProcess};
use crate::harness::memory::Memory;
use crate::harness::naive::{NaiveWrites, naive_writes};
use crate::harness::outcome::{Counts, Outcome, PricedLine};
use crate::harness::probe::{Measured, Prober};
use crate::harness::progress::Progress;
use crate::harness::schedule::Schedule;
use crate::harness::seen::Seen;
use crate::harness::split::split;
use crate::harness::target::Target;
use crate::harness::verdict::{Evidence, judge};
use crate::harness::worker::{Assignment, ClientKey, Start};
use crate::harness::{consumption, fault_schedule, keys};
use crate::histogram::times;
use crate::profile::Profile;

/// From when all is ready to the first call, so that all parts hear of it in time.
const LEAD: Duration = Duration::from_millis(500);
/// How often the ledger of a deployed system is compared until it is as it should be.
const COMPARE_INTERVAL: Duration = Duration::from_secs(5);

/// Where a run takes place.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a local stack that is started for it and thrown away.
    OwnStack {
        /// The folder of the functions' binaries; those built with this command where it is not named.
        binaries: Option<PathBuf>,
    },
    /// In a local stack that runs.
    Local {
        /// Its data folder.
        data: PathBuf,
        /// Where calls are sent, if not to its gateway.
        gateway: Option<String>,
    },
    /// On AWS.
    Aws {
        /// The environment.
        environment: String,
        /// Where calls are sent.
        gateway: String,
    },
}

/// Runs a profile at a place.
///
/// # Errors
/// When something other than the system under test fails.
pub async fn execute(profile: &Profile, place: &Place, is_quiet: bool) -> anyhow::Result<Outcome> {
    match place {
        Place::OwnStack { binaries } => {
            let temporary = tempfile::tempdir().context("no folder can be made for the local stack")?;
            let plan = StackPlan {
                data: temporary.path().join("data"),
                binaries: binaries.clone().map_or_else(built_binaries, Ok)?,
                settings: profile.stack.clone(),
                seed: profile.seed,
            };
            let stack = StackProcess::start(&plan).await?;
            let target = Target::local(&stack.data, None).await?;
            let outcome = Run { profile, target: &target, is_quiet }.execute().await;
            stack.stop().await?;
            outcome
        }
        Place::Local { data, gateway } => {
            let target = Target::local(data, gateway.clone()).await?;
            Run { profile, target: &target, is_quiet }.execute().await
        }
        Place::Aws { environment, gateway } => {
            let target = Target::on_aws(environment, gateway.clone()).await;
            Run { profile, target: &target, is_quiet }.execute().await
        }
    }
}

struct Run<'r> {
    profile: &'r Profile,
    target: &'r Target,
    is_quiet: bool,
}

/// What was seen while calls were made.
struct Observed {
    started_ms: i64,
    took_s: f64,
    /// When the last call had been answered.
    answered: Instant,
    seen: Seen,
    probes: Measured,
    progress: Progress,
    memory: Memory,
}

/// Clients against ledger.
struct Comparison {
    found: Reconciliation,
    /// Keys and hours that were compared.
    compared: usize,
    /// Whether everything had gone through the consumer by then.
    is_settled: bool,
    /// When it had, or retry_policy had ended.
    settled: Instant,
}

impl Run<'_> {
    async fn execute(&self) -> anyhow::Result<Outcome> {
        let settings = self.profile.probes;
        let probe_keys = Prober::keys_needed(settings, self.profile.load.duration_s());
        let name = format!("{:08x}", rand::rng().random::<u32>());
        self.say(&format!("{} keys and {probe_keys} of probes are made", self.profile.keys.count));
        let store = self.target.key_store();
        let all_keys = keys::create(&store, &name, self.profile.keys.count + probe_keys).await?;
        let outcome = self.with_keys(&all_keys).await;
        if self.target.local.is_none() {
            keys::delete(&store, &all_keys).await?;
        }
        outcome
    }

    fn say(&self, what: &str) {
        if !self.is_quiet {
            eprintln!("{what}");
        }
    }

    async fn with_keys(&self, all_keys: &[ClientKey]) -> anyhow::Result<Outcome> {
        let observed = self.observe(all_keys).await?;
        self.say("waiting until everything is counted");
        let key_ids: Vec<String> = all_keys.iter().map(|key| key.api_key_id.clone()).collect();
        let comparison = self.reconcile(&observed.seen, &key_ids).await?;
        self.conclude(observed, &comparison).await
    }

    /// Sends the calls and watches.
    async fn observe(&self, all_keys: &[ClientKey]) -> anyhow::Result<Observed> {
        let (call_keys, probe_keys) = all_keys.split_at(self.profile.keys.count as usize);
        let client = self.profile.client;
        let assignment = Assignment {
            gateway: self.target.gateway.clone(),
            profile: self.profile.clone(),
            worker: 0,
            workers: client.workers,
            keys: call_keys.to_vec(),
        };
        let fleet = Fleet::start(&assignment).await?;
        let prober = Arc::new(Prober::new(
            Caller::new(&self.target.gateway, client.protocol, client.connections)?,
            self.target.dynamodb.clone(),
            self.target.names.usage_table.clone(),
            probe_keys.to_vec(),
            self.profile.probes,
        ));
        let (start, started_ms) = (Instant::now() + LEAD, now_ms() + i64::try_from(LEAD.as_millis())?);
        let duration = Duration::from_secs_f64(self.profile.load.duration_s());
        let (reports, receiver) = mpsc::unbounded_channel();
        let (ended, is_ended) = mpsc::channel(1);
        let memory = Memory::default();
        let watched = async {
            let calls = async {
                let seen = fleet.run(Start { at_ms: started_ms }, reports).await?;
                Ok::<_, anyhow::Error>((seen, Instant::now()))
            };
            let faults = fault_schedule::run(self.target, &self.profile.faults, start);
            let watched = tokio::try_join!(calls, prober.run(start, duration), faults);
            drop(ended);
            watched
        };
        let progress = Progress::new(self.is_quiet).collect(receiver, prober.clone(), is_ended, start);
        let watching = async { tokio::try_join!(watched, progress) };
        let (((mut seen, answered), probes, ()), progress) = match self.target.control() {
            Some(control) => tokio::select! {
                watched = watching => watched?,
                () = memory.watch(control, start) => unreachable!("memory is watched for ever"),
            },
            None => watching.await?,
        };
        // Keys of probes come after those of the other calls.
        seen.merge(&probes.seen.with_keys_from(self.profile.keys.count));
        Ok(Observed {
            started_ms,
            took_s: (answered - start).as_secs_f64(),
            answered,
            seen,
            probes,
            progress,
            memory,
        })
    }

    /// Compares with the ledger, once all is counted or retry_policy has ended.
    async fn reconcile(&self, seen: &Seen, key_ids: &[String]) -> anyhow::Result<Comparison> {
        let retry_policy = Duration::from_secs_f64(self.profile.probes.patience_s);
        if let Some(control) = self.target.control() {
            let is_settled = control.settled(retry_policy).await?;
            let settled = Instant::now();
            let (found, compared) = self.compare(seen, key_ids).await?;
            return Ok(Comparison { found, compared, is_settled, settled });
        }
        let until = Instant::now() + retry_policy;
        loop {
            let (found, compared) = self.compare(seen, key_ids).await?;
            let settled = Instant::now();
            let is_settled = found.differences.is_empty();
            if is_settled || settled > until {
                return Ok(Comparison { found, compared, is_settled, settled });
            }
            tokio::time::sleep(COMPARE_INTERVAL).await;
        }
    }

    async fn compare(&self, seen: &Seen, key_ids: &[String]) -> anyhow::Result<(Reconciliation, usize)> {
        let Some((from_ms, to_ms)) = seen.span_ms() else { return Ok((Reconciliation::default(), 0)) };
        // Keys without a successful call are asked for too: they must not be in the ledger.
        let asked: HourlyCalls = key_ids.iter().map(|id| ((id.clone(), from_ms), 0)).collect();
        // A call that is dated wrongly by an hour must be found, and not overlooked.
        let (from_ms, to_ms) = (from_ms - HOUR_MS, to_ms + HOUR_MS);
        let ledger = DynamoLedgerCounts::new(self.target.dynamodb.clone(), &self.target.names.usage_table);
        let counted = ledger.calls_for_keys_of(&asked, from_ms, to_ms).await;
        let counted = counted.context("the ledger cannot be compared")?;
        Ok((seen.reconcile(key_ids, &counted), asked.len().max(counted.len())))
    }

    /// Works out what the run showed.
    async fn conclude(&self, observed: Observed, comparison: &Comparison) -> anyhow::Result<Outcome> {
        let Observed { started_ms, took_s, answered, probes, progress, memory, .. } = observed;
        let Comparison { found, compared, is_settled, settled } = comparison;
        let ended_ms = now_ms();
        let mut freshness = times();
        probes.samples.iter().for_each(|sample| freshness.saturating_record(sample.freshness_us));
        let profile = self.profile;
        let consumed = consumption::consumed(self.target, started_ms, ended_ms).await?;
        #[expect(clippy::cast_precision_loss, reason = "calls are far fewer than 2^53")]
        let consumption = consumed.per_million_calls(found.counted.max(1) as f64, &LIST_PRICES);
        let window_ms = i64::try_from(profile.stack.batch_window_ms)?;
        let split = split(self.target, &probes.samples, profile.probes.split_samples, window_ms).await?;
        let recoveries = fault_schedule::recoveries(&profile.faults, &probes.samples);
        let growth = memory.growth(profile.load.duration_s());
        let planned_calls = Schedule::new(profile.load).calls();
        let failures = judge(&Evidence {
            profile,
            planned_calls,
            tally: &progress.total,
            freshness: &freshness,
            reconciliation: found,
            is_settled: *is_settled,
            recoveries: &recoveries,
            growth: &growth,
        });
        Ok(Outcome {
            profile: profile.clone(),
            environment: self.target.environment.clone(),
            started_ms,
            planned_calls,
            took_s,
            settled_after_s: (*settled - answered).as_secs_f64(),
            tally: progress.total,
            intervals: progress.intervals,
            freshness,
            split,
            probes,
            counts: Counts::of(found, *compared, *is_settled),
            consumption: consumption
                .into_iter()
                .map(|line| PricedLine {
                    what: line.what.to_owned(),
                    per_million_calls: line.per_million_calls,
                    dollars: line.dollars,
                })
                .collect(),
            naive: self.naive().await?,
            recoveries,
            growth,
            failures,
        })
    }

    /// On AWS the stream has what others sent as well, and reading it again costs.
    async fn naive(&self) -> anyhow::Result<Option<NaiveWrites>> {
        if self.target.local.is_some() { naive_writes(self.target).await.map(Some) } else { Ok(None) }
    }
}
