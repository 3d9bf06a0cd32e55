//! Queries of CloudWatch Logs Insights: `StartQuery`, `GetQueryResults`,
//! `StopQuery` and `DescribeQueries`.
//!
//! A query is computed when it starts. Its first two polls return `Scheduled` and `Running`, so that
//! clients meet the statuses that AWS returns.
//!
//! Source: CloudWatch Logs API Reference.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use system_clock::{monotonic_us, now_ms};

use super::error::{LogsError, invalid, not_found, unreadable};
use super::groups::LogGroups;
use super::parameters::Parameters;
use super::read_events::{after, before};
use crate::cloudwatch_logs::insights::{Answer, Event, MalformedQuery, Query};
use crate::cloudwatch_logs::log_group::{LogGroup, Order, StoredEvent};
use crate::names::ACCOUNT_ID;
use crate::sync::locked;

/// Maximum number of running queries. Source: CloudWatch Logs API Reference, `StartQuery`.
const MAX_RUNNING: usize = 30;
/// Time after which a query that is not polled is complete, in microseconds.
const MAX_RUN_US: u64 = 60_000_000;
/// Number of queries that are kept.
const MAX_KEPT: usize = 1_000;
/// Maximum number of rows of one response of `GetQueryResults`. Source: CloudWatch Logs API Reference.
const MAX_ROWS_PER_RESPONSE: usize = 10_000;
/// The statuses of the first polls of a query; later polls return `Complete`.
const FIRST_STATUSES: [&str; 2] = ["Scheduled", "Running"];

/// The queries that were started.
#[derive(Debug, Default)]
pub(super) struct Queries {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    started: u64,
    queries: BTreeMap<u64, Started>,
}

#[derive(Debug)]
struct Started {
    text: String,
    log_group: String,
    created_ms: i64,
    at_us: u64,
    polls: usize,
    is_stopped: bool,
    groups: usize,
    answer: Arc<Answer>,
}

impl Started {
    fn is_running(&self) -> bool {
        let is_waiting = monotonic_us().saturating_sub(self.at_us) < MAX_RUN_US;
        self.polls < FIRST_STATUSES.len() && !self.is_stopped && is_waiting
    }

    fn status(&self) -> &'static str {
        match FIRST_STATUSES.get(self.polls) {
            _ if self.is_stopped => "Cancelled",
            Some(status) if self.is_running() => status,
            _ => "Complete",
        }
    }
}

impl Queries {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// `StartQuery`.
    pub fn start(&self, groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        if parameters.text("queryLanguage").is_some_and(|language| language != "CWLI") {
            return Err(invalid("the local stack supports only the query language CWLI"));
        }
        let groups = queried_groups(groups, parameters)?;
        let (from_s, to_s) =
            (parameters.required_integer("startTime"), parameters.required_integer("endTime"));
        if to_s < from_s {
            return Err(invalid(
                "startTime and endTime are seconds since 1970, and endTime must not be before startTime",
            ));
        }
        let text = parameters.required_text("queryString");
        let malformed = |error: MalformedQuery| LogsError::new("MalformedQueryException", error.to_string());
        let mut query = Query::parse(text).map_err(malformed)?;
        if let Some(limit) = parameters.integer("limit") {
            query = query.with_limit(limit).map_err(|error| invalid(error.to_string()))?;
        }
        if self.lock().queries.values().filter(|query| query.is_running()).count() >= MAX_RUNNING {
            return Err(LogsError::new(
                "LimitExceededException",
                format!("{MAX_RUNNING} queries are running; wait until one of them is complete"),
            ));
        }
        let answer = answer(&query, &groups, (from_s.saturating_mul(1_000), to_s.saturating_mul(1_000)))?;
        let started = Started {
            text: text.to_owned(),
            log_group: groups[0].name().to_owned(),
            created_ms: now_ms(),
            at_us: monotonic_us(),
            polls: 0,
            is_stopped: false,
            groups: groups.len(),
            answer: Arc::new(answer),
        };
        let mut state = self.lock();
        state.started += 1;
        let number = state.started;
        state.queries.insert(number, started);
        while state.queries.len() > MAX_KEPT {
            state.queries.pop_first();
        }
        Ok(json!({"queryId": query_id(number)}))
    }

    /// `GetQueryResults`.
    pub fn results(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let most = parameters.limit("maxItems", MAX_ROWS_PER_RESPONSE);
        let start = parameters.items_before()?;
        let mut state = self.lock();
        let query = find(&mut state, parameters.required_text("queryId"))?;
        let status = query.status();
        query.polls += 1;
        let mut reply = json!({"queryLanguage": "CWLI", "results": [], "status": status,
            "statistics": statistics(&Answer::default(), 0)});
        if status == "Complete" {
            let (answer, groups) = (query.answer.clone(), query.groups);
            drop(state);
            let rows = answer.rows.iter().skip(start).take(most);
            let rows = rows.map(|row| {
                let fields = row.iter().map(|(field, value)| json!({"field": field, "value": value}));
                fields.collect::<Value>()
            });
            reply["results"] = rows.collect();
            reply["statistics"] = statistics(&answer, groups);
            if answer.rows.len() > start.saturating_add(most) {
                reply["nextToken"] = (start + most).to_string().into();
            }
        }
        Ok(reply)
    }

    /// `StopQuery`.
    pub fn stop(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let mut state = self.lock();
        let query = find(&mut state, parameters.required_text("queryId"))?;
        if !query.is_running() {
            return Err(invalid("the query has already ended"));
        }
        query.is_stopped = true;
        Ok(json!({"success": true}))
    }

    /// `DescribeQueries`, the latest first.
    pub fn describe(&self, request: &Value) -> Result<Value, LogsError> {
        let parameters = Parameters::new(request);
        let (group, status) = (parameters.text("logGroupName"), parameters.text("status"));
        let most = parameters.limit("maxResults", MAX_KEPT);
        let start = parameters.items_before()?;
        let state = self.lock();
        let wanted: Vec<Value> = state
            .queries
            .iter()
            .rev()
            .filter(|(_, query)| group.is_none_or(|group| group == query.log_group))
            .filter(|(_, query)| status.is_none_or(|status| status == query.status()))
            .map(|(number, query)| {
                json!({"queryLanguage": "CWLI", "queryId": query_id(*number), "queryString": query.text,
                    "status": query.status(), "createTime": query.created_ms, "logGroupName": query.log_group})
            })
            .collect();
        let mut reply = json!({});
        if wanted.len() > start.saturating_add(most) {
            reply["nextToken"] = (start + most).to_string().into();
        }
        reply["queries"] = wanted.into_iter().skip(start).take(most).collect();
        Ok(reply)
    }
}

fn queried_groups(groups: &LogGroups, parameters: Parameters<'_>) -> Result<Vec<Arc<LogGroup>>, LogsError> {
    let names = ["logGroupName", "logGroupNames", "logGroupIdentifiers"];
    match parameters.one_of(&names)? {
        "logGroupName" => Ok(vec![groups.named(parameters.required_text("logGroupName"))?]),
        "logGroupNames" => {
            let names = parameters.texts("logGroupNames").unwrap_or_default();
            names.into_iter().map(|name| groups.named(name)).collect()
        }
        _ => {
            let names = parameters.texts("logGroupIdentifiers").unwrap_or_default();
            names.into_iter().map(|name| groups.identified(name)).collect()
        }
    }
}

/// Computes the answer of a query. The range of time includes both ends. AWS does not document how
/// much of the last second it includes; here it is its first millisecond.
fn answer(
    query: &Query,
    groups: &[Arc<LogGroup>],
    (from_ms, to_ms): (i64, i64),
) -> Result<Answer, LogsError> {
    let mut run = query.run();
    for group in groups {
        run.begin_log_group();
        let log = format!("{ACCOUNT_ID}:{}", group.name());
        let bounds = (before(from_ms), after(to_ms));
        let visit = |event: StoredEvent<'_>| {
            run.add(&Event {
                id: event.id,
                timestamp_ms: event.timestamp_ms,
                ingested_ms: event.ingested_ms,
                message: event.message,
                log_stream: event.log_stream,
                log: &log,
            });
            ControlFlow::Continue(())
        };
        group.visit(bounds, Order::LatestFirst, visit).map_err(unreadable)?;
    }
    Ok(run.answer())
}

fn statistics(answer: &Answer, groups: usize) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "AWS answers with doubles")]
    let double = |number: u64| number as f64;
    json!({"recordsMatched": double(answer.matched_events), "recordsScanned": double(answer.scanned_events),
        "bytesScanned": double(answer.scanned_bytes), "estimatedRecordsSkipped": 0.0, "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": double(groups as u64)})
}

fn query_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn find<'s>(state: &'s mut State, id: &str) -> Result<&'s mut Started, LogsError> {
    let number = id.rsplit('-').next().and_then(|number| u64::from_str_radix(number, 16).ok());
    let query =
        number.filter(|number| query_id(*number) == id).and_then(|number| state.queries.get_mut(&number));
    query.ok_or_else(|| not_found(format!("the query {id:?} does not exist")))
}
