//! What becomes of one line: by CloudWatch Logs, and by the consumer.

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use access_log::log_format::{READABLE_LINES_PATTERN, SUBSCRIPTION_FILTER_PATTERN};
use access_log::{Decoder, Limits, Origin, ReadEvent};
use lambda_support::clock::now_ms;
use local_stack::cloudwatch_logs::filter_pattern::{FilterPattern, Line};
use metering_core::call_id::CallId;
use metering_core::unbilled::UnbilledRoutes;
use metering_core::usage_record::{Assessment, PlausibleTimes, SkipReason};
use serde::Serialize;

/// How old a sample may be, in days: what a line is worth does not depend on
/// when somebody keeps it, but a time in the wrong unit has to be told.
const OLDEST_DAYS: u32 = 3_650;
/// A status of 2xx in whatever quotes. A line with it that is not delivered may be of a call to be billed.
const ANY_SUCCESS_PATTERN: &str = r"%status\W*2\d\d%";

/// Judges lines.
pub struct Judge {
    decoder: Decoder,
    unbilled: UnbilledRoutes,
    subscription: FilterPattern,
    readable: FilterPattern,
    any_success: FilterPattern,
}

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Whether the subscription filter delivers it.
    pub delivered: bool,
    /// Whether the metric filter of readable lines counts it.
    pub readable_line: bool,
    /// What it counts as.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What the call is known by; it is the same for two lines only where they are of the same call.
    #[serde(skip)]
    pub id: Option<CallId>,
    /// The status that was read.
    #[serde(skip)]
    pub status: Option<u16>,
    /// The method and the route that were read.
    #[serde(skip)]
    pub route: (Option<String>, Option<String>),
}

/// What a line counts as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is billed.
    Billed {
        /// To this key.
        key: String,
        /// At this time, in milliseconds since 1970.
        requested_at_ms: i64,
    },
    /// It is not billed, and should not be.
    NotBilled {
        /// Why.
        reason: &'static str,
    },
    /// It goes to quarantine, where a person has to look at it.
    Quarantined {
        /// Why, as a word.
        reason: &'static str,
        /// Why, for a person.
        detail: String,
    },
    /// It may be of a call to be billed, and never reaches the meter.
    Lost {
        /// What the consumer would have said.
        detail: String,
    },
    /// It is no call, and nobody sees it.
    Ignored {
        /// Why.
        detail: String,
    },
}

impl Outcome {
    /// Whether a call to be billed is lost, or waits for a person.
    pub fn is_problem(&self) -> bool {
        matches!(self, Self::Quarantined { .. } | Self::Lost { .. })
    }

    /// Whether it is billed.
    pub fn is_billed(&self) -> bool {
        matches!(self, Self::Billed { .. })
    }
}

impl Judge {
    /// Reads the patterns that a deployment has.
    pub fn new(unbilled: UnbilledRoutes) -> anyhow::Result<Self> {
        Ok(Self {
            decoder: Decoder::new(Limits::default()),
            unbilled,
            subscription: FilterPattern::parse(SUBSCRIPTION_FILTER_PATTERN)?,
            readable: FilterPattern::parse(READABLE_LINES_PATTERN)?,
            any_success: FilterPattern::parse(ANY_SUCCESS_PATTERN)?,
        })
    }

    /// Judges a line as the consumer does: in the envelope of a delivery.
    pub fn line(&mut self, text: &str) -> Judgement {
        let arrived_at_ms = now_ms();
        let envelope = EnvelopeHeader::default().write(&log_event("0", arrived_at_ms, text));
        let line = Line::new(text);
        let mut judgement = Judgement {
            delivered: self.subscription.matches(&line),
            readable_line: self.readable.matches(&line),
            outcome: Outcome::Ignored { detail: "the line holds no event".to_owned() },
            id: None,
            status: None,
            route: (None, None),
        };
        let times = PlausibleTimes::for_arrival(arrived_at_ms, OLDEST_DAYS);
        let unbilled = &self.unbilled;
        let origin = Origin { record_name: "line", arrived_at_ms };
        let decoded = self.decoder.decode(envelope.as_bytes(), origin, |event| {
            judgement.read(&event, times, unbilled);
        });
        if let Err(error) = decoded {
            judgement.outcome = Outcome::Quarantined { reason: error.reason(), detail: error.to_string() };
        }
        if !judgement.delivered {
            let may_be_billed = self.any_success.matches(&line);
            judgement.outcome = undelivered(judgement.outcome, may_be_billed);
        }
        judgement
    }
}

impl Judgement {
    fn read(&mut self, event: &ReadEvent<'_>, times: PlausibleTimes, unbilled: &UnbilledRoutes) {
        self.id = Some(event.id);
        let call = match &event.call {
            Ok(call) => call,
            Err(error) => {
                self.outcome = Outcome::Quarantined { reason: error.reason(), detail: error.to_string() };
                return;
            }
        };
        self.status = Some(call.status.code());
        self.route = (call.method.map(str::to_owned), call.route.map(str::to_owned));
        self.outcome = match call.assess(times, unbilled) {
            Ok(Assessment::Billable { api_key_id, .. }) => {
                Outcome::Billed { key: api_key_id.to_owned(), requested_at_ms: call.requested_at_ms }
            }
            Ok(Assessment::Skipped(reason)) => Outcome::NotBilled { reason: skipped(reason) },
            Err(error) => Outcome::Quarantined { reason: error.reason(), detail: error.to_string() },
        };
    }
}

fn skipped(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::NotSuccessful => "the status is not 2xx",
        SkipReason::Unbilled => "the calls of its route are not billed",
        SkipReason::NoApiKey => "it has no key id",
    }
}

/// What a line comes to that the subscription does not deliver.
fn undelivered(outcome: Outcome, may_be_billed: bool) -> Outcome {
    match outcome {
        Outcome::Billed { key, .. } => {
            Outcome::Lost { detail: format!("the consumer would bill it to {key}") }
        }
        Outcome::Quarantined { detail, .. } if may_be_billed => Outcome::Lost { detail },
        Outcome::Quarantined { detail, .. } => Outcome::Ignored { detail },
        other => other,
    }
}
