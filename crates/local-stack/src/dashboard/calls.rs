//! Where a call is: counted, not billed, in quarantine, or missing, and why.
//!
//! A line is judged as `meter format check` does, and its call is looked up by its identity as `meter reconcile`
//! does.

use access_log::{Decoder, Limits};
use axum::extract::{Query as Parameters, State};
use axum::routing::get;
use axum::{Json, Router};
use deployment::names::local::{ACCESS_LOG_GROUP, CLAIMS_TABLE};
use metering_aws::DynamoClaimStore;
use metering_aws::claimed_calls::owners_of;
use metering_aws::dated_lists::CLASS_LISTS;
use metering_aws::logged_events::{self, LoggedEvent, read_events};
use metering_core::claims::layout::DEFAULT_LAYOUT;
use metering_core::claims::owner::{Owner, Purpose};
use metering_core::class_lists::ClassLists;
use serde::Deserialize;
use serde_json::{Value, json};
use system_clock::now_ms;

use super::response::{Answer, Problem};
use super::sources::PageSources;
use crate::call_judge::{Judge, Outcome};
use crate::cloudwatch_logs::service::LogsError;

/// Maximum number of lines that are shown for a request id. A call is logged once, or twice after a retry.
const MAX_LINES: usize = 10;
/// The members of a line that identify its request, by which it is looked for in the log.
const ID_MEMBERS: [&str; 3] = ["id", "extendedRequestId", "requestId"];
/// Maximum number of requests to the log for one search. Each reads many events.
const MAX_READS: usize = 100;

/// The parameters of the search for a call.
#[derive(Debug, Deserialize)]
struct CallParameters {
    /// A line of the access log, or a request id.
    q: String,
}

/// Returns the route of a call.
pub fn router(sources: PageSources) -> Router {
    Router::new().route("/call.json", get(call)).with_state(sources)
}

/// Answers with each line of a call, with its judgement and its owner.
async fn call(
    State(sources): State<PageSources>,
    Parameters(parameters): Parameters<CallParameters>,
) -> Answer {
    sources.call_document(parameters.q.trim()).await.map(Json)
}

impl From<LogsError> for Problem {
    fn from(LogsError { code, message }: LogsError) -> Self {
        if code == "InvalidParameterException" {
            Self::Refused(format!("the access log cannot be searched for this text: {message}"))
        } else {
            Self::Failed(message)
        }
    }
}

/// The result of a search of the access log.
#[derive(Debug, Default)]
struct Search {
    events: Vec<LoggedEvent>,
    /// `true` if the search ended before the end of the log without finding all lines of a call.
    is_cut_short: bool,
}

impl PageSources {
    async fn call_document(&self, text: &str) -> Result<Value, Problem> {
        let line = text.starts_with('{').then(|| text.to_owned());
        let request_id = match &line {
            Some(line) => request_ids(line).and_then(|ids| ids.into_iter().next()),
            None => Some(text.to_owned()),
        };
        let search = match request_id.clone() {
            Some(id) => self.search(id).await?,
            None => Search::default(),
        };
        let Search { mut events, is_cut_short } = search;
        let is_logged = !events.is_empty();
        if let Some(line) = line.filter(|_| !is_logged) {
            events.push(LoggedEvent {
                event_id: "0".to_owned(),
                log_stream: String::new(),
                timestamp_ms: now_ms(),
                message: line,
            });
        }
        let lists = CLASS_LISTS.read(&self.ledger, CLAIMS_TABLE).await.map_err(|error| error.to_string())?;
        let mut judge = Judge::new(self.rules.clone(), ClassLists::from_stored(lists))
            .map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        for event in &events {
            let owner = self.owner(event).await?;
            lines.push(document(&mut judge, event, owner.as_ref(), is_logged));
        }
        Ok(json!({
            "at_ms": now_ms(), "request_id": request_id, "is_logged": is_logged, "is_complete": !is_cut_short,
            "lines": lines,
        }))
    }

    /// Returns the events of the access log that contain a request id.
    async fn search(&self, request_id: String) -> Result<Search, Problem> {
        let logs = self.logs.clone();
        let searched = tokio::task::spawn_blocking(move || {
            let pattern = format!("\"{}\"", request_id.replace('"', ""));
            let mut request = json!({"logGroupName": ACCESS_LOG_GROUP, "filterPattern": pattern});
            let mut found = Vec::new();
            let mut is_cut_short = true;
            for _ in 0..MAX_READS {
                let reply = logs.handle("FilterLogEvents", &request)?;
                // A broken line that has the text may belong to the call. Any other line has it elsewhere.
                let is_of_call = |event: &LoggedEvent| {
                    request_ids(&event.message).is_none_or(|ids| ids.contains(&request_id))
                };
                let events = reply["events"].as_array().into_iter().flatten().map(logged_event);
                found.extend(events.filter(is_of_call));
                if found.len() >= MAX_LINES || !reply["nextToken"].is_string() {
                    is_cut_short = false;
                    break;
                }
                request["nextToken"] = reply["nextToken"].clone();
            }
            found.truncate(MAX_LINES);
            Ok(Search { events: found, is_cut_short })
        });
        searched.await.map_err(|error| Problem::Failed(error.to_string()))?
    }

    /// Returns the record that claimed the call of an event, if one did.
    async fn owner(&self, event: &LoggedEvent) -> Result<Option<Owner>, String> {
        let layout = DEFAULT_LAYOUT.parse().map_err(|_| "the claim layout is malformed".to_owned())?;
        let judge = logged_events::Judge { layout, rules: self.rules.clone() };
        let mut decoder = Decoder::new(Limits::default());
        let read = read_events(&mut decoder, &judge, ACCESS_LOG_GROUP, std::slice::from_ref(event));
        let claims = DynamoClaimStore::new(self.ledger.clone(), CLAIMS_TABLE);
        let calls = read.iter().flat_map(|stream| &stream.calls).map(|call| (call.slice, call.id));
        let owners = owners_of(&claims, calls).await.map_err(|error| error.to_string())?;
        Ok(owners.into_values().next())
    }
}

/// Returns the request ids in a line, the one by which its call is identified first; `None` if it is not JSON.
fn request_ids(line: &str) -> Option<Vec<String>> {
    let line: Value = serde_json::from_str(line).ok()?;
    let ids = ID_MEMBERS.iter().filter_map(|member| line[*member].as_str());
    Some(ids.filter(|id| *id != "-").map(str::to_owned).collect())
}

fn logged_event(event: &Value) -> LoggedEvent {
    let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
    LoggedEvent {
        event_id: text("eventId"),
        log_stream: text("logStreamName"),
        timestamp_ms: event["timestamp"].as_i64().unwrap_or_default(),
        message: text("message"),
    }
}

fn document(judge: &mut Judge, event: &LoggedEvent, owner: Option<&Owner>, is_logged: bool) -> Value {
    let judgement = judge.judge(&event.message);
    let (verdict, why) = verdict(&judgement.outcome, owner, is_logged);
    let mut document = json!({
        "line": event.message, "logged_at_ms": is_logged.then_some(event.timestamp_ms),
        "verdict": verdict, "why": why, "record": owner.map(|owner| owner.record.to_string()),
        "is_delivered": judgement.delivered,
    });
    if let Outcome::Billed { key, route_class, requested_at_ms } = &judgement.outcome {
        document["key"] = key.as_str().into();
        document["class"] = route_class.as_deref().into();
        document["requested_at_ms"] = (*requested_at_ms).into();
    }
    document
}

/// Returns where a call is, as a word, and why.
fn verdict(outcome: &Outcome, owner: Option<&Owner>, is_logged: bool) -> (&'static str, String) {
    match (outcome, owner) {
        (Outcome::Billed { .. }, Some(Owner { purpose: Purpose::Count, .. })) => {
            ("counted", "a record of the stream has claimed the call and counts it once".to_owned())
        }
        (Outcome::Billed { .. }, Some(Owner { purpose: Purpose::Keep, .. })) => {
            ("quarantined", "the record that claimed the call could not count it".to_owned())
        }
        (Outcome::Billed { .. }, Some(Owner { purpose: Purpose::Refused, .. })) => {
            ("quarantined", "the ledger row of the call refused it".to_owned())
        }
        (Outcome::Billed { .. }, None) if is_logged => {
            ("missing", "the access log has the call, and no record of the stream has claimed it: it is being delivered, or its delivery was lost".to_owned())
        }
        (Outcome::Billed { .. }, None) => {
            ("not_logged", "such a call would be billed, and the access log has no call with this request id".to_owned())
        }
        (Outcome::NotBilled { reason }, _) => ("not_billed", (*reason).to_owned()),
        (Outcome::Quarantined { reason, detail }, _) => ("quarantined", format!("{reason}: {detail}")),
        (Outcome::Lost { detail }, _) => {
            ("lost", format!("the subscription filter does not deliver the line, which may belong to a billed call: {detail}"))
        }
        (Outcome::Ignored { detail }, _) => ("not_a_call", detail.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_ids_of_a_line_are_found_by_each_name() {
        let ids = |line: &str| request_ids(line).map(|ids| ids.join(" "));
        assert_eq!(ids(r#"{"requestId": "b", "id": "a"}"#).as_deref(), Some("a b"));
        assert_eq!(ids(r#"{"extendedRequestId": "c", "requestId": "b"}"#).as_deref(), Some("c b"));
        assert_eq!(ids(r#"{"id": "-"}"#).as_deref(), Some(""));
        assert_eq!(ids("GET /"), None);
    }

    #[test]
    fn a_refused_text_is_told_from_a_log_that_cannot_be_read() {
        let problem = |code| Problem::from(LogsError { code, message: "too long".to_owned() });
        let refused = "the access log cannot be searched for this text: too long".to_owned();
        assert_eq!(problem("InvalidParameterException"), Problem::Refused(refused));
        assert_eq!(problem("ServiceUnavailableException"), Problem::Failed("too long".to_owned()));
    }
}
