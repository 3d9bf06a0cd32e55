//! The usage of a range of days by customer, key and route class, for those who bill it.
//!
//! All usage is read by a scan of the ledger, which takes longer than a request should. A report is therefore
//! read in the background and kept, and requests for its rows are answered from memory.

mod csv;
mod query;
mod read;
mod snapshots;
mod view;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query as Parameters, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde_json::json;
use tokio::runtime::Handle;

pub(super) use query::{RangeParameters, Span};

use super::response::Problem;
use super::sources::PageSources;
use query::ReportQuery;
use snapshots::Snapshots;
use view::ViewParameters;

#[derive(Clone)]
struct Finance {
    sources: PageSources,
    reports: Arc<Snapshots>,
}

/// Returns the routes of usage. Reports are read by tasks of the runtime `readers`.
pub fn router(sources: PageSources, readers: Handle) -> Router {
    Router::new()
        .route("/usage.json", get(usage))
        .route("/usage.csv", get(usage_csv))
        .with_state(Finance { sources, reports: Arc::new(Snapshots::new(readers)) })
}

/// Answers with a page of the rows, or with 202 while the report is read for the first time.
async fn usage(
    State(finance): State<Finance>,
    Parameters(range): Parameters<RangeParameters>,
    Parameters(view): Parameters<ViewParameters>,
) -> Result<Response, Problem> {
    let query = ReportQuery::new(&range, &view.by).map_err(Problem::Refused)?;
    Ok(match finance.reports.get(&finance.sources, &query).await {
        None => (StatusCode::ACCEPTED, Json(json!({"is_reading": true}))).into_response(),
        Some(report) => Json(view.document(&query, &*report?)).into_response(),
    })
}

/// Answers with all rows as CSV, as it is written.
async fn usage_csv(
    State(finance): State<Finance>,
    Parameters(range): Parameters<RangeParameters>,
    Parameters(view): Parameters<ViewParameters>,
) -> Result<impl IntoResponse, Problem> {
    let query = ReportQuery::new(&range, &view.by).map_err(Problem::Refused)?;
    let report = finance.reports.wait_for(&finance.sources, &query).await?;
    let name = query.span.file_name();
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(csv::chunks(&report, &view, &query.span.name()))))
}
