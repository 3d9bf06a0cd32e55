//! Whether all is well: the states of the alarms.

use axum::extract::State;
use axum::response::Response;
use deployment::alarms::alarms;
use serde_json::json;
use system_clock::now_ms;

use super::page::{DashboardPage, answer};
use crate::cloudwatch::alarms::evaluate;

/// Answers with the state of each alarm.
pub async fn status(State(page): State<DashboardPage>) -> Response {
    let evaluated = tokio::task::spawn_blocking(move || {
        let at_ms = now_ms();
        json!({"at_ms": at_ms, "alarms": evaluate(&page.metrics, alarms(), page.started_ms, at_ms)})
    });
    answer(evaluated.await.map_err(|error| error.to_string()))
}
