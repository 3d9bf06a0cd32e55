//! What the API produces: calls, the lines that log them, and the records in
//! which a subscription delivers the lines.

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use serde_json::json;

/// Milliseconds of a day, as the auditor and the log reckon.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The log stream of every record.
pub const LOG_STREAM: EnvelopeHeader<'static> = EnvelopeHeader {
    is_control_message: false,
    owner: "1",
    log_group: "/aws/api",
    log_stream: "s",
    subscription_filters: &["f"],
};

/// A call that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The key it was made with.
    pub api_key_id: String,
    /// When it was made, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// Whether it is to be billed.
    pub is_billable: bool,
    /// Whether its line has a request id, by which it is known in every form.
    pub has_request_id: bool,
    /// The line that logs it.
    pub line: String,
}

/// What a log event holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The line of a call, by its number.
    Call(usize),
    /// A line that nobody can ever read, by its number.
    Unreadable(usize),
}

/// An event of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEvent {
    /// What CloudWatch Logs knows it by.
    pub id: u64,
    /// What it holds.
    pub content: Content,
}

/// Everything that was logged.
#[derive(Debug, Clone, Default)]
pub struct ApiLog {
    /// The calls.
    pub calls: Vec<Call>,
    /// Lines that nobody can read: whether each was delivered.
    pub unreadable: Vec<bool>,
    next_event: u64,
}

impl ApiLog {
    /// Logs a call; its line has a request id, or is known by its event alone.
    pub fn call(&mut self, key: &str, status: u16, requested_at_ms: i64, has_request_id: bool) -> usize {
        let number = self.calls.len();
        let mut line = json!({"apiKeyId": key, "requestTimeEpoch": requested_at_ms.to_string(),
            "status": status.to_string(), "responseLatency": "5"});
        if has_request_id {
            line["extendedRequestId"] = format!("call-{number}=").into();
        }
        self.calls.push(Call {
            api_key_id: key.to_owned(),
            requested_at_ms,
            is_billable: (200..300).contains(&status) && key != "-",
            has_request_id,
            line: line.to_string(),
        });
        number
    }

    /// Logs a line that breaks off.
    pub fn unreadable_line(&mut self) -> usize {
        self.unreadable.push(false);
        self.unreadable.len() - 1
    }

    /// An event with this content.
    pub fn event(&mut self, content: Content) -> LogEvent {
        self.next_event += 1;
        LogEvent { id: self.next_event, content }
    }

    /// The text of an event.
    pub fn line(&self, event: &LogEvent) -> String {
        match event.content {
            Content::Call(number) => self.calls[number].line.clone(),
            Content::Unreadable(number) => unreadable_line(number),
        }
    }

    /// The record in which a subscription delivers events.
    pub fn record(&self, events: &[LogEvent]) -> Vec<u8> {
        let events: Vec<_> = events
            .iter()
            .map(|event| log_event(&format!("{:056}", event.id), 1, &self.line(event)))
            .collect();
        LOG_STREAM.write(&events.join(",")).into_bytes()
    }
}

/// The text of an unreadable line.
pub fn unreadable_line(number: usize) -> String {
    format!("{{\"broken\":\"line-{number}\",")
}
