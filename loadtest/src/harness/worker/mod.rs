//! A worker: a process that sends its share of the calls on schedule.
//!
//! It reads an [`Assignment`], a [`Start`] and perhaps a [`Stop`] from standard input and writes
//! [`WorkerMessage`]s to standard output, one JSON value in each line, so that it
//! can also run on another machine.

mod recorder;
mod send;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use metering_core::metered_key::MeteredKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::harness::client_counts::ClientCounts;
use crate::harness::identities::AnsweredCall;
use crate::histogram::LatencyHistogram;
use crate::profile::Profile;

pub use send::run;

/// An API key with its secret, as a client has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientKey {
    /// Identifier of the key in the ledger.
    pub api_key_id: String,
    /// The customer that the key belongs to.
    pub customer_id: Option<String>,
    /// Value of the header `x-api-key`.
    pub secret: String,
}

impl ClientKey {
    /// Returns the key under which the usage is counted.
    pub fn metered_key(&self) -> MeteredKey {
        let customer_id = self.customer_id.as_deref().map(Into::into);
        MeteredKey { customer_id, api_key_id: self.api_key_id.as_str().into() }
    }
}

/// The task of one worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// URL of the gateway.
    pub gateway: String,
    pub profile: Profile,
    /// Index of this worker, from 0. It sends the calls whose number modulo `workers` is this.
    pub worker: u32,
    pub workers: u32,
    /// Keys of the calls, by their index in the profile's distribution.
    pub keys: Vec<ClientKey>,
}

/// The signal that starts all workers at the same time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Start {
    /// Time at which the schedule starts, in milliseconds since 1970.
    pub at_ms: i64,
}

/// The signal that ends the sending of calls before the end of the schedule.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Stop;

/// Call outcomes by status, with their latencies.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Calls that were due and handed to a client.
    pub sent: u64,
    /// Calls with a response, by status.
    pub answered: BTreeMap<u16, u64>,
    /// Calls whose response had another status than requested.
    pub unexpected: u64,
    /// Calls without a response.
    pub unanswered: u64,
    /// Calls that waited for a free connection when the run was stopped, and were not sent.
    #[serde(default)]
    pub withdrawn: u64,
    /// Response times, each from the scheduled send to the end of the response.
    pub response: LatencyHistogram,
    /// Lateness of the worker, from the scheduled send of a call to its hand-over to a client.
    pub lateness: LatencyHistogram,
}

/// A message from a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerMessage {
    /// The worker waits for [`Start`].
    Ready,
    /// Calls since the previous message.
    Progress(Tally),
    /// Successful calls since the previous message of this kind, if the profile compares identities.
    Answered(Vec<AnsweredCall>),
    /// Counts of all calls. This is the last message; the tallies were sent before.
    Finished(ClientCounts),
}

impl Tally {
    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.unexpected += other.unexpected;
        self.unanswered += other.unanswered;
        self.withdrawn += other.withdrawn;
        for (status, calls) in &other.answered {
            *self.answered.entry(*status).or_default() += calls;
        }
        self.response.merge(&other.response);
        self.lateness.merge(&other.lateness);
    }

    /// Returns the number of calls with a response.
    pub fn answers(&self) -> u64 {
        self.answered.values().sum()
    }
}

/// Reads one JSON value from a line of standard input. `what` names it in errors.
fn read_line<T: for<'de> Deserialize<'de>>(what: &str) -> anyhow::Result<T> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).with_context(|| format!("cannot read {what}"))?;
    serde_json::from_str(&line).with_context(|| format!("{what} is malformed"))
}

fn send_message(message: &WorkerMessage) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(message)?)?;
    out.flush().context("the parent of this worker has closed the worker's standard output")
}
