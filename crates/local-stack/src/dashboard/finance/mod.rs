//! The usage of a range of days by customer, key and route class, for those who bill it.
//!
//! All usage is read by a scan of the ledger, which takes longer than a request should. A report is therefore
//! read in the background and kept, and requests for its rows are answered from memory.

mod csv;
mod query;
mod read;
mod snapshots;
mod view;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query as Parameters, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

pub(super) use query::{RangeParameters, Span};
pub use snapshots::Snapshots;

use super::page::DashboardPage;
use query::ReportQuery;
use view::ViewParameters;

/// Answers with a page of the rows, or with 202 while the report is read for the first time.
pub async fn usage(
    State(page): State<DashboardPage>,
    Parameters(range): Parameters<RangeParameters>,
    Parameters(view): Parameters<ViewParameters>,
) -> Response {
    let query = match ReportQuery::new(&range, &view.by) {
        Ok(query) => query,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    match page.reports.get(&page, &query).await {
        None => (StatusCode::ACCEPTED, Json(json!({"is_reading": true}))).into_response(),
        Some(Err(problem)) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
        Some(Ok(report)) => Json(view.document(&query, &report)).into_response(),
    }
}

/// Answers with all rows as CSV, as it is written.
pub async fn usage_csv(
    State(page): State<DashboardPage>,
    Parameters(range): Parameters<RangeParameters>,
    Parameters(view): Parameters<ViewParameters>,
) -> Response {
    let query = match ReportQuery::new(&range, &view.by) {
        Ok(query) => query,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    match page.reports.wait_for(&page, &query).await {
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
        Ok(report) => {
            let name = format!("usage-{}-{}.csv", query.span.from, query.span.to);
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            ];
            (headers, Body::from_stream(csv::chunks(&report, &view, &query.span.name()))).into_response()
        }
    }
}
