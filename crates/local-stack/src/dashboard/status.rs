//! Whether all is well: the states of the alarms.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use deployment::alarms::alarms;
use serde_json::json;
use system_clock::now_ms;

use super::response::answer;
use super::sources::PageSources;
use crate::cloudwatch::alarms::evaluate;

/// Returns the route of the status.
pub fn router(sources: PageSources) -> Router {
    Router::new().route("/status.json", get(status)).with_state(sources)
}

/// Answers with the state of each alarm.
async fn status(State(sources): State<PageSources>) -> Response {
    let evaluated = tokio::task::spawn_blocking(move || {
        let at_ms = now_ms();
        json!({"at_ms": at_ms, "alarms": evaluate(&sources.metrics, alarms(), sources.measured, at_ms)})
    });
    answer(evaluated.await.map_err(|error| error.to_string()))
}
