//! Filter patterns of CloudWatch Logs.
//!
//! - A pattern is read or refused; a pattern that is read matches any line or not, without a panic.
//! - Surrounding blanks do not change a pattern, and a pattern of blanks matches everything.
//! - The subscription filter of the meter delivers every call with a billed status that the meter reads.

use std::sync::LazyLock;

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use access_log::log_format::{ALL_LINES_PATTERN, READABLE_LINES_PATTERN, subscription_filter_pattern};
use fuzz_targets::readings;
use local_stack::cloudwatch_logs::filter_pattern::{FilterPattern, Line};
use metering_core::status_ranges::StatusRanges;
use metering_core::usage_record::CallStatus;
use serde_json::Value;

use crate::small_stack;

/// Sets of billed statuses, with the subscription filter of each.
static SUBSCRIPTIONS: LazyLock<Vec<(StatusRanges, FilterPattern)>> = LazyLock::new(|| {
    let sets = ["200-299", "200-299,304", "404", "200-599"];
    let with_pattern = |set: &str| {
        let billed: StatusRanges = set.parse().unwrap_or_else(|error| panic!("{set}: {error}"));
        let subscription = pattern(&subscription_filter_pattern(&billed));
        (billed, subscription)
    };
    sets.map(with_pattern).into()
});
static READABLE: LazyLock<FilterPattern> = LazyLock::new(|| pattern(READABLE_LINES_PATTERN));
static ALL_LINES: LazyLock<FilterPattern> = LazyLock::new(|| pattern(ALL_LINES_PATTERN));

fn pattern(text: &str) -> FilterPattern {
    FilterPattern::parse(text).unwrap_or_else(|error| panic!("a pattern of the meter: {error}"))
}

/// Checks the pattern in the first line with the lines after it.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    small_stack::run(|| check_text(text));
}

fn check_text(text: &str) {
    let (pattern, lines) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(parsed) = FilterPattern::parse(pattern) else { return };
    assert_eq!(parsed.text(), pattern);
    let trimmed = FilterPattern::parse(pattern.trim())
        .unwrap_or_else(|error| panic!("blanks around a pattern mean nothing: {error}"));
    assert_eq!(trimmed.has_regex(), parsed.has_regex());
    for line in lines.split('\n') {
        let matches = parsed.matches(&Line::new(line));
        assert_eq!(trimmed.matches(&Line::new(line)), matches);
        assert!(matches || !pattern.trim().is_empty(), "an empty pattern matches everything");
    }
}

/// Checks that no line that the meter would bill is filtered out.
///
/// A line in which the name or the status is escaped is an exception: API Gateway does not escape,
/// and the filter compares the text of the line. So is a line with a carriage return, which is
/// white space in JSON and not in a pattern: the meter's log formats have none.
pub fn check_subscription(input: &[u8]) {
    let Ok(line) = std::str::from_utf8(input) else { return };
    assert!(ALL_LINES.matches(&Line::new(line)));
    let event = log_event("1", readings::ORIGIN.arrived_at_ms, line);
    let record = EnvelopeHeader::default().write(&event);
    let (_, events) = readings::read(&mut readings::decoder(), record.as_bytes())
        .unwrap_or_else(|error| panic!("a line cannot break its envelope: {error:?}"));
    if line.contains('\r') {
        return;
    }
    let Ok(call) = &events[0].call else { return };
    let status = call.status.to_string();
    for (billed, subscription) in SUBSCRIPTIONS.iter() {
        let is_billed = CallStatus::parse(status.as_bytes()).is_some_and(|status| billed.contains(status));
        if is_billed && !line.contains('\\') {
            assert!(subscription.matches(&Line::new(line)), "a billed call is delivered: {line:?}");
        }
    }
    let json: Value = serde_json::from_str(line).unwrap_or_default();
    if json["status"].is_string() || json["status"].is_number() {
        assert!(READABLE.matches(&Line::new(line)), "a line with a status is counted as readable: {line:?}");
    }
}
