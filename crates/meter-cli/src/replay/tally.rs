//! The tally of a file.

use std::collections::BTreeMap;

use access_log::{DecodeError, ReadEvent};
use deployment::settings::UNBILLED_ROUTES;
use metering_core::assessment::{ImplausibleCall, PlausibleTimes};
use metering_core::billing_rules::BillingRules;
use metering_core::class_lists::ClassLists;
use metering_core::status_ranges::StatusRanges;
use metering_core::usage_record::UsageRecord;

use crate::output::with_causes;

/// What the replayed consumer counts.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Maximum age of a call, in days.
    pub retention_days: u32,
    /// The statuses and routes whose calls are counted.
    pub rules: BillingRules,
}

impl Counted {
    /// Returns what is counted with these billed statuses and the unbilled routes of a local stack.
    pub fn new(retention_days: u32, billed_statuses: StatusRanges) -> Self {
        let unbilled = UNBILLED_ROUTES.parse().unwrap_or_else(|_| unreachable!("a valid constant"));
        Self { retention_days, rules: BillingRules { billed_statuses, unbilled } }
    }

    /// Judges a call of a record that arrived at `arrived_at_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// The reason for which the call goes to quarantine.
    pub fn check(&self, call: &UsageRecord<'_>, arrived_at_ms: i64) -> Result<(), ImplausibleCall> {
        let times = PlausibleTimes::for_arrival(arrived_at_ms, self.retention_days);
        call.assess(times, &self.rules, ClassLists::none()).map(|_| ())
    }
}

/// Maximum size of the sample by which the kind of a file is recognized, in bytes.
const SAMPLE_BYTES: usize = 2_048;

/// The first bytes of a record that the Kinesis Producer Library has aggregated.
/// Source: awslabs/amazon-kinesis-producer, `aggregation-format.md`.
const KPL_MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// A line with its problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, counted from 1.
    pub line: u64,
    /// Description of the problem.
    pub text: String,
}

/// Counts and examples of a file.
#[derive(Debug, Default)]
pub struct Tally {
    /// Lines that are calls, billed or not.
    pub calls: u64,
    /// Lines and records that cannot be read and go to quarantine.
    pub unreadable: u64,
    /// Values that are not part of an access log, and are not sent.
    pub set_aside: u64,
    /// First line or record that cannot be read.
    pub first_unreadable: Option<Problem>,
    /// First line that cannot be counted, by reason.
    pub examples: BTreeMap<&'static str, Problem>,
    /// First value that is not part of an access log.
    pub first_set_aside: Option<Problem>,
    /// Beginning of the first event.
    pub sample: Option<String>,
}

impl Tally {
    /// Returns `true` if the file has neither calls nor anything else.
    pub fn is_empty(&self) -> bool {
        self.calls + self.unreadable + self.set_aside == 0
    }

    /// Counts an event. A call with an implausible time is a call.
    pub fn judge(&mut self, event: &ReadEvent<'_>, line: u64, counted: &Counted, arrived_at_ms: i64) {
        match &event.call {
            Ok(call) => {
                self.calls += 1;
                if let Err(error) = counted.check(call, arrived_at_ms) {
                    let problem = || Problem { line, text: with_causes(&error) };
                    self.examples.entry(error.reason()).or_insert_with(problem);
                }
            }
            Err(error) => self.problem(error.reason(), line, || with_causes(error)),
        }
    }

    /// Counts a record that cannot be read.
    pub fn unreadable(&mut self, line: u64, data: &[u8], error: &DecodeError) {
        self.problem(error.reason(), line, || {
            if data.starts_with(&KPL_MAGIC) {
                "the record contains records that the Kinesis Producer Library has aggregated; set AggregationEnabled to false"
                    .to_owned()
            } else {
                with_causes(error)
            }
        });
    }

    fn problem(&mut self, reason: &'static str, line: u64, text: impl FnOnce() -> String) {
        self.unreadable += 1;
        let example = self.examples.entry(reason).or_insert_with(|| Problem { line, text: text() });
        self.first_unreadable.get_or_insert_with(|| example.clone());
    }

    /// Counts a value that is not part of an access log.
    pub fn set_aside(&mut self, line: u64, text: impl Into<String>) {
        self.set_aside += 1;
        self.first_set_aside.get_or_insert_with(|| Problem { line, text: text.into() });
    }

    /// Keeps the beginning of the first event.
    pub fn keep_sample(&mut self, message: &str) {
        self.sample.get_or_insert_with(|| message[..message.floor_char_boundary(SAMPLE_BYTES)].to_owned());
    }

    /// Adds the tally of a record.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.unreadable += other.unreadable;
        self.first_unreadable = self.first_unreadable.take().or(other.first_unreadable);
        for (reason, problem) in other.examples {
            self.examples.entry(reason).or_insert(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use metering_core::usage_record::CallStatus;
    use metering_core::window::DAY_MS;

    use super::*;

    #[test]
    fn an_old_call_is_a_problem_exactly_if_its_status_is_billed() {
        let now_ms = 1_795_509_270_000;
        let requested_at_ms = now_ms - 80 * DAY_MS;
        let is_problem = |billed: &str, status: &str| {
            let call = UsageRecord {
                api_key_id: Some("key-1"),
                customer_id: None,
                status: CallStatus::parse(status.as_bytes()).unwrap(),
                method: None,
                route: None,
                api_id: None,
                stage: None,
                requested_at_ms,
                responded_at_ms: requested_at_ms,
                response_bytes: 0,
            };
            Counted::new(62, billed.parse().unwrap()).check(&call, now_ms).is_err()
        };
        assert_eq!(["200", "304"].map(|status| is_problem("200-299", status)), [true, false]);
        assert_eq!(["200", "304"].map(|status| is_problem("304", status)), [false, true]);
    }
}
