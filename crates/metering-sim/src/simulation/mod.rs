//! A single simulation: random steps with faults, then steps without faults
//! until all work is done.

mod callers;
mod classes;
mod instance_faults;
mod key_changes;
mod key_reads;
mod layouts;
mod limits;
mod mapping;
mod operations;
mod operator;
mod progress;
mod reconciling;
mod upstream;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use access_log::Decoder;
use memory_ports::reconciliation::MemoryComparedHours;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use usage_consumer::classes::ClassCopy;

use crate::api_log::{ApiLog, DAY_MS, LogEvent};
use crate::auditor::Auditor;
use crate::faults::{Fault, FaultCounts, FaultSet};
use crate::ports::{Backend, lock};
use crate::promises::Promises;
use crate::stream::Shard;

use callers::Callers;
use layouts::Layouts;
use mapping::Invocation;

/// Start time of each simulation, 2026-11-24T08:34:30Z.
const BEGINNING_MS: i64 = 1_795_509_270_000;
/// Maximum age of a call that is counted, and retention of its claim.
const CLAIM_RETENTION_DAYS: u32 = 35;
/// Retention of stream records, in milliseconds.
const STREAM_RETENTION_MS: i64 = 7 * DAY_MS;
/// Maximum number of steps until all work is done.
const MAX_STEPS_TO_DRAIN: u32 = 1_000_000;

/// The settings of a simulation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Number of steps in which faults are injected.
    pub steps: u32,
    /// The faults that may be injected.
    pub faults: FaultSet,
}

/// The result of a simulation.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The problem that the auditor found, if any.
    pub problem: Option<String>,
    /// Number of times that each fault was injected.
    pub faults: FaultCounts,
    /// Number of calls that had to be counted.
    pub billable_calls: u64,
    pub invocations: u64,
    /// Number of calls that the authorizer decided.
    pub decisions: u64,
    /// The events of the simulation, one line each; empty unless requested.
    pub trace: Vec<String>,
}

/// Runs a simulation. The same seed and settings give the same outcome and trace.
pub fn simulate(seed: u64, settings: &Settings, with_trace: bool) -> Outcome {
    let mut simulation = Simulation::new(seed, settings, with_trace);
    let problem = simulation.run().err();
    Outcome {
        problem,
        billable_calls: simulation.log.calls.iter().filter(|call| call.is_billable).count() as u64,
        invocations: simulation.next_invocation,
        decisions: simulation.callers.decisions,
        faults: simulation.counts,
        trace: simulation.trace.unwrap_or_default(),
    }
}

/// A record on its way to the stream, and the log events in it.
struct Delivery {
    data: Vec<u8>,
    events: Vec<LogEvent>,
}

/// A batch that Lambda gave up.
struct GivenUpBatch {
    shard: usize,
    batch: Range<usize>,
}

/// The keys with which calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeySource {
    /// Few keys, so that a row of the ledger counts many calls.
    Few,
    /// A key for each call, so that the ledger shows which calls were counted.
    OnePerCall,
    /// The keys that instances of the authorizer admit.
    Authorizer,
}

struct Simulation<'s> {
    random: ChaCha8Rng,
    settings: &'s Settings,
    is_crowded: bool,
    layouts: Layouts,
    key_source: KeySource,
    callers: Callers,
    now_ms: i64,
    log: ApiLog,
    auditor: Auditor,
    promises: Promises,
    backend: Arc<Mutex<Backend>>,
    shards: Vec<Shard>,
    invocations: BTreeMap<u64, Invocation>,
    next_invocation: u64,
    /// The copies of the lists of route classes that two execution environments have.
    class_copies: [ClassCopy; 2],
    /// Decoders of execution environments that are idle.
    decoders: Vec<Decoder>,
    next_sequence_number: u64,
    /// Records that the subscription, producers and operators will deliver.
    undelivered: Vec<Delivery>,
    /// The batches in the bucket of given-up records.
    given_up: Vec<GivenUpBatch>,
    /// Results of earlier runs of the reconciler.
    compared: MemoryComparedHours,
    counts: FaultCounts,
    /// The lines of the trace, if it was requested.
    trace: Option<Vec<String>>,
}

impl<'s> Simulation<'s> {
    fn new(seed: u64, settings: &'s Settings, with_trace: bool) -> Self {
        let mut simulation = Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            settings,
            is_crowded: false,
            layouts: Layouts::default(),
            key_source: KeySource::Few,
            callers: Callers::default(),
            now_ms: BEGINNING_MS,
            log: ApiLog::default(),
            auditor: Auditor::default(),
            promises: Promises::default(),
            backend: Arc::default(),
            shards: vec![Shard::new(0, Vec::new()), Shard::new(1, Vec::new())],
            invocations: BTreeMap::new(),
            next_invocation: 0,
            class_copies: Default::default(),
            decoders: Vec::new(),
            // Sequence numbers grow from one digit to two, so that a comparison as text would fail.
            next_sequence_number: 7,
            undelivered: Vec::new(),
            given_up: Vec::new(),
            compared: MemoryComparedHours::default(),
            counts: FaultCounts::default(),
            trace: with_trace.then(Vec::new),
        };
        simulation.log.bills_not_modified = simulation.random.random_bool(0.5);
        simulation.is_crowded = simulation.injects(Fault::CrowdedSlice, 0.04);
        if !simulation.is_crowded {
            let sources = [KeySource::Few, KeySource::OnePerCall, KeySource::Authorizer];
            simulation.key_source = sources[simulation.pick(sources.len())];
        }
        simulation.draw_layout();
        simulation
    }

    /// Draws whether a fault is injected now, and counts it.
    fn injects(&mut self, fault: Fault, probability: f64) -> bool {
        let is_injected = self.settings.faults.contains(fault) && self.random.random_bool(probability);
        if is_injected {
            self.counts.add(fault);
        }
        is_injected
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count.max(1))
    }

    /// Adds a line to the trace.
    fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    fn run(&mut self) -> Result<(), String> {
        if self.key_source == KeySource::Authorizer {
            self.fill_ledger()?;
            self.start_callers();
        }
        for _ in 0..self.settings.steps {
            self.step()?;
        }
        self.trace(|| "the faults end".to_owned());
        self.settle()?;
        self.audit("after all work was done")?;
        self.audit_callers()?;
        self.callers.answered.clear();
        self.check_progress()?;
        self.reconcile_at_rest()?;
        self.replay_all();
        self.drain()?;
        self.audit("after a replay")
    }

    fn step(&mut self) -> Result<(), String> {
        // Most steps are short, so that a read takes less than a second, and some are long.
        self.end_old_instances();
        let has_callers = self.key_source == KeySource::Authorizer;
        let is_long = self.random.random_bool(if has_callers { 0.04 } else { 0.2 });
        self.now_ms += self.random.random_range(0..if is_long { 10_000 } else { 100 });
        if has_callers && self.random.random_bool(if self.callers.has_limits { 0.5 } else { 0.7 }) {
            return self.step_callers();
        }
        match self.random.random_range(0..1_000) {
            0..110 => self.produce(),
            110..250 => self.deliver(),
            250..400 => self.invoke_some(),
            400..880 => drop(self.complete_operation(true)?),
            880..915 => drop(self.carry_out_late_operation()?),
            915..940 => self.time_out(),
            940..944 => self.reshard(),
            944..948 => self.restart_mapping(),
            948..951 => self.replay(),
            951..971 => self.put_back_some(),
            971..981 => self.put_back_some_given_up(),
            981..985 => self.backfill_some(),
            985..988 => self.refuse_updates(),
            988..990 => self.let_days_pass()?,
            990..992 => self.add_classes(),
            995..999 => self.change_layout(),
            992..995 if self.settings.faults.contains(Fault::Reconciled) => self.reconcile()?,
            _ => {}
        }
        Ok(())
    }

    /// Completes all operations and counts all calls that can be counted.
    fn settle(&mut self) -> Result<(), String> {
        self.audit_callers()?;
        self.end_rollout();
        while !self.callers.answered.is_empty() {
            self.produce();
        }
        self.drain()?;
        while self.carry_out_late_operation()? {}
        self.accept_updates();
        self.backfill_lost();
        // Calls with request times ahead of the clock become countable.
        self.now_ms += crate::api_log::HOUR_MS * 2;
        // Records may be given up while they are put back, so put back repeatedly.
        for _ in 0..3 {
            self.put_back_all_given_up();
            self.drain()?;
            self.put_back_all();
            self.drain()?;
        }
        Ok(())
    }

    /// Delivers and counts without faults until no work is left.
    fn drain(&mut self) -> Result<(), String> {
        for _ in 0..MAX_STEPS_TO_DRAIN {
            while !self.undelivered.is_empty() {
                self.deliver();
            }
            let has_operated = self.complete_operation(false)?;
            let has_invoked = self.invoke(None);
            if !has_operated && !has_invoked && self.invocations.is_empty() {
                return Ok(());
            }
        }
        Err("the consumer does not finish".to_owned())
    }

    fn audit(&mut self, when: &str) -> Result<(), String> {
        let countable_from_ms = self.now_ms - i64::from(CLAIM_RETENTION_DAYS) * DAY_MS + DAY_MS / 2;
        let was_given_up = self.counts.count(Fault::GivenUp) > 0;
        let backend = lock(&self.backend);
        self.auditor
            .check_at_rest(&self.log, &backend.store, countable_from_ms, was_given_up)
            .map_err(|problem| format!("{when}: {problem}"))
    }
}
