//! Lists of route classes: any text is read or refused.
//!
//! - What is read is written and read alike.
//! - A call has the class of the first line that fits alone.
//! - A call that no line fits has no class.

use metering_core::route_class::RouteClasses;
use metering_core::usage_record::{CallStatus, UsageRecord};

/// Values of calls, beside the words of the list.
const WORDS: [&str; 5] = ["GET", "/search", "POST /search", "$default", "prod"];
/// Maximum number of words of the list that become values of calls.
const MAX_WORDS: usize = 12;

/// Checks a text as a list of route classes.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(classes) = text.parse::<RouteClasses>() else { return };
    let written = classes.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&classes), "the written form is read alike");
    assert_eq!(written.lines().count(), classes.names().len(), "each class has a line");
    let lines: Vec<RouteClasses> = written.lines().map(alone).collect();
    let words = text.split(|letter: char| letter.is_whitespace() || ",=".contains(letter));
    let words: Vec<&str> = WORDS.into_iter().chain(words).take(WORDS.len() + MAX_WORDS).collect();
    for (place, word) in words.iter().enumerate() {
        let next = words[(place + 1) % words.len()];
        for (method, route) in
            [(Some(*word), Some(next)), (None, Some(*word)), (Some(*word), None), (None, None)]
        {
            for status in [b"200", b"201", b"304"] {
                check_call(&classes, &lines, &call(method, route, next, *status));
            }
        }
    }
}

fn alone(line: &str) -> RouteClasses {
    line.parse().unwrap_or_else(|problem| panic!("{line:?} alone is not read: {problem}"))
}

fn call<'t>(
    method: Option<&'t str>,
    route: Option<&'t str>,
    other: &'t str,
    status: [u8; 3],
) -> UsageRecord<'t> {
    UsageRecord {
        api_key_id: Some("key"),
        customer_id: None,
        status: CallStatus::parse(&status).unwrap_or_else(|| unreachable!("a status has three digits")),
        method,
        route,
        api_id: Some(other),
        stage: method,
        requested_at_ms: 0,
        responded_at_ms: 0,
        response_bytes: 0,
    }
}

fn check_call(classes: &RouteClasses, lines: &[RouteClasses], call: &UsageRecord<'_>) {
    let first = lines.iter().find_map(|line| line.class_of(call));
    assert_eq!(classes.class_of(call), first, "the class of {call:?} is that of the first line");
}
