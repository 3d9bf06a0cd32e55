//! Predicts the outcome of a line in CloudWatch Logs and in the consumer.

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use access_log::log_format::{READABLE_LINES_PATTERN, subscription_filter_pattern};
use access_log::{Decoder, Limits, Origin, ReadEvent};
use metering_core::assessment::{Assessment, PlausibleTimes, SkipReason};
use metering_core::billing_rules::BillingRules;
use metering_core::call_id::CallId;
use metering_core::class_lists::ClassLists;
use metering_core::metered_key::CallBreakdown;
use system_clock::now_ms;

use crate::cloudwatch_logs::filter_pattern::{FilterPattern, Line, PatternError};

/// Maximum age of a sample line, in days. An old sample is valid, but a time in the wrong unit has to be
/// detected.
const MAX_AGE_DAYS: u32 = 3_650;

/// Predicts the outcome of lines.
pub struct Judge {
    decoder: Decoder,
    rules: BillingRules,
    classes: ClassLists,
    subscription: FilterPattern,
    readable: FilterPattern,
    /// Matches a billed status in any quotes. A matching line that is not delivered may belong to a
    /// billable call.
    any_billed: FilterPattern,
}

/// The predicted processing of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// `true` if the subscription filter delivers the line.
    pub delivered: bool,
    /// `true` if the metric filter of readable lines counts the line.
    pub readable_line: bool,
    pub outcome: Outcome,
    /// Identity of the call. Two lines have the same identity only if they belong to the same call.
    pub id: Option<CallId>,
    /// Status of the call, if it was read.
    pub status: Option<u16>,
    /// `true` if a route was read.
    pub has_route: bool,
    /// Length of the response that was read, in bytes; 0 if there was none.
    pub response_bytes: u64,
}

/// The predicted outcome of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The call is billed.
    Billed {
        /// Id of the key.
        key: String,
        /// Name of the route class, if a rule names the call.
        route_class: Option<String>,
        /// Time of the request, in milliseconds since 1970.
        requested_at_ms: i64,
    },
    /// The call is not billed, as intended.
    NotBilled { reason: &'static str },
    /// The line goes to quarantine, where a person has to examine it.
    Quarantined {
        /// Reason as a stable word.
        reason: &'static str,
        detail: String,
    },
    /// The line may belong to a billable call, and is not delivered.
    Lost {
        /// The result that the consumer would have had.
        detail: String,
    },
    /// The line is not a call, and is not delivered.
    Ignored { detail: String },
}

impl Outcome {
    /// Returns `true` if a billable call is lost or has to be examined by a person.
    pub fn is_problem(&self) -> bool {
        matches!(self, Self::Quarantined { .. } | Self::Lost { .. })
    }

    /// Returns `true` if the call is billed.
    pub fn is_billed(&self) -> bool {
        matches!(self, Self::Billed { .. })
    }
}

impl Judge {
    /// Parses the patterns of a deployment.
    ///
    /// # Errors
    /// Returns an error if a pattern is not understood.
    pub fn new(rules: BillingRules, classes: ClassLists) -> Result<Self, PatternError> {
        let any_billed = format!(r"%status\W*[{}]\d\d%", rules.billed_statuses.first_digits());
        Ok(Self {
            decoder: Decoder::new(Limits::default()),
            subscription: FilterPattern::parse(&subscription_filter_pattern(&rules.billed_statuses))?,
            readable: FilterPattern::parse(READABLE_LINES_PATTERN)?,
            any_billed: FilterPattern::parse(&any_billed)?,
            rules,
            classes,
        })
    }

    /// Decodes a line as the consumer does, in the envelope of a delivery, and applies the filter patterns.
    pub fn judge(&mut self, text: &str) -> Judgement {
        let arrived_at_ms = now_ms();
        let envelope = EnvelopeHeader::default().write(&log_event("0", arrived_at_ms, text));
        let line = Line::new(text);
        let mut judgement = Judgement {
            delivered: self.subscription.matches(&line),
            readable_line: self.readable.matches(&line),
            outcome: Outcome::Ignored { detail: "the line has no event".to_owned() },
            id: None,
            status: None,
            has_route: false,
            response_bytes: 0,
        };
        let times = PlausibleTimes::for_arrival(arrived_at_ms, MAX_AGE_DAYS);
        let (rules, classes) = (&self.rules, &self.classes);
        let origin = Origin { record_name: "line", arrived_at_ms };
        let decoded = self.decoder.decode(envelope.as_bytes(), origin, |event| {
            judgement.read(&event, times, rules, classes);
        });
        if let Err(error) = decoded {
            judgement.outcome = Outcome::Quarantined { reason: error.reason(), detail: error.to_string() };
        }
        if !judgement.delivered {
            let may_be_billed = self.any_billed.matches(&line);
            judgement.outcome = undelivered(judgement.outcome, may_be_billed);
        }
        judgement
    }
}

impl Judgement {
    fn read(
        &mut self,
        event: &ReadEvent<'_>,
        times: PlausibleTimes,
        rules: &BillingRules,
        classes: &ClassLists,
    ) {
        self.id = Some(event.id);
        let call = match &event.call {
            Ok(call) => call,
            Err(error) => {
                self.outcome = Outcome::Quarantined { reason: error.reason(), detail: error.to_string() };
                return;
            }
        };
        self.status = Some(call.status.code());
        self.has_route = call.route.is_some();
        self.response_bytes = call.response_bytes;
        self.outcome = match call.assess(times, rules, classes) {
            Ok(Assessment::Billable(CallBreakdown { api_key_id, route_class, .. })) => Outcome::Billed {
                key: api_key_id.to_owned(),
                route_class: route_class.map(str::to_owned),
                requested_at_ms: call.requested_at_ms,
            },
            Ok(Assessment::Skipped(reason)) => Outcome::NotBilled { reason: skipped(reason) },
            Err(error) => Outcome::Quarantined { reason: error.reason(), detail: error.to_string() },
        };
    }
}

fn skipped(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::UnbilledStatus => "its status is not billed",
        SkipReason::Unbilled => "the calls of its route are not billed",
        SkipReason::NoApiKey => "it has no key id",
    }
}

/// Returns the outcome of a line that the subscription does not deliver.
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
