//! Access-log lines: the meter against `serde_json`.
//!
//! - What `serde_json` reads of a line, rewritten by [`crate::strict_json`], the meter reads: the
//!   same key, customer, status, time, latency, response length, method, route, API, stage and identity,
//!   or an error for the same lines.
//! - What `serde_json` reads without rewriting, the meter reads, unless it is nested too deeply.
//! - A line reads alike in a log event and alone, and also when its layout is known.

use std::collections::HashMap;

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use access_log::request_time::parse_request_time;
use metering_core::call_id::CallId;
use metering_core::usage_record::MAX_RESPONSE_BYTES;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::readings::{self, Call, ORIGIN, Reading, read};
use crate::strict_json::{NUMBER, UNKNOWN_ESCAPE, strict};

const EVENT_ID: &str = "37461111111111111111111111111111111111111111111111111111";
const LOGGED_AT_MS: i64 = 1_795_509_270_500;

/// Checks a line in events and alone.
pub fn check(input: &[u8]) {
    let Ok(line) = std::str::from_utf8(input) else { return };
    if line.contains([NUMBER, UNKNOWN_ESCAPE]) {
        return;
    }
    let event = log_event(EVENT_ID, LOGGED_AT_MS, line);
    let expected = expected(line, EVENT_ID, LOGGED_AT_MS);
    // The second and third event may have the layout of the first.
    let record = EnvelopeHeader::default().write(&[&*event; 3].join(","));
    let (_, readings) = read(&mut readings::decoder(), record.as_bytes())
        .unwrap_or_else(|error| panic!("a line cannot break its envelope: {error:?}"));
    for reading in &readings {
        assert_eq!(simplified(reading), expected, "line {line:?}");
    }
    check_alone(line);
    if serde_json::from_str::<HashMap<String, Value>>(line).is_ok() {
        let is_refused = matches!(&readings[0].call, Err(error) if error.contains("not a JSON object"));
        assert!(!is_refused || is_deep(line) || has_unknown_depth(line), "JSON is read: {line:?}");
    }
}

/// Checks a line that a producer writes to the stream itself.
fn check_alone(line: &str) {
    let is_one_line = !line.contains(['\n', '\r']) && !line.trim().is_empty();
    if !is_one_line {
        return;
    }
    let Ok((decoded, readings)) = read(&mut readings::decoder(), line.as_bytes()) else { return };
    if decoded.form == access_log::Form::Lines {
        let place = format!("{}/0", ORIGIN.record_name);
        assert_eq!(simplified(&readings[0]), expected(line, &place, ORIGIN.arrived_at_ms), "alone: {line:?}");
    }
}

fn is_deep(line: &str) -> bool {
    let depth = |count: usize, byte: u8| if matches!(byte, b'{' | b'[') { count + 1 } else { count };
    line.bytes().fold(0, depth) > 64
}

/// Returns `true` if a string in the line may look like brackets.
fn has_unknown_depth(line: &str) -> bool {
    strict(line).is_none()
}

/// The identity of an event and its call, without the text of an error.
type Simplified = (CallId, i64, Option<Call>);

fn simplified(reading: &Reading) -> Simplified {
    (reading.id, reading.claimed_at_ms, reading.call.clone().ok())
}

/// A value of a member, as a strict parser reads it.
#[derive(Debug, Clone)]
enum Member {
    Text { text: String, has_escapes: bool },
    Number(String),
    Null,
    Other,
}

/// A line as `serde_json` reads it.
struct Line(HashMap<String, Member>);

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let members: HashMap<String, Box<RawValue>> = serde_json::from_str(&strict(line)?).ok()?;
        if members.keys().any(|name| name.contains(UNKNOWN_ESCAPE)) {
            return None;
        }
        let members = members.into_iter().map(|(name, value)| {
            let member = match serde_json::from_str(value.get()) {
                Ok(Value::String(text)) => {
                    let has_escapes = value.get().contains(['\\', UNKNOWN_ESCAPE, '\u{fffd}']);
                    let number = text.strip_prefix(NUMBER).map(str::to_owned);
                    number.map_or(Member::Text { text, has_escapes }, Member::Number)
                }
                Ok(Value::Null) => Member::Null,
                _ => Member::Other,
            };
            (name, member)
        });
        Some(Self(members.collect()))
    }

    /// Returns the text of the first member that has a value.
    ///
    /// A line with `apiKeyId` has long names alone, so that its short names are its own.
    fn text(&self, short: &str, long: &[&str]) -> Option<(&str, bool)> {
        let short = Some(short).filter(|_| !self.0.contains_key("apiKeyId"));
        short.iter().chain(long).find_map(|name| match self.0.get(*name)? {
            Member::Text { text, has_escapes } if *has_escapes || !matches!(text.as_str(), "-" | "") => {
                Some((text.as_str(), *has_escapes))
            }
            // A bare dash is written for a missing value, and is no number either.
            Member::Number(number) => Some((number.as_str(), false)),
            _ => None,
        })
    }

    /// Returns a text that is read with its escapes; an error if one of them is unknown.
    fn plain(&self, short: &str, long: &[&str]) -> Result<Option<String>, ()> {
        match self.text(short, long) {
            Some((text, _)) if text.contains(UNKNOWN_ESCAPE) => Err(()),
            text => {
                Ok(text.map(|(text, _)| text.to_owned()).filter(|text| !matches!(text.as_str(), "-" | "")))
            }
        }
    }

    /// Returns the request time. The digits of an epoch are read as they are written.
    fn requested_at_ms(&self) -> Option<i64> {
        let (text, has_escapes) = self.text("time", &["requestTimeEpoch", "requestTime"])?;
        let is_formatted = self.text("time", &["requestTimeEpoch"]).is_none();
        let epoch = if has_escapes || is_formatted { None } else { text.parse::<i64>().ok() };
        match epoch {
            Some(seconds) if (-99_999_999_999..=99_999_999_999).contains(&seconds) => Some(seconds * 1000),
            Some(milliseconds) => Some(milliseconds),
            None if text.contains(UNKNOWN_ESCAPE) => None,
            None => parse_request_time(text).ok(),
        }
    }

    fn response_bytes(&self) -> u64 {
        let length = self.text("bytes", &["responseLength"]).filter(|(_, has_escapes)| !has_escapes);
        let length = length
            .map(|(length, _)| length)
            .filter(|length| length.bytes().all(|byte| byte.is_ascii_digit()));
        length
            .and_then(|length| length.parse().ok())
            .filter(|bytes| *bytes <= MAX_RESPONSE_BYTES)
            .unwrap_or(0)
    }

    fn call(&self) -> Option<Call> {
        let key = self.0.get("apiKeyId").or(self.0.get("key"));
        let is_no_text = |id: Option<&Member>| matches!(id, Some(Member::Number(_) | Member::Other));
        if is_no_text(key) || is_no_text(self.0.get("customerId")) {
            return None;
        }
        let (status, has_escapes) = self.text("status", &["status"])?;
        let status = Some(status).filter(|status| !has_escapes && status.len() == 3);
        let status: u16 = status.filter(|status| !status.starts_with('+'))?.parse().ok()?;
        let requested_at_ms = self.requested_at_ms()?;
        let latency = self.text("ms", &["responseLatency"]).filter(|(_, has_escapes)| !has_escapes);
        let latency_ms = latency.and_then(|(latency, _)| latency.parse::<u32>().ok()).unwrap_or(0);
        (100..600).contains(&status).then_some(Call {
            api_key_id: self.plain("key", &["apiKeyId"]).ok()?,
            customer_id: self.plain("customerId", &["customerId"]).ok()?,
            status,
            method: self.plain("method", &["httpMethod"]).ok()?,
            route: self.plain("route", &["resourcePath", "routeKey"]).ok()?,
            api_id: self.plain("api", &["apiId"]).ok()?,
            stage: self.plain("stage", &["stage"]).ok()?,
            requested_at_ms,
            responded_at_ms: requested_at_ms.saturating_add(i64::from(latency_ms)),
            response_bytes: self.response_bytes(),
        })
    }
}

/// Returns what the documentation of the format says of a line.
fn expected(line: &str, event_id: &str, logged_at_ms: i64) -> Simplified {
    let line = Line::parse(line);
    let requested_at_ms = line.as_ref().and_then(Line::requested_at_ms);
    let claimed_at_ms = requested_at_ms.unwrap_or(logged_at_ms);
    let with_time = line.as_ref().filter(|_| requested_at_ms.is_some());
    let id = with_time.and_then(|line| line.plain("id", &["extendedRequestId", "requestId"]).ok().flatten());
    let call = line.as_ref().and_then(Line::call);
    (CallId::new(id.as_deref().unwrap_or(event_id), claimed_at_ms), claimed_at_ms, call)
}
