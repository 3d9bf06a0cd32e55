//! The API's calls, their access-log lines, and the stream records in which a
//! subscription delivers the lines.

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use serde_json::json;

/// Milliseconds per day. Not taken from the meter, with which the auditor shares no code.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Milliseconds per hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The log stream of every record.
pub const LOG_STREAM: EnvelopeHeader<'static> = EnvelopeHeader {
    is_control_message: false,
    owner: "1",
    log_group: "/aws/api",
    log_stream: "s",
    subscription_filters: &["f"],
};

/// A call of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The id of the key with which the call was made; `-` if there was none.
    pub api_key_id: String,
    /// The id of the customer who pays for the call, if the key belongs to one.
    pub customer_id: Option<&'static str>,
    /// The class of its route at the request time.
    pub class: Class,
    /// The request time, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// `true` if the call has to be counted.
    pub is_billable: bool,
    /// `true` if its line has a request id, which identifies the call in every delivery.
    pub has_request_id: bool,
    /// Length of the response, in bytes; 0 if the line does not have it.
    pub response_bytes: u64,
    /// The text that identifies the call: its request id, or the id of its first log event.
    pub identity: String,
    /// The access-log line of the call.
    pub line: String,
}

impl Call {
    /// Returns the account in which the call is counted.
    pub fn account(&self) -> String {
        account(self.customer_id, &self.api_key_id, self.class)
    }
}

/// The name of a route class; `None` for a call without a class.
pub type Class = Option<&'static str>;

/// A list of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassList {
    /// Time from which the list applies, in milliseconds since 1970.
    pub from_ms: i64,
    /// The class of successful calls of each route.
    pub of_routes: [Class; ROUTES.len()],
    /// The class of calls with the status 304.
    pub of_not_modified: Class,
}

impl ClassList {
    fn class_of(&self, route: usize, status: u16) -> Class {
        if status == NOT_MODIFIED { self.of_not_modified } else { self.of_routes[route] }
    }
}

/// The status of a call that a deployment may bill besides successful ones.
pub const NOT_MODIFIED: u16 = 304;

/// The routes of calls, in turn.
pub const ROUTES: [&str; 3] = ["/a", "/b/{id}", "/c"];

/// The customers of calls, in turn. A key is used for each of them.
const CUSTOMERS: [Option<&str>; 3] = [None, Some("acme"), Some("b")];

/// Returns the length of the response of a call, in bytes, by the number of the call. Each eighth line has none.
fn response_bytes(number: usize) -> Option<u64> {
    (number % 8 != 7).then(|| number as u64 * 7_919 % 100_000)
}

/// Returns a name for the calls of a key for a customer in a class.
pub fn account(customer_id: Option<&str>, api_key_id: &str, class: Option<&str>) -> String {
    format!("{}/{api_key_id}/{}", customer_id.unwrap_or_default(), class.unwrap_or_default())
}

/// The content of a log event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The line of a call, by its index in [`ApiLog::calls`].
    Call(usize),
    /// A truncated line, by its index in [`ApiLog::unreadable`].
    Unreadable(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEvent {
    /// The id that CloudWatch Logs gives to the event.
    pub id: u64,
    pub content: Content,
}

impl LogEvent {
    fn id_text(&self) -> String {
        format!("{:056}", self.id)
    }
}

/// The access log of a simulation.
#[derive(Debug, Clone, Default)]
pub struct ApiLog {
    pub calls: Vec<Call>,
    /// For each unreadable line, `true` if it was delivered.
    pub unreadable: Vec<bool>,
    /// The lists of classes.
    pub class_lists: Vec<ClassList>,
    /// `true` if a call with the status 304 is billed.
    pub bills_not_modified: bool,
    next_event: u64,
}

impl ApiLog {
    /// Logs a call and returns its index. Without a request id, only its log event identifies the call.
    pub fn log_call(&mut self, key: &str, status: u16, requested_at_ms: i64, has_request_id: bool) -> usize {
        let number = self.calls.len();
        let mut line = json!({"apiKeyId": key, "requestTimeEpoch": requested_at_ms.to_string(),
            "status": status.to_string(), "responseLatency": "5"});
        let customer_id = CUSTOMERS[number % CUSTOMERS.len()];
        if let Some(customer_id) = customer_id {
            line["customerId"] = customer_id.into();
        }
        let route = number / CUSTOMERS.len() % ROUTES.len();
        line["resourcePath"] = ROUTES[route].into();
        let response_bytes = response_bytes(number);
        line["responseLength"] =
            response_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()).into();
        let latest = self.class_lists.iter().rev().find(|list| list.from_ms <= requested_at_ms);
        let class = latest.and_then(|list| list.class_of(route, status));
        let identity = if has_request_id { format!("call-{number}=") } else { String::new() };
        if has_request_id {
            line["extendedRequestId"] = identity.as_str().into();
        }
        self.calls.push(Call {
            api_key_id: key.to_owned(),
            customer_id,
            class,
            requested_at_ms,
            is_billable: self.is_billed(status) && key != "-",
            has_request_id,
            response_bytes: response_bytes.unwrap_or(0),
            identity,
            line: line.to_string(),
        });
        number
    }

    fn is_billed(&self, status: u16) -> bool {
        (200..300).contains(&status) || self.bills_not_modified && status == NOT_MODIFIED
    }

    /// Logs a truncated line and returns its index.
    pub fn log_unreadable_line(&mut self) -> usize {
        self.unreadable.push(false);
        self.unreadable.len() - 1
    }

    /// Creates a log event with this content.
    pub fn new_event(&mut self, content: Content) -> LogEvent {
        self.next_event += 1;
        let event = LogEvent { id: self.next_event, content };
        if let Content::Call(number) = content
            && self.calls[number].identity.is_empty()
        {
            self.calls[number].identity = event.id_text();
        }
        event
    }

    /// Returns the text of an event.
    pub fn line(&self, event: &LogEvent) -> String {
        match event.content {
            Content::Call(number) => self.calls[number].line.clone(),
            Content::Unreadable(number) => unreadable_line(number),
        }
    }

    /// Returns the stream record in which a subscription delivers these events.
    pub fn encode_record(&self, events: &[LogEvent]) -> Vec<u8> {
        let events: Vec<_> =
            events.iter().map(|event| log_event(&event.id_text(), 1, &self.line(event))).collect();
        LOG_STREAM.write(&events.join(",")).into_bytes()
    }
}

/// Returns the text of an unreadable line.
pub fn unreadable_line(number: usize) -> String {
    format!("{{\"broken\":\"line-{number}\",")
}
