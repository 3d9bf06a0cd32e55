//! `FilterLogEvents` and `GetLogEvents`.
//!
//! Source: CloudWatch Logs API Reference.

use std::collections::HashSet;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::error::{LogsError, invalid, not_found, unreadable};
use super::groups::LogGroups;
use super::parameters::{Parameters, unknown_token};
use crate::cloudwatch_logs::filter_pattern::{FilterPattern, Line};
use crate::cloudwatch_logs::log_group::{LogGroup, Order, Position, StoredEvent, event_id};

/// Maximum number of events of one response.
const MAX_EVENTS: usize = 10_000;
/// Maximum size of one response, in bytes.
const MAX_RESPONSE_BYTES: usize = 1_048_576;
/// Size of an event beside its message, in bytes.
const EVENT_BYTES: usize = 26;
/// Maximum number of events that are read for one response. AWS, too, may return a token with fewer
/// events than match, or with none.
const MAX_SCANNED: usize = 100_000;

/// The events of one response, while it is built.
#[derive(Default)]
struct Page {
    events: Vec<Value>,
    bytes: usize,
    scanned: usize,
    first: Option<Position>,
    last: Option<Position>,
    /// `true` if an event was left for the next response.
    is_full: bool,
}

impl Page {
    fn visit(
        &mut self,
        event: StoredEvent<'_>,
        limit: usize,
        shown: impl FnOnce(&StoredEvent<'_>) -> Option<Value>,
    ) -> ControlFlow<()> {
        let bytes = event.message.len() + EVENT_BYTES;
        let has_room = self.events.len() < limit && self.scanned < MAX_SCANNED;
        let fits = self.events.is_empty() || self.bytes + bytes <= MAX_RESPONSE_BYTES;
        if !has_room || !fits {
            self.is_full = true;
            return ControlFlow::Break(());
        }
        self.scanned += 1;
        self.first.get_or_insert(event.position());
        self.last = Some(event.position());
        if let Some(shown) = shown(&event) {
            self.bytes += bytes;
            self.events.push(shown);
        }
        ControlFlow::Continue(())
    }
}

/// The log streams of a request.
enum Streams<'a> {
    All,
    Named(HashSet<&'a str>),
    Prefix(&'a str),
}

impl<'a> Streams<'a> {
    fn read(parameters: Parameters<'a>, group: &LogGroup) -> Result<Self, LogsError> {
        match (parameters.texts("logStreamNames"), parameters.text("logStreamNamePrefix")) {
            (None, None) => Ok(Self::All),
            (None, Some(prefix)) => Ok(Self::Prefix(prefix)),
            (Some(_), Some(_)) => Err(invalid("give logStreamNames or logStreamNamePrefix, not both")),
            (Some(names), None) => {
                for name in &names {
                    if !group.has_stream(name).map_err(unreadable)? {
                        return Err(not_found(format!("the log stream {name} does not exist")));
                    }
                }
                Ok(Self::Named(names.into_iter().collect()))
            }
        }
    }

    fn contain(&self, stream: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(stream),
            Self::Prefix(prefix) => stream.starts_with(prefix),
        }
    }
}

/// `FilterLogEvents`.
pub(super) fn filter(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let group = groups.of_request(parameters)?;
    let streams = Streams::read(parameters, &group)?;
    // Events of several streams are interleaved whatever `interleaved` says, as on AWS.
    refuse_flags(parameters, &[("unmask", true), ("startFromHead", false)])?;
    let pattern = FilterPattern::parse(parameters.text("filterPattern").unwrap_or(""));
    let pattern = pattern.map_err(|error| invalid(error.to_string()))?;
    let limit = parameters.limit("limit", MAX_EVENTS);
    let (from_ms, to_ms) = span(parameters)?;
    let start = match parameters.text("nextToken") {
        Some(token) => read_token(token)?,
        None => before(from_ms),
    };
    let mut page = Page::default();
    let visit = |event: StoredEvent<'_>| {
        page.visit(event, limit, |event| {
            let matches = streams.contain(event.log_stream) && pattern.matches(&Line::new(event.message));
            matches.then(|| {
                json!({"eventId": event_id(event.timestamp_ms, event.id), "logStreamName": event.log_stream,
                    "timestamp": event.timestamp_ms, "ingestionTime": event.ingested_ms, "message": event.message})
            })
        })
    };
    group.visit((start, after(to_ms)), Order::EarliestFirst, visit).map_err(unreadable)?;
    let mut answer = json!({"events": page.events, "searchedLogStreams": []});
    if let Some(last) = page.last.filter(|_| page.is_full) {
        answer["nextToken"] = token(last).into();
    }
    Ok(answer)
}

/// `GetLogEvents`.
pub(super) fn get(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let group = groups.of_request(parameters)?;
    let stream = parameters.required_text("logStreamName");
    if !group.has_stream(stream).map_err(unreadable)? {
        return Err(not_found(format!("the log stream {stream} does not exist")));
    }
    refuse_flags(parameters, &[("unmask", true)])?;
    let limit = parameters.limit("limit", MAX_EVENTS);
    let (from_ms, to_ms) = span(parameters)?;
    let mut bounds = (before(from_ms), Position { timestamp_ms: to_ms, id: 0 });
    let mut order = match parameters.boolean("startFromHead") {
        Some(true) => Order::EarliestFirst,
        _ => Order::LatestFirst,
    };
    let given = parameters.text("nextToken");
    match given.and_then(|token| token.split_once('/')) {
        Some(("f", token)) => (bounds.0, order) = (read_token(token)?.max(bounds.0), Order::EarliestFirst),
        Some(("b", token)) => (bounds.1, order) = (read_token(token)?.min(bounds.1), Order::LatestFirst),
        _ if given.is_some() => return Err(unknown_token()),
        _ => {}
    }
    let mut page = Page::default();
    let visit = |event: StoredEvent<'_>| {
        if event.log_stream != stream {
            return ControlFlow::Continue(());
        }
        page.visit(event, limit, |event| {
            Some(json!({"timestamp": event.timestamp_ms, "ingestionTime": event.ingested_ms, "message": event.message}))
        })
    };
    group.visit(bounds, order, visit).map_err(unreadable)?;
    if order == Order::LatestFirst {
        page.events.reverse();
        std::mem::swap(&mut page.first, &mut page.last);
    }
    // At the end of the stream, the token of the request is returned again.
    let here = if order == Order::EarliestFirst { bounds.0 } else { bounds.1 };
    let forward = token(page.last.unwrap_or(here));
    let backward = token(page.first.unwrap_or(here));
    Ok(
        json!({"events": page.events, "nextForwardToken": format!("f/{forward}"), "nextBackwardToken": format!("b/{backward}")}),
    )
}

/// Refuses values of boolean parameters that the local stack does not support.
fn refuse_flags(parameters: Parameters<'_>, refused: &[(&str, bool)]) -> Result<(), LogsError> {
    for (name, value) in refused {
        if parameters.boolean(name) == Some(*value) {
            return Err(invalid(format!("the local stack does not support {name} = {value}")));
        }
    }
    Ok(())
}

fn span(parameters: Parameters<'_>) -> Result<(i64, i64), LogsError> {
    let from_ms = parameters.integer("startTime").unwrap_or(0);
    let to_ms = parameters.integer("endTime").unwrap_or(i64::MAX);
    if from_ms > to_ms { Err(invalid("startTime is after endTime")) } else { Ok((from_ms, to_ms)) }
}

/// Returns the position before all events of a time.
pub(super) fn before(time_ms: i64) -> Position {
    Position { timestamp_ms: time_ms, id: 0 }
}

/// Returns the position after all events of a time.
pub(super) fn after(time_ms: i64) -> Position {
    Position { timestamp_ms: time_ms, id: i64::MAX }
}

fn token(position: Position) -> String {
    format!("{}:{}", position.timestamp_ms, position.id)
}

fn read_token(token: &str) -> Result<Position, LogsError> {
    let position = token.split_once(':').and_then(|(timestamp_ms, id)| {
        Some(Position { timestamp_ms: timestamp_ms.parse().ok()?, id: id.parse().ok()? })
    });
    position.ok_or_else(unknown_token)
}
