//! One run: creates keys, sends calls and probes, injects faults, and compares
//! the clients' counts with the ledger.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cost_model::LIST_PRICES;
use local_stack::stack::built_binaries;
use metering_aws::{DynamoLedgerCounts, KeyAdmin};
use metering_core::metered_key::MeteredKey;
use metering_core::ports::LedgerCounts;
use metering_core::reconciliation::{HourlyCalls, Reconciliation};
use metering_core::window::HOUR_MS;
use rand::Rng;
use system_clock::now_ms;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::fault::FaultKind;
use crate::harness::baseline::{BaselineWrites, baseline_writes};
use crate::harness::client::Caller;
use crate::harness::client_counts::{ClientCounts, TimeSpan};
use crate::harness::consumption::consumption;
use crate::harness::faults::Injection;
use crate::harness::fleet::Fleet;
use crate::harness::identities::{AnsweredCall, IdentityCheck};
use crate::harness::interruption::Interruption;
use crate::harness::latency_breakdown::LatencyBreakdown;
use crate::harness::local::{StackPlan, StackProcess};
use crate::harness::memory::Memory;
use crate::harness::outcome::{Counts, Outcome, PricedLine};
use crate::harness::probe::{ProbeResults, Prober};
use crate::harness::progress::Progress;
use crate::harness::schedule::Schedule;
use crate::harness::system_under_test::SystemUnderTest;
use crate::harness::verdict::{Evidence, judge};
use crate::harness::worker::{Assignment, ClientKey, Start};
use crate::harness::{faults, identities, keys, route_classes};
use crate::histogram::LatencyHistogram;
use crate::profile::Profile;

/// Time between the start signal and the first call, in which the signal reaches all workers.
const START_DELAY: Duration = Duration::from_millis(500);
/// Time after a fault in which calls may still lack a response, in seconds.
const RESTART_S: f64 = 5.0;
/// Interval between two comparisons with the ledger of a deployed meter.
const COMPARE_INTERVAL: Duration = Duration::from_secs(5);

/// The choice of the system under test.
#[derive(Debug, Clone)]
pub enum SystemChoice {
    /// A local stack that is started for the run and deleted after it.
    OwnStack {
        /// Folder of the functions' binaries; `None` for those built with this command.
        binaries: Option<PathBuf>,
    },
    /// A running local stack.
    Local {
        data_folder: PathBuf,
        /// URL that calls are sent to; `None` for the stack's own gateway.
        gateway: Option<String>,
    },
    /// A deployed meter.
    Aws {
        environment: String,
        /// URL that calls are sent to.
        gateway: String,
    },
}

/// Runs a profile on a system, to its end or until an interruption.
///
/// # Errors
/// Returns an error if something other than the system under test fails.
pub async fn execute(
    profile: &Profile,
    choice: &SystemChoice,
    interruption: &Interruption,
    is_quiet: bool,
) -> anyhow::Result<Outcome> {
    match choice {
        SystemChoice::OwnStack { binaries } => {
            let temporary = tempfile::tempdir().context("cannot create a folder for the local stack")?;
            let plan = StackPlan {
                data_folder: temporary.path().join("data"),
                binaries: binaries.clone().map_or_else(built_binaries, Ok)?,
                settings: profile.stack.clone(),
                seed: profile.seed,
                has_clock_faults: has_clock_faults(profile),
            };
            let system = SystemUnderTest::own(StackProcess::start(plan).await?).await?;
            let outcome = Run { profile, system: &system, interruption, is_quiet }.execute().await;
            system.stop().await?;
            outcome
        }
        SystemChoice::Local { data_folder, gateway } => {
            let system = SystemUnderTest::local(data_folder, gateway.clone()).await?;
            Run { profile, system: &system, interruption, is_quiet }.execute().await
        }
        SystemChoice::Aws { environment, gateway } => {
            let system = SystemUnderTest::deployed(environment, gateway.clone()).await;
            Run { profile, system: &system, interruption, is_quiet }.execute().await
        }
    }
}

fn has_clock_faults(profile: &Profile) -> bool {
    profile.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Clock { .. }))
}

struct Run<'r> {
    profile: &'r Profile,
    system: &'r SystemUnderTest,
    interruption: &'r Interruption,
    is_quiet: bool,
}

/// The measurements while calls were sent.
struct Observation {
    started_ms: i64,
    took_s: f64,
    /// Time of the last response.
    answered: Instant,
    client_counts: ClientCounts,
    /// Each successful call, if the profile compares identities.
    answered_calls: Vec<AnsweredCall>,
    injections: Vec<Injection>,
    probes: ProbeResults,
    progress: Progress,
    memory: Memory,
    /// `true` if there was an interruption while calls were sent.
    is_interrupted: bool,
}

/// The comparison of the clients' counts with the ledger.
struct Comparison {
    reconciliation: Reconciliation,
    /// Number of pairs of key and hour that were compared.
    compared: usize,
    /// `true` if the consumer had processed all calls when the counts were compared.
    is_settled: bool,
    /// Time at which it had, or the time limit was over.
    settled: Instant,
}

impl Run<'_> {
    async fn execute(&self) -> anyhow::Result<Outcome> {
        self.profile.check_reshards(self.system.open_shards().await?)?;
        if self.profile.compares_identities && self.system.is_own_stack() {
            route_classes::create(self.system).await?;
        }
        let settings = self.profile.probes;
        let faults = &self.profile.faults;
        let disturbed_s = faults.iter().map(|fault| fault.for_s + RESTART_S).sum();
        let probe_keys = Prober::keys_needed(settings, self.profile.load.duration_s(), disturbed_s);
        let name = format!("{:08x}", rand::rng().random::<u32>());
        self.print(&format!(
            "creating {} keys for calls and {probe_keys} for probes",
            self.profile.keys.count
        ));
        // No call uses the keys when they are deleted, so that no message is needed.
        let admin = KeyAdmin::without_messages(self.system.meter.key_store());
        let all_keys = keys::create(&admin, &name, self.profile.keys.count + probe_keys).await?;
        let outcome = if self.interruption.is_on() {
            Err(anyhow::anyhow!("stopped before the first call; nothing was measured"))
        } else {
            self.measure(&all_keys).await
        };
        if self.system.local.is_none() {
            keys::delete(&admin, &all_keys).await?;
        }
        outcome
    }

    fn print(&self, line: &str) {
        if !self.is_quiet {
            eprintln!("{line}");
        }
    }

    async fn measure(&self, all_keys: &[ClientKey]) -> anyhow::Result<Outcome> {
        let observation = self.observe(all_keys).await?;
        self.print("waiting until all calls are counted");
        let keys: Vec<MeteredKey> = all_keys.iter().map(ClientKey::metered_key).collect();
        let comparison = self.reconcile(&observation.client_counts, &keys).await?;
        let identities = self.compare_identities(&observation, &keys).await?;
        self.conclude(observation, &comparison, identities).await
    }

    /// Sends the calls and probes, injects the faults, and measures.
    async fn observe(&self, all_keys: &[ClientKey]) -> anyhow::Result<Observation> {
        let (call_keys, probe_keys) = all_keys.split_at(self.profile.keys.count as usize);
        let client = self.profile.client;
        let assignment = Assignment {
            gateway: self.system.gateway.clone(),
            profile: self.profile.clone(),
            worker: 0,
            workers: client.workers,
            keys: call_keys.to_vec(),
        };
        let fleet = Fleet::start(&assignment).await?;
        let prober = Prober::new(
            Caller::new(&self.system.gateway, client.protocol, client.connections)?,
            self.system.dynamodb.clone(),
            self.system.meter.names.usage_table.clone(),
            probe_keys.to_vec(),
            self.profile.probes,
        );
        let prober = Arc::new(prober.tolerating_failed_reads(!self.profile.faults.is_empty()));
        let start = Instant::now() + START_DELAY;
        let started_ms = now_ms() + i64::try_from(START_DELAY.as_millis())?;
        let duration = Duration::from_secs_f64(self.profile.load.duration_s());
        let (reports, receiver) = mpsc::unbounded_channel();
        let (ended, is_ended) = mpsc::channel(1);
        let memory = Memory::default();
        let load = async {
            let calls = async {
                let sent = fleet.run(Start { at_ms: started_ms }, reports, self.interruption).await?;
                Ok::<_, anyhow::Error>((sent, Instant::now()))
            };
            let print = |line: &str| self.print(line);
            let faults = faults::run(self.system, &self.profile.faults, start, self.interruption, print);
            let probes = prober.run(start, duration, self.interruption.clone());
            let results = tokio::try_join!(calls, probes, faults);
            drop(ended);
            results
        };
        let progress = Progress::new(self.is_quiet).collect(receiver, prober.clone(), is_ended, start);
        let measured = async { tokio::try_join!(load, progress) };
        let (((sent, answered), probes, injections), progress) = match self.system.control() {
            Some(control) => tokio::select! {
                measured = measured => measured?,
                () = memory.watch(control, start) => unreachable!("memory is watched for ever"),
            },
            None => measured.await?,
        };
        // Not all calls, probes and faults may have begun.
        let is_interrupted = self.interruption.is_on();
        // The keys of probes have the indexes after those of the other calls.
        let first = self.profile.keys.count;
        let (mut client_counts, mut answered_calls) = (sent.counts, sent.answered);
        client_counts.merge(&probes.client_counts.with_keys_from(first));
        let of_probes = probes.answered.iter();
        answered_calls.extend(of_probes.map(|call| AnsweredCall { key: call.key + first, ..call.clone() }));
        let took_s = answered.saturating_duration_since(start).as_secs_f64();
        Ok(Observation {
            started_ms,
            took_s,
            answered,
            client_counts,
            answered_calls,
            injections,
            probes,
            progress,
            memory,
            is_interrupted,
        })
    }

    /// Compares all calls by their identities, if the profile asks for it.
    async fn compare_identities(
        &self,
        observation: &Observation,
        keys: &[MeteredKey],
    ) -> anyhow::Result<Option<IdentityCheck>> {
        if !self.profile.compares_identities {
            return Ok(None);
        }
        let span = TimeSpan { from_ms: observation.started_ms, to_ms: now_ms() };
        identities::check(self.system, keys, &observation.answered_calls, span).await.map(Some)
    }

    /// Compares the counts with the ledger after all calls were counted, or at the time limit.
    async fn reconcile(&self, counts: &ClientCounts, keys: &[MeteredKey]) -> anyhow::Result<Comparison> {
        let timeout = Duration::from_secs_f64(self.profile.probes.timeout_s);
        if let Some(control) = self.system.control() {
            let is_settled = control.wait_until_settled(timeout).await?;
            let settled = Instant::now();
            let (reconciliation, compared) = self.compare(counts, keys).await?;
            return Ok(Comparison { reconciliation, compared, is_settled, settled });
        }
        let until = Instant::now() + timeout;
        loop {
            let (reconciliation, compared) = self.compare(counts, keys).await?;
            let settled = Instant::now();
            let is_settled = reconciliation.differences.is_empty();
            if is_settled || settled > until {
                return Ok(Comparison { reconciliation, compared, is_settled, settled });
            }
            tokio::time::sleep(COMPARE_INTERVAL).await;
        }
    }

    /// Compares the counts with the present content of the ledger. Returns also the number of
    /// pairs of key and hour that were compared.
    async fn compare(
        &self,
        counts: &ClientCounts,
        keys: &[MeteredKey],
    ) -> anyhow::Result<(Reconciliation, usize)> {
        let Some(TimeSpan { from_ms, to_ms }) = counts.span() else {
            return Ok((Reconciliation::default(), 0));
        };
        // Keys without a successful call are read too: they must not be in the ledger.
        let wanted: HourlyCalls = keys.iter().map(|key| ((key.clone(), from_ms), 0)).collect();
        // An hour more on both sides, so that a call with a date wrong by an hour is found.
        let (from_ms, to_ms) = (from_ms - HOUR_MS, to_ms + HOUR_MS);
        let names = &self.system.meter.names;
        let ledger = DynamoLedgerCounts::new(self.system.dynamodb.clone(), &names.usage_table);
        let counted = ledger.calls_for_keys_of(&wanted, from_ms, to_ms).await;
        let counted = counted.context("cannot read the ledger for the comparison")?;
        Ok((counts.reconcile(keys, &counted), wanted.len().max(counted.len())))
    }

    async fn conclude(
        &self,
        observation: Observation,
        comparison: &Comparison,
        identities: Option<IdentityCheck>,
    ) -> anyhow::Result<Outcome> {
        let Observation { started_ms, took_s, answered, injections, probes, progress, .. } = observation;
        let Observation { memory, is_interrupted, .. } = observation;
        let Comparison { reconciliation, compared, is_settled, settled } = comparison;
        let mut freshness = LatencyHistogram::new();
        probes.samples.iter().for_each(|sample| freshness.record_us(sample.freshness_us));
        let profile = self.profile;
        let span = TimeSpan { from_ms: started_ms, to_ms: now_ms() };
        let consumption = self.priced_consumption(span, reconciliation.counted).await?;
        let window_ms = i64::try_from(profile.stack.batch_window_ms)?;
        let max_samples = profile.probes.breakdown_samples;
        let latency_breakdown =
            LatencyBreakdown::measure(self.system, &probes.samples, max_samples, window_ms).await?;
        let recoveries = faults::recoveries(&injections, &probes.samples, &progress.intervals);
        let memory_growth = memory.growth(profile.load.duration_s());
        let planned_calls = Schedule::new(profile.load).calls();
        let failures = judge(&Evidence {
            profile,
            planned_calls,
            is_interrupted,
            tally: &progress.total,
            freshness: &freshness,
            reconciliation,
            is_settled: *is_settled,
            identities: identities.as_ref(),
            recoveries: &recoveries,
            memory_growth: &memory_growth,
        });
        Ok(Outcome {
            profile: profile.clone(),
            environment: self.system.meter.names.environment.clone(),
            started_ms,
            planned_calls,
            is_interrupted,
            took_s,
            settled_after_s: (*settled - answered).as_secs_f64(),
            tally: progress.total,
            intervals: progress.intervals,
            freshness,
            latency_breakdown,
            probes,
            counts: Counts::new(reconciliation, *compared, *is_settled),
            identities,
            consumption,
            baseline: self.baseline().await?,
            recoveries,
            memory_growth,
            failures,
        })
    }

    /// Returns the consumption in a span for each million of the calls.
    async fn priced_consumption(&self, span: TimeSpan, calls: u64) -> anyhow::Result<Vec<PricedLine>> {
        let consumption = consumption(self.system, span).await?;
        #[expect(clippy::cast_precision_loss, reason = "calls are far fewer than 2^53")]
        let lines = consumption.per_million_calls(calls.max(1) as f64, &LIST_PRICES);
        let lines = lines.into_iter().map(|line| PricedLine {
            what: line.what.to_owned(),
            per_million_calls: line.per_million_calls,
            dollars: line.dollars,
        });
        Ok(lines.collect())
    }

    /// Returns the writes of the baseline. On AWS the stream also contains the records of other
    /// clients, and reading it again costs money, so there is no baseline.
    async fn baseline(&self) -> anyhow::Result<Option<BaselineWrites>> {
        if self.system.local.is_some() { baseline_writes(self.system).await.map(Some) } else { Ok(None) }
    }
}
