//! The server of the web page, on loopback.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use http::StatusCode;
use metering_aws::{CustomerStore, KeyStore};
use metering_core::billing_rules::BillingRules;
use serde_json::Value;

use super::finance::{self, Snapshots};
use super::graphs::{self, LogAnswers};
use super::{calls, details, files, runbooks, status};
use crate::cloudwatch::MetricStore;
use crate::cloudwatch_logs::service::LogsService;

/// The server of the page, with the sources of its contents.
#[derive(Clone)]
pub struct DashboardPage {
    pub metrics: Arc<MetricStore>,
    pub logs: Arc<LogsService>,
    /// Client of the table of the ledger.
    pub ledger: aws_sdk_dynamodb::Client,
    pub keys: KeyStore,
    pub customers: CustomerStore,
    /// The rules of the consumer by which calls are billed.
    pub rules: BillingRules,
    /// Reports of usage that are kept in memory.
    pub reports: Arc<Snapshots>,
    /// Time at which the stack was started, in milliseconds since 1970.
    pub started_ms: i64,
    /// Cached answers of log queries.
    pub log_answers: Arc<LogAnswers>,
}

impl DashboardPage {
    /// Returns the routes of the page.
    pub fn router(self) -> Router {
        files::router()
            .route("/dashboard.json", get(graphs::dashboard))
            .route("/status.json", get(status::status))
            .route("/runbooks/{name}", get(runbooks::runbook))
            .route("/key.json", get(details::key))
            .route("/customer.json", get(details::customer))
            .route("/call.json", get(calls::call))
            .route("/usage.json", get(finance::usage))
            .route("/usage.csv", get(finance::usage_csv))
            .layer(middleware::from_fn(files::guard))
            .with_state(self)
    }
}

/// Returns a document, or a problem as text.
pub(super) fn answer(result: Result<Value, String>) -> Response {
    match result {
        Ok(document) => Json(document).into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
    }
}
