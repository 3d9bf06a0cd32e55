//! The runbooks, to which the page links.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

/// Declares the runbooks with their texts in `docs/runbooks`.
macro_rules! runbooks {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../docs/runbooks/", $name, ".md")))),*]
    };
}

/// The name and the text of each runbook.
const RUNBOOKS: &[(&str, &str)] = runbooks![
    "authorizer",
    "canary",
    "cost-spike",
    "delivery-failed",
    "delivery-throttled",
    "drift-and-backfill",
    "freshness",
    "functions-throttled",
    "iterator-age",
    "key-will-not-stop",
    "mapping-stands-still",
    "quarantine",
    "reconciliation",
    "records-dropped",
    "region-failure",
    "replay",
    "rollback",
    "rotate-keys",
    "skipped-without-a-key",
    "throttling-and-resharding",
    "unreadable-lines",
];

/// Returns the route of the runbooks.
pub fn router() -> Router {
    Router::new().route("/runbooks/{name}", get(runbook))
}

/// Answers with the text of a runbook.
async fn runbook(Path(name): Path<String>) -> Response {
    match RUNBOOKS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], *text).into_response(),
        None => (StatusCode::NOT_FOUND, format!("there is no runbook {name:?}")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployment::alarms::alarms;

    #[test]
    fn every_alarm_has_a_runbook_on_the_page() {
        for alarm in alarms() {
            assert!(RUNBOOKS.iter().any(|(name, _)| *name == alarm.runbook), "{}", alarm.runbook);
        }
    }
}
