//! What a worker has seen so far.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Tally;
use crate::harness::seen::Seen;
use crate::histogram::microseconds;

/// Tallies of the calls of a worker.
#[derive(Default)]
pub(super) struct Record {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    since_report: Tally,
    seen: Seen,
}

/// How a call ended.
pub(super) struct Ending {
    pub key: u32,
    /// The status that it asked for.
    pub asked: u16,
    /// What it was answered with; `None` where there was no answer.
    pub status: Option<u16>,
    pub sent_ms: i64,
    pub ended_ms: i64,
    /// Since it was due.
    pub took: Duration,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, late: Duration) {
        let mut state = self.lock();
        state.since_report.sent += 1;
        state.since_report.lateness.saturating_record(microseconds(late));
    }

    pub fn ended(&self, ending: &Ending) {
        let mut state = self.lock();
        state.since_report.response.saturating_record(microseconds(ending.took));
        if let Some(status) = ending.status {
            state.since_report.unexpected += u64::from(status != ending.asked);
            *state.since_report.answered.entry(status).or_default() += 1;
            if (200..300).contains(&status) {
                state.seen.success(ending.key, ending.sent_ms, ending.ended_ms);
            }
        } else {
            state.since_report.unanswered += 1;
            if (200..300).contains(&ending.asked) {
                state.seen.unanswered(ending.key, ending.sent_ms, ending.ended_ms);
            }
        }
    }

    /// What happened since this was asked before.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut self.lock().since_report)
    }

    pub fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }
}
