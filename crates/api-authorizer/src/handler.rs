//! The Lambda shell of the authorizer: one event in, one answer out.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use metering_core::authorization::Decision;
use metering_core::clock_reading::ClockReading;
use metering_core::ports::{InvalidationLog, KeyTable, UsageAlerts, UsageTotals};
use serde_json::value::RawValue;
use system_clock::{monotonic_us, now_ms};

use crate::authorizer::{Authorizer, Unavailable};
use crate::event::{Call, Event, EventError};
use crate::response::answer;

/// Reads both clocks for the decision cache.
pub fn now() -> ClockReading {
    ClockReading { wall_ms: now_ms(), monotonic_ms: monotonic_us() / 1_000 }
}

#[derive(Debug)]
pub struct Handler<K, L, U, A> {
    /// Decides on calls.
    pub authorizer: Authorizer<K, L, U, A>,
    /// `true` if the authorizer of the HTTP API has simple responses enabled.
    pub simple_responses: bool,
    /// Longest time for a decision, in milliseconds.
    pub decision_limit_ms: u64,
    /// Dimension of the metrics.
    pub environment_name: String,
}

/// An event without an answer. API Gateway answers its caller with 500 and does not
/// admit the call.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event is not for this function.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The call could not be decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The answer could not be serialized.
    #[error("the answer could not be serialized")]
    Answer(#[from] serde_json::Error),
}

impl From<HandlerError> for Diagnostic {
    /// Sets the error type, by which operators group errors.
    fn from(error: HandlerError) -> Self {
        let error_type = match error {
            HandlerError::Event(_) => "BadEvent",
            HandlerError::Unavailable(_) => "Unavailable",
            HandlerError::Answer(_) => "BadAnswer",
        };
        Self { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

impl<K: KeyTable, L: InvalidationLog, U: UsageTotals, A: UsageAlerts> Handler<K, L, U, A> {
    /// Answers an event.
    ///
    /// # Errors
    /// When the event is not for this function, or the call cannot be decided.
    pub async fn handle(&self, event: &str) -> Result<Box<RawValue>, HandlerError> {
        let began_us = monotonic_us();
        let json = match Event::parse(event)? {
            Event::Invalidations(messages) => {
                for message in &messages {
                    self.authorizer.notice(&message.api_key_id, message.sequence);
                }
                format!("{{\"applied\":{}}}", messages.len())
            }
            Event::Call(call) => {
                let decision = self.decide(&call).await;
                let duration_us = monotonic_us().saturating_sub(began_us);
                self.authorizer.metrics().record_decision(decision.as_ref().ok(), duration_us);
                serde_json::to_string(&answer(&call, &decision?, self.simple_responses))?
            }
        };
        Ok(RawValue::from_string(json)?)
    }

    async fn decide(&self, call: &Call) -> Result<Decision, Unavailable> {
        let digest = match call.key {
            Ok(digest) => digest,
            Err(denial) => return Ok(Decision::deny(denial)),
        };
        let limit_ms = self.decision_limit_ms;
        let decision = self.authorizer.decide(digest);
        match tokio::time::timeout(Duration::from_millis(limit_ms), decision).await {
            Ok(decision) => decision,
            Err(_) => Err(Unavailable::TooLate { limit_ms }),
        }
    }

    /// Emits the line of metrics, if one is due. It runs after the call is answered,
    /// so that no call waits for it.
    pub fn emit_metrics(&self) {
        let line = self.authorizer.metrics().line(&self.environment_name, monotonic_us() / 1_000, now_ms());
        if let Some(line) = line {
            line.emit();
        }
    }
}
