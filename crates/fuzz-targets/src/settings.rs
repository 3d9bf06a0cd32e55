//! Settings that an operator writes: unbilled routes, billed statuses, the layout of claims, days and request times.
//!
//! - What is read is written back and read again alike.
//! - A slice of claims contains the time that it is for.
//! - A request time is read alike whatever its form.

use access_log::request_time::{epoch_to_ms, parse_request_time};
use metering_core::claims::layout::{ClaimLayout, LogStreamHash};
use metering_core::route_pattern::RoutePattern;
use metering_core::status_ranges::StatusRanges;
use metering_core::unbilled::UnbilledRoutes;
use metering_core::usage_record::CallStatus;
use metering_core::window::{CallWindow, HOUR_MS, UtcDay};

/// Times around which layouts and windows could go wrong, in milliseconds since 1970.
const TIMES_MS: [i64; 9] =
    [i64::MIN, -62_135_596_800_001, -1, 0, 1, 1_795_509_270_000, 253_402_207_200_000, i64::MAX - 1, i64::MAX];

/// Checks a text as each of the settings.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    check_unbilled(text);
    check_statuses(text);
    check_layout(text);
    check_times(text);
}

fn check_unbilled(text: &str) {
    let Ok(unbilled) = text.parse::<UnbilledRoutes>() else { return };
    assert_eq!(unbilled.to_string().parse().as_ref(), Ok(&unbilled), "the written form is read alike");
    for entry in unbilled.entries() {
        let (method, route) = match entry {
            RoutePattern::Path(path) => (None, Some(path.as_str())),
            RoutePattern::Method(method) => (Some(method.as_str()), None),
            RoutePattern::MethodOfPath { method, path } => (Some(method.as_str()), Some(path.as_str())),
        };
        assert!(unbilled.contains(method, route), "an entry applies to what it names");
        if let RoutePattern::MethodOfPath { method, path } = entry {
            assert!(unbilled.contains(None, Some(&format!("{method} {path}"))), "a route key is alike");
        }
    }
    if unbilled.entries().is_empty() {
        assert!(!unbilled.contains(Some("GET"), Some("/")), "nothing is unbilled by itself");
    }
}

fn check_statuses(text: &str) {
    let Ok(statuses) = text.parse::<StatusRanges>() else { return };
    assert_eq!(statuses.to_string().parse().as_ref(), Ok(&statuses), "the written form is read alike");
    let digits = statuses.first_digits();
    assert!(!digits.is_empty(), "a set has a status");
    for code in 200_u16..600 {
        let code = code.to_string();
        let status = CallStatus::parse(code.as_bytes()).unwrap_or_else(|| panic!("{code} is a status"));
        let is_delivered = digits.contains(&code[..1]);
        assert!(is_delivered || !statuses.contains(status), "the filter delivers what is billed");
    }
}

fn check_layout(text: &str) {
    let Ok(layout) = text.parse::<ClaimLayout>() else { return };
    for time_ms in TIMES_MS {
        let slice = layout.slice_of(time_ms, LogStreamHash::new("group", text));
        assert!(slice.start_ms <= time_ms && time_ms.saturating_sub(slice.start_ms) < HOUR_MS);
        assert!(slice.group < 1_000);
    }
}

fn check_times(text: &str) {
    if let Ok(day) = text.parse::<UtcDay>() {
        assert_eq!(day.to_string().parse().as_ref(), Ok(&day), "a day is written as it is read");
        assert_eq!(CallWindow::at(day.start_ms()).map(|window| (window.day, window.hour)), Ok((day, 0)));
    }
    if let Ok(epoch) = text.parse::<i64>() {
        let ms = epoch_to_ms(epoch);
        assert!(ms == epoch || ms == epoch * 1_000);
    }
    if let Ok(requested_at_ms) = parse_request_time(text)
        && let Ok(window) = CallWindow::at(requested_at_ms)
    {
        let start_ms = window.day.start_ms() + i64::from(window.hour) * HOUR_MS;
        assert!((start_ms..start_ms + HOUR_MS).contains(&requested_at_ms), "the window contains the time");
    }
}
