//! The operations of CloudWatch Logs that the meter uses, on the gateway's log group.

pub mod insights;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use access_log::log_format::SUBSCRIPTION_FILTER_PATTERN;
use serde_json::{Value, json};

use crate::log_group::LogGroup;
use crate::subscription::matches_filter;
use insights::{Query, Row};

/// The most events of one answer. Source: CloudWatch Logs API Reference, `FilterLogEvents`.
const MAX_EVENTS: usize = 10_000;
/// How many answers of queries are kept until they are asked for.
const MAX_ANSWERS: usize = 100;

/// An error as the service names it.
pub type LogsError = (&'static str, String);

/// CloudWatch Logs.
pub struct LogsService {
    log_group: Arc<LogGroup>,
    answers: Mutex<HashMap<String, Vec<Row>>>,
    queries: AtomicU64,
}

impl LogsService {
    /// The service, with one log group.
    pub fn new(log_group: Arc<LogGroup>) -> Self {
        Self { log_group, answers: Mutex::default(), queries: AtomicU64::new(0) }
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// As the service does.
    pub fn handle(&self, operation: &str, request: &Value) -> Result<Value, LogsError> {
        match operation {
            "FilterLogEvents" => self.filter_log_events(request),
            "StartQuery" => self.start_query(request),
            "GetQueryResults" => self.query_results(request),
            _ => Err((
                "InvalidOperationException",
                format!(
                    "the local stack offers FilterLogEvents, StartQuery and GetQueryResults of CloudWatch Logs, and not {operation}"
                ),
            )),
        }
    }

    fn check_group(&self, request: &Value) -> Result<(), LogsError> {
        let name = request["logGroupName"].as_str().unwrap_or("");
        if name == self.log_group.name() {
            return Ok(());
        }
        Err((
            "ResourceNotFoundException",
            format!("the log group {name:?} does not exist; there is {}", self.log_group.name()),
        ))
    }

    fn filter_log_events(&self, request: &Value) -> Result<Value, LogsError> {
        self.check_group(request)?;
        let pattern = request["filterPattern"].as_str().unwrap_or("");
        if !["", SUBSCRIPTION_FILTER_PATTERN].contains(&pattern) {
            return Err((
                "InvalidParameterException",
                format!("the local stack knows the filter {SUBSCRIPTION_FILTER_PATTERN} only"),
            ));
        }
        let after = request["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
        let limit = request["limit"]
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(MAX_EVENTS)
            .min(MAX_EVENTS);
        let events = self.log_group.read_between(times(request, 1), after, limit).map_err(unreadable)?;
        let next = (events.len() == limit).then(|| events.last().map(|event| event.id.to_string())).flatten();
        let events: Vec<Value> = events
            .iter()
            .filter(|event| pattern.is_empty() || matches_filter(&event.message))
            .map(|event| {
                json!({"eventId": event.event_id(), "logStreamName": event.log_stream, "timestamp": event.timestamp_ms,
                    "ingestionTime": event.timestamp_ms, "message": event.message})
            })
            .collect();
        Ok(json!({"events": events, "searchedLogStreams": [], "nextToken": next}))
    }

    fn start_query(&self, request: &Value) -> Result<Value, LogsError> {
        self.check_group(request)?;
        let text = request["queryString"].as_str().unwrap_or("");
        let query = Query::parse(text).map_err(|error| ("MalformedQueryException", error.to_string()))?;
        let events = self.log_group.read_between(times(request, 1_000), 0, usize::MAX).map_err(unreadable)?;
        let rows = query.answer(events.iter().map(|event| event.message.as_str()));
        let id = format!("query-{}", self.queries.fetch_add(1, Ordering::Relaxed));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS {
            answers.clear();
        }
        answers.insert(id.clone(), rows);
        Ok(json!({"queryId": id}))
    }

    fn query_results(&self, request: &Value) -> Result<Value, LogsError> {
        let id = request["queryId"].as_str().unwrap_or("");
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = answers
            .get(id)
            .ok_or_else(|| ("ResourceNotFoundException", format!("there is no query {id:?}")))?;
        let rows: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| row.iter().map(|(field, value)| json!({"field": field, "value": value})).collect())
            .collect();
        Ok(json!({"results": rows, "status": "Complete"}))
    }
}

/// The times of a request, in milliseconds; `FilterLogEvents` takes milliseconds, `StartQuery` seconds.
fn times(request: &Value, unit_ms: i64) -> (i64, i64) {
    let time = |name: &str, default: i64| {
        request[name].as_i64().map_or(default, |time| time.saturating_mul(unit_ms))
    };
    (time("startTime", 0), time("endTime", i64::MAX))
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn unreadable(error: rusqlite::Error) -> LogsError {
    ("ServiceUnavailableException", format!("the log group cannot be read: {error}"))
}
