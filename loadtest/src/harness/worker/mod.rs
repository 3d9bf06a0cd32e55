//! A worker: a process that sends its share of the calls when they are due.
//!
//! It is told what to do on its standard input and answers on its standard
//! output, a JSON value a line, so that it can as well run on another machine.

mod record;
mod send;

use std::io::Write;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::harness::seen::Seen;
use crate::histogram::{Times, serde_text};
use crate::profile::Profile;

pub use send::run;

/// A key as its client knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientKey {
    /// What usage is counted under.
    pub api_key_id: String,
    /// What is sent.
    pub secret: String,
}

/// What a worker does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// Where calls are sent.
    pub gateway: String,
    /// What is sent.
    pub profile: Profile,
    /// Which worker it is, counted from 0, of how many.
    pub worker: u32,
    /// How many workers there are: each sends every so many-th call.
    pub workers: u32,
    /// The keys.
    pub keys: Vec<ClientKey>,
}

/// When all workers begin.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Start {
    /// In milliseconds since 1970.
    pub at_ms: i64,
}

/// What happened to calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tally {
    /// Calls that were handed to a client.
    pub sent: u64,
    /// Calls that were answered, by status.
    pub answered: std::collections::BTreeMap<u16, u64>,
    /// Calls that were answered otherwise than they asked to be.
    pub unexpected: u64,
    /// Calls without an answer.
    pub unanswered: u64,
    /// From when a call was due to the end of its answer.
    #[serde(with = "serde_text")]
    pub response: Times,
    /// From when a call was due to when the worker took it up: what the worker itself is late.
    #[serde(with = "serde_text")]
    pub lateness: Times,
}

/// What a worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// It can begin.
    Ready,
    /// What happened since the report before.
    Progress(Tally),
    /// Everything it saw, at the end; the tallies of its progress make the rest.
    Finished(Seen),
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: 0,
            answered: std::collections::BTreeMap::new(),
            unexpected: 0,
            unanswered: 0,
            response: crate::histogram::times(),
            lateness: crate::histogram::times(),
        }
    }
}

impl Tally {
    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.unexpected += other.unexpected;
        self.unanswered += other.unanswered;
        for (status, calls) in &other.answered {
            *self.answered.entry(*status).or_default() += calls;
        }
        crate::histogram::merge(&mut self.response, &other.response);
        crate::histogram::merge(&mut self.lateness, &other.lateness);
    }

    /// All calls that were answered.
    pub fn answers(&self) -> u64 {
        self.answered.values().sum()
    }
}

/// Reads one JSON value from a line of standard input.
fn read_line<T: for<'de> Deserialize<'de>>(what: &str) -> anyhow::Result<T> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).with_context(|| format!("{what} cannot be read"))?;
    serde_json::from_str(&line).with_context(|| format!("{what} is not understood"))
}

fn say(report: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(report)?)?;
    out.flush().context("whoever started this worker no longer listens")
}
