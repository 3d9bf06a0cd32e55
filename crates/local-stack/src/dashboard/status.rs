//! Whether all is well: the states of the alarms.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use deployment::alarms::alarms;
use serde_json::json;
use system_clock::now_ms;

use super::response::{Answer, Problem};
use super::sources::PageSources;
use crate::cloudwatch::alarms::evaluate;

/// Returns the route of the status.
pub fn router(sources: PageSources) -> Router {
    Router::new().route("/status.json", get(status)).with_state(sources)
}

/// Answers with the state of each alarm.
async fn status(State(sources): State<PageSources>) -> Answer {
    let evaluated = tokio::task::spawn_blocking(move || {
        let at_ms = now_ms();
        json!({"at_ms": at_ms, "alarms": evaluate(&sources.metrics, alarms(), sources.measured, at_ms)})
    });
    evaluated.await.map(Json).map_err(|error| Problem::Failed(error.to_string()))
}
