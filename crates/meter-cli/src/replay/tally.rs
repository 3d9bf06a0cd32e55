//! What a file was found to hold.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use access_log::{DecodeError, ReadEvent};
use lambda_support::causes::with_causes;
use local_stack::stack::UNBILLED_ROUTES;
use metering_core::unbilled::UnbilledRoutes;
use metering_core::usage_record::PlausibleTimes;

/// Routes and methods whose calls the local consumer does not count.
pub static UNBILLED: LazyLock<UnbilledRoutes> = LazyLock::new(|| {
    UNBILLED_ROUTES.parse().unwrap_or_else(|_| unreachable!("a constant that a test reads"))
});

/// How much of an event is kept to tell what a file is, in bytes.
const SAMPLE_BYTES: usize = 2_048;

/// What begins a record in which the Kinesis Producer Library has put several.
/// Source: awslabs/amazon-kinesis-producer, `aggregation-format.md`.
const KPL_MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// A line, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file, counted from 1.
    pub line: u64,
    /// What is wrong, for a person.
    pub text: String,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub struct Tally {
    /// Lines that are calls, billed or not.
    pub calls: u64,
    /// Lines and records that cannot be read, which go to quarantine.
    pub unreadable: u64,
    /// Values that are nothing of a log, and are not sent.
    pub set_aside: u64,
    /// The first that cannot be read.
    pub first_unreadable: Option<Problem>,
    /// By reason, the first that cannot be counted.
    pub examples: BTreeMap<&'static str, Problem>,
    /// The first value that was set aside.
    pub first_set_aside: Option<Problem>,
    /// The beginning of the first event.
    pub sample: Option<String>,
}

impl Tally {
    /// Whether nothing at all was found.
    pub fn is_empty(&self) -> bool {
        self.calls + self.unreadable + self.set_aside == 0
    }

    /// Looks at an event that was read. A call whose time alone is in doubt is a call.
    pub fn judge(&mut self, event: &ReadEvent<'_>, line: u64, times: PlausibleTimes) {
        match &event.call {
            Ok(call) => {
                self.calls += 1;
                if let Err(error) = call.assess(times, &UNBILLED) {
                    let problem = || Problem { line, text: with_causes(&error) };
                    self.examples.entry(error.reason()).or_insert_with(problem);
                }
            }
            Err(error) => self.problem(error.reason(), line, || with_causes(error)),
        }
    }

    /// Notes a record of which nothing can be read.
    pub fn unreadable(&mut self, line: u64, data: &[u8], error: &DecodeError) {
        self.problem(error.reason(), line, || {
            if data.starts_with(&KPL_MAGIC) {
                "the record holds others that the Kinesis Producer Library has aggregated; set AggregationEnabled to false"
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

    /// Notes a value that is nothing of a log.
    pub fn set_aside(&mut self, line: u64, text: impl Into<String>) {
        self.set_aside += 1;
        self.first_set_aside.get_or_insert_with(|| Problem { line, text: text.into() });
    }

    /// Keeps the beginning of the first event.
    pub fn sample(&mut self, message: &str) {
        self.sample.get_or_insert_with(|| message[..message.floor_char_boundary(SAMPLE_BYTES)].to_owned());
    }

    /// Adds what was found in a record.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.unreadable += other.unreadable;
        self.first_unreadable = self.first_unreadable.take().or(other.first_unreadable);
        for (reason, problem) in other.examples {
            self.examples.entry(reason).or_insert(problem);
        }
    }
}
