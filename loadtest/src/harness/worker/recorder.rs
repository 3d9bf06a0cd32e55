//! Records the outcome of each call of a worker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Tally;
use crate::harness::client::Answer;
use crate::harness::client_counts::ClientCounts;
use crate::harness::identities::AnsweredCall;

/// Records the calls of one worker.
pub(super) struct CallRecorder {
    keeps_request_ids: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    since_report: Tally,
    counts: ClientCounts,
    /// Successful calls since the previous [`CallRecorder::take_answered`].
    answered: Vec<AnsweredCall>,
}

/// The end of a call.
pub(super) struct CallEnd {
    /// Index of the key.
    pub key: u32,
    pub requested_status: u16,
    /// The response; `None` if there was none.
    pub answer: Option<Answer>,
    pub sent_ms: i64,
    pub ended_ms: i64,
    /// Time since the scheduled send.
    pub response_time: Duration,
}

impl CallRecorder {
    /// Creates an empty recorder. It keeps the request ids of successful calls if asked to.
    pub fn new(keeps_request_ids: bool) -> Self {
        Self { keeps_request_ids, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn record_sent(&self, lateness: Duration) {
        let mut state = self.lock();
        state.since_report.sent += 1;
        state.since_report.lateness.record(lateness);
    }

    /// Records that a call was not sent, because of an interruption.
    pub fn record_withdrawn(&self) {
        self.lock().since_report.withdrawn += 1;
    }

    pub fn record_end(&self, end: CallEnd) {
        let mut state = self.lock();
        state.since_report.response.record(end.response_time);
        if let Some(Answer { status, request_id }) = end.answer {
            state.since_report.unexpected += u64::from(status != end.requested_status);
            *state.since_report.answered.entry(status).or_default() += 1;
            if (200..300).contains(&status) {
                state.counts.record_success(end.key, end.sent_ms, end.ended_ms);
                if self.keeps_request_ids {
                    let request_id = request_id.unwrap_or_default();
                    state.answered.push(AnsweredCall { key: end.key, request_id });
                }
            }
        } else {
            state.since_report.unanswered += 1;
            if (200..300).contains(&end.requested_status) {
                state.counts.record_unanswered(end.key, end.sent_ms, end.ended_ms);
            }
        }
    }

    /// Returns the tally of the calls since the previous call of this function.
    pub fn take_tally(&self) -> Tally {
        std::mem::take(&mut self.lock().since_report)
    }

    /// Returns the successful calls since the previous call of this function.
    pub fn take_answered(&self) -> Vec<AnsweredCall> {
        std::mem::take(&mut self.lock().answered)
    }

    pub fn counts(&self) -> ClientCounts {
        self.lock().counts.clone()
    }
}
