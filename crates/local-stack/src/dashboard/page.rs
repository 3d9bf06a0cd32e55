//! The server of the web page, on loopback.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query as Parameters, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use deployment::dashboard::{Source, Widget, widgets};
use deployment::names::local::{ACCESS_LOG_GROUP, USAGE_TABLE};
use http::{StatusCode, header};
use metering_aws::KeyStore;
use metering_aws::key_usage::usage_of_all_keys;
use metering_core::api_key::KeyRecord;
use metering_core::metered_key::{CANARY_KEY_ID, MeteredKey};
use metering_core::window::CallWindow;
use serde_json::{Value, json};
use system_clock::{monotonic_us, now_ms};

use crate::cloudwatch::{MetricStore, metric_data};
use crate::cloudwatch_logs::service::LogsService;
use crate::names::STAGE;
use crate::sync::locked;

/// Default range of the page, in minutes.
const DEFAULT_MINUTES: i64 = 30;
/// Maximum range of the page, in minutes.
const MAX_MINUTES: i64 = 360;
/// Lifetime of a cached answer of a log query, as a multiple of the time that the query took.
const CACHE_LIFETIME_FACTOR: u64 = 20;
/// Allows only resources of this server, and nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The server of the page, with the sources of its contents.
#[derive(Clone)]
pub struct DashboardPage {
    pub metrics: Arc<MetricStore>,
    pub logs: Arc<LogsService>,
    /// Client of the table of the ledger.
    pub ledger: aws_sdk_dynamodb::Client,
    pub keys: KeyStore,
    /// Cached answers of log queries.
    pub log_answers: Arc<LogAnswers>,
}

/// The last answers of log queries. A query reads all lines of its range, so its answer is cached for a
/// multiple of the time that the query took.
#[derive(Debug, Default)]
pub struct LogAnswers {
    /// Answers with their expiry on the monotonic clock in microseconds, by query and length of the range.
    answers: Mutex<HashMap<(String, i64), (u64, Value)>>,
}

impl DashboardPage {
    /// Returns the routes of the page.
    pub fn router(self) -> Router {
        let file = |content_type: &'static str, text: &'static str| {
            get(move || async move { ([(header::CONTENT_TYPE, content_type)], text) })
        };
        Router::new()
            .route("/", file("text/html; charset=utf-8", include_str!("page.html")))
            .route("/page.css", file("text/css; charset=utf-8", include_str!("page.css")))
            .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page.js")))
            .route("/dashboard.json", get(dashboard))
            .route("/usage.json", get(usage))
            .layer(middleware::from_fn(check_host))
            .with_state(self)
    }
}

/// Refuses requests whose `Host` is not a name of this machine. Otherwise a page of another origin could
/// let its own name resolve to this machine and read the usage (DNS rebinding).
async fn check_host(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !["127.0.0.1", "localhost"].contains(&name) {
        return (StatusCode::MISDIRECTED_REQUEST, "this page is for this machine only").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

async fn dashboard(
    State(page): State<DashboardPage>,
    Parameters(parameters): Parameters<BTreeMap<String, String>>,
) -> Response {
    let minutes = parameters
        .get("minutes")
        .and_then(|minutes| minutes.parse().ok())
        .unwrap_or(DEFAULT_MINUTES)
        .clamp(1, MAX_MINUTES);
    let to_ms = now_ms();
    let from_ms = to_ms - minutes * 60_000;
    let drawn = tokio::task::spawn_blocking(move || {
        widgets(STAGE).iter().map(|widget| page.draw(widget, from_ms, to_ms)).collect::<Vec<Value>>()
    });
    match drawn.await {
        Ok(widgets) => axum_json(&json!({"from_ms": from_ms, "to_ms": to_ms, "widgets": widgets})),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl DashboardPage {
    fn draw(&self, widget: &Widget, from_ms: i64, to_ms: i64) -> Value {
        let limits: Vec<Value> =
            widget.limits.iter().map(|limit| json!({"label": limit.label, "value": limit.value})).collect();
        let mut drawn = json!({"title": widget.title, "limits": limits});
        match &widget.source {
            Source::Metrics(queries) => match metric_data(&self.metrics, queries, from_ms, to_ms) {
                Ok(data) => {
                    drawn["lines"] = data
                        .iter()
                        .map(|data| json!({"label": data.label, "points": data.values.iter().collect::<Vec<_>>()}))
                        .collect();
                }
                Err(error) => drawn["problem"] = error.to_string().into(),
            },
            Source::Logs(query) => match self.rows(query, from_ms, to_ms) {
                Ok(rows) => drawn["rows"] = rows,
                Err(problem) => drawn["problem"] = problem.into(),
            },
        }
        drawn
    }

    fn rows(&self, query: &str, from_ms: i64, to_ms: i64) -> Result<Value, String> {
        let key = (query.to_owned(), to_ms - from_ms);
        let started_us = monotonic_us();
        let mut answers = locked(&self.log_answers.answers);
        if let Some((_, rows)) = answers.get(&key).filter(|(until_us, _)| started_us < *until_us) {
            return Ok(rows.clone());
        }
        let request = json!({"logGroupName": ACCESS_LOG_GROUP, "queryString": query, "startTime": from_ms / 1_000, "endTime": to_ms / 1_000 + 1});
        let answer = self.logs.answer_query(&request).map_err(|error| error.message)?;
        let now_us = monotonic_us();
        let until_us = now_us + (now_us - started_us) * CACHE_LIFETIME_FACTOR;
        answers.insert(key, (until_us, answer["results"].clone()));
        Ok(answer["results"].clone())
    }

    /// Returns each key with its usage of this hour, this day and this month.
    async fn usage_per_key(&self, at_ms: i64) -> Result<Vec<Value>, String> {
        let usage = usage_of_all_keys(&self.ledger, USAGE_TABLE).await.map_err(|error| error.to_string())?;
        let now = CallWindow::at(at_ms).map_err(|error| error.to_string())?;
        let keys = self.keys.list().await.map_err(|error| error.to_string())?;
        let keys: BTreeMap<&str, &KeyRecord> = keys.iter().map(|key| (key.key_id.as_str(), key)).collect();
        let mut rows = Vec::new();
        for (MeteredKey { customer_id, api_key_id }, usage) in usage {
            let day = usage.get(&now.day);
            let month: u64 =
                usage.range(now.day.first_of_month()..=now.day).map(|(_, day)| day.total()).sum();
            let last_call_ms = usage.values().map(|day| day.last_call_ms).max();
            let record = keys.get(&*api_key_id);
            let limit = record.and_then(|record| record.monthly_limit);
            let is_deleted = record.is_none_or(|record| record.deleted_at_ms.is_some());
            rows.push(json!({
                "key": api_key_id, "customer": customer_id, "owner": record.map(|record| &record.owner), "is_deleted": is_deleted,
                "hour": day.map_or(0, |day| day.hours[usize::from(now.hour)]), "day": day.map_or(0, metering_core::usage_history::DayUsage::total),
                "is_billed": &*api_key_id != CANARY_KEY_ID, "month": month, "monthly_limit": limit, "last_call_ms": last_call_ms,
            }));
        }
        Ok(rows)
    }
}

async fn usage(State(page): State<DashboardPage>) -> Response {
    match page.usage_per_key(now_ms()).await {
        Ok(rows) => axum_json(&json!({"keys": rows})),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
    }
}

fn axum_json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
