//! The data of the dashboard's widgets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::extract::{Query as Parameters, State};
use axum::routing::get;
use axum::{Json, Router};
use deployment::dashboard::{Source, Widget, widgets};
use deployment::names::local::ACCESS_LOG_GROUP;
use serde_json::{Value, json};
use system_clock::{monotonic_us, now_ms};

use super::response::{Answer, Problem};
use super::series::Lines;
use super::sources::PageSources;
use crate::cloudwatch::metric_data;
use crate::names::STAGE;
use crate::sync::locked;

/// Default range of the graphs, in minutes.
const DEFAULT_MINUTES: i64 = 30;
/// Maximum range of the graphs, in minutes.
const MAX_MINUTES: i64 = 360;
/// Lifetime of a cached answer of a log query, as a multiple of the time that the query took.
const CACHE_LIFETIME_FACTOR: u64 = 20;

/// The last answers of log queries. A query reads all lines of its range, so its answer is cached for a
/// multiple of the time that the query took.
#[derive(Debug, Default)]
struct LogAnswers {
    /// Answers with their expiry on the monotonic clock in microseconds, by query and length of the range.
    answers: Mutex<HashMap<(String, i64), (u64, Value)>>,
}

/// The widgets of the dashboard.
#[derive(Clone)]
struct Graphs {
    sources: PageSources,
    log_answers: Arc<LogAnswers>,
}

/// Returns the route of the graphs.
pub fn router(sources: PageSources) -> Router {
    let graphs = Graphs { sources, log_answers: Arc::default() };
    Router::new().route("/dashboard.json", get(dashboard)).with_state(graphs)
}

/// Answers with the data of each widget in the last `minutes`.
async fn dashboard(
    State(graphs): State<Graphs>,
    Parameters(parameters): Parameters<BTreeMap<String, String>>,
) -> Answer {
    let minutes = parameters.get("minutes").and_then(|minutes| minutes.parse().ok());
    let minutes = minutes.unwrap_or(DEFAULT_MINUTES).clamp(1, MAX_MINUTES);
    let to_ms = now_ms();
    let from_ms = to_ms - minutes * 60_000;
    let drawn = tokio::task::spawn_blocking(move || {
        widgets(STAGE).iter().map(|widget| graphs.draw(widget, from_ms, to_ms)).collect::<Vec<Value>>()
    });
    let document = drawn.await.map(|widgets| json!({"from_ms": from_ms, "to_ms": to_ms, "widgets": widgets}));
    document.map(Json).map_err(|error| Problem::Failed(error.to_string()))
}

impl Graphs {
    fn draw(&self, widget: &Widget, from_ms: i64, to_ms: i64) -> Value {
        let mut drawn = json!({"title": widget.title});
        let data = match &widget.source {
            Source::Metrics(queries) => self.lines(queries, from_ms, to_ms).map(|lines| {
                drawn["unit"] = widget.unit.clone().into();
                let limits = widget.limits.iter();
                drawn["limits"] =
                    limits.map(|limit| json!({"label": limit.label, "value": limit.value})).collect();
                drawn["graph"] = lines.document();
            }),
            Source::Logs(query) => self.rows(query, from_ms, to_ms).map(|rows| drawn["rows"] = rows),
        };
        if let Err(problem) = data {
            drawn["problem"] = problem.into();
        }
        drawn
    }

    fn lines(&self, queries: &[Value], from_ms: i64, to_ms: i64) -> Result<Lines, String> {
        let mut lines = Lines::new(queries, from_ms, to_ms);
        // A period that has begun before the range is shown whole.
        let data = metric_data(&self.sources.metrics, queries, lines.start_ms(), to_ms);
        lines.fill(&data.map_err(|error| error.to_string())?);
        Ok(lines)
    }

    fn rows(&self, query: &str, from_ms: i64, to_ms: i64) -> Result<Value, String> {
        let key = (query.to_owned(), to_ms - from_ms);
        let started_us = monotonic_us();
        let mut answers = locked(&self.log_answers.answers);
        if let Some((_, rows)) = answers.get(&key).filter(|(until_us, _)| started_us < *until_us) {
            return Ok(rows.clone());
        }
        let request = json!({"logGroupName": ACCESS_LOG_GROUP, "queryString": query, "startTime": from_ms / 1_000, "endTime": to_ms / 1_000 + 1});
        let answer = self.sources.logs.answer_query(&request).map_err(|error| error.message)?;
        let now_us = monotonic_us();
        let until_us = now_us + (now_us - started_us) * CACHE_LIFETIME_FACTOR;
        answers.insert(key, (until_us, answer["results"].clone()));
        Ok(answer["results"].clone())
    }
}
