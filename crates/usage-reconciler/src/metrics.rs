//! The metrics of one run.

use lambda_support::define_metrics;
use lambda_support::telemetry::MetricLine;
use serde_json::json;

use crate::reconciler::Found;

/// Service dimension of the metrics.
pub const SERVICE: &str = deployment::functions::RECONCILER;

define_metrics! {
    /// Every metric of this function.
    pub enum ReconcilerMetric {
        /// Calls with a billed status and a key in the access log, in the hours that every run compares.
        LoggedCalls: Count,
        /// Calls of the same hours in the ledger.
        CountedCalls: Count as Property,
        /// Calls that the ledger lacks, in all hours with an open difference.
        MissingCalls: Count as Exception,
        /// Calls that the ledger has beyond the access log, in all hours with an open difference.
        SurplusCalls: Count as Exception,
        /// Sum of `MissingCalls` and `SurplusCalls`; 0 if the ledger is exact.
        LedgerDrift: Count,
        /// Hours with an open difference.
        OpenHours: Count as Exception,
        /// Bytes of the access log that CloudWatch Logs Insights has scanned.
        ScannedBytes: Bytes as Property,
    }
}

/// The line of metrics of one run.
pub fn line(found: &Found, scanned_bytes: u64, environment: &str, now_ms: i64) -> MetricLine {
    let mut line = MetricLine::new(SERVICE, environment, now_ms);
    line.value(ReconcilerMetric::LoggedCalls, found.logged)
        .value(ReconcilerMetric::CountedCalls, found.counted)
        .value(ReconcilerMetric::MissingCalls, found.missing)
        .value(ReconcilerMetric::SurplusCalls, found.surplus)
        .value(ReconcilerMetric::LedgerDrift, found.missing + found.surplus)
        .value(ReconcilerMetric::OpenHours, found.open_hours)
        .value(ReconcilerMetric::ScannedBytes, scanned_bytes)
        .property("postponed_hours", json!(found.postponed_hours));
    line
}
