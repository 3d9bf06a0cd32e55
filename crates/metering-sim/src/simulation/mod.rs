//! One simulation: the steps that a seed draws, and how it comes to rest.

mod mapping;
mod operator;
mod upstream;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api_log::{ApiLog, DAY_MS, LogEvent};
use crate::auditor::Auditor;
use crate::faults::{Fault, FaultCounts, FaultSet};
use crate::ports::{World, lock};
use crate::stream::Shard;

use mapping::Invocation;

/// 2026-11-24T08:34:30Z, when each simulation begins.
const BEGINNING_MS: i64 = 1_795_509_270_000;
/// How long a claim is kept, and the oldest call that is counted.
const CLAIM_RETENTION_DAYS: u32 = 35;
/// How long the stream keeps a record.
const STREAM_RETENTION_MS: i64 = 7 * DAY_MS;
/// The most steps to come to rest in.
const MAX_STEPS_TO_REST: u32 = 1_000_000;

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Steps until the faults end.
    pub steps: u32,
    /// The faults that may strike.
    pub faults: FaultSet,
}

/// How a simulation ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What the auditor found; `None` where everything is right.
    pub problem: Option<String>,
    /// How often each fault struck.
    pub faults: FaultCounts,
    /// Calls that were to be billed.
    pub billable_calls: u64,
    /// Batches that were handed over.
    pub invocations: u64,
    /// What happened, a line each, where it was asked for.
    pub story: Vec<String>,
}

/// Simulates what a seed draws; the same seed and settings draw the same.
pub fn simulate(seed: u64, settings: &Settings, tells_story: bool) -> Outcome {
    let mut simulation = Simulation::new(seed, settings, tells_story);
    let problem = simulation.run().err();
    Outcome {
        problem,
        billable_calls: simulation.log.calls.iter().filter(|call| call.is_billable).count() as u64,
        invocations: simulation.next_invocation,
        faults: simulation.counts,
        story: simulation.story.unwrap_or_default(),
    }
}

/// A record on its way to the stream, and the events in it.
struct Delivery {
    data: Vec<u8>,
    events: Vec<LogEvent>,
}

/// A batch that Lambda gave up.
struct GivenUpBatch {
    shard: usize,
    batch: Range<usize>,
}

struct Simulation<'s> {
    random: ChaCha8Rng,
    settings: &'s Settings,
    is_crowded: bool,
    now_ms: i64,
    log: ApiLog,
    auditor: Auditor,
    world: Arc<Mutex<World>>,
    shards: Vec<Shard>,
    invocations: BTreeMap<u64, Invocation>,
    next_invocation: u64,
    next_sequence_number: u64,
    /// Records that the subscription, producers and operators will deliver.
    undelivered: Vec<Delivery>,
    /// What Lambda gave up, in the bucket.
    given_up: Vec<GivenUpBatch>,
    counts: FaultCounts,
    story: Option<Vec<String>>,
}

impl<'s> Simulation<'s> {
    fn new(seed: u64, settings: &'s Settings, tells_story: bool) -> Self {
        let mut simulation = Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            settings,
            is_crowded: false,
            now_ms: BEGINNING_MS,
            log: ApiLog::default(),
            auditor: Auditor::default(),
            world: Arc::default(),
            shards: vec![Shard::new(0, Vec::new()), Shard::new(1, Vec::new())],
            invocations: BTreeMap::new(),
            next_invocation: 0,
            // Numbers of one digit are below those of two.
            next_sequence_number: 7,
            undelivered: Vec::new(),
            given_up: Vec::new(),
            counts: FaultCounts::default(),
            story: tells_story.then(Vec::new),
        };
        simulation.is_crowded = simulation.strikes(Fault::CrowdedSlice, 0.04);
        simulation
    }

    /// Whether a fault strikes now.
    fn strikes(&mut self, fault: Fault, probability: f64) -> bool {
        let strikes = self.settings.faults.contains(fault) && self.random.random_bool(probability);
        if strikes {
            self.counts.add(fault);
        }
        strikes
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count.max(1))
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..self.settings.steps {
            self.step()?;
        }
        self.say(|| "the faults end".to_owned());
        self.come_to_rest()?;
        self.audit("at rest")?;
        self.replay_all();
        self.drain()?;
        self.audit("after a replay")
    }

    fn step(&mut self) -> Result<(), String> {
        self.now_ms += self.random.random_range(0..2_000);
        match self.random.random_range(0..1_000) {
            0..110 => self.produce(),
            110..250 => self.deliver(),
            250..400 => self.invoke_some(),
            400..880 => drop(self.operate(true)?),
            880..915 => drop(self.land_late_operation()?),
            915..940 => self.time_out(),
            940..944 => self.reshard(),
            944..948 => self.restart_mapping(),
            948..951 => self.replay(),
            951..971 => self.put_back_some(),
            971..981 => self.return_given_up(),
            981..985 => self.backfill_some(),
            985..988 => self.refuse(),
            988..990 => self.let_days_pass()?,
            _ => {}
        }
        Ok(())
    }

    /// Ends what is under way and counts all that can be counted.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.drain()?;
        while self.land_late_operation()? {}
        self.mend();
        self.backfill_lost();
        // Calls of clocks that were ahead can be counted now.
        self.now_ms += crate::api_log::HOUR_MS * 2;
        // What is given up in the last put-back is put back again.
        for _ in 0..3 {
            self.return_all_given_up();
            self.drain()?;
            self.put_back_all();
            self.drain()?;
        }
        Ok(())
    }

    /// Delivers and counts without faults until nothing is left to do.
    fn drain(&mut self) -> Result<(), String> {
        for _ in 0..MAX_STEPS_TO_REST {
            while !self.undelivered.is_empty() {
                self.deliver();
            }
            let has_operated = self.operate(false)?;
            let has_invoked = self.invoke(None);
            if !has_operated && !has_invoked && self.invocations.is_empty() {
                return Ok(());
            }
        }
        Err("the consumer does not come to rest".to_owned())
    }

    fn audit(&mut self, when: &str) -> Result<(), String> {
        let countable_from_ms = self.now_ms - i64::from(CLAIM_RETENTION_DAYS) * DAY_MS + DAY_MS / 2;
        let was_given_up = self.counts.count(Fault::GivenUp) > 0;
        let world = lock(&self.world);
        self.auditor
            .at_rest(&self.log, &world.store, countable_from_ms, was_given_up)
            .map_err(|problem| format!("{when}: {problem}"))
    }
}
