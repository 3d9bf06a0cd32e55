//! What the function tells about a run.

use lambda_support::define_metrics;
use lambda_support::telemetry::MetricLine;
use serde_json::json;

use crate::handler::Found;

/// The name under which the function's metrics are found.
pub const SERVICE: &str = deployment::functions::USAGE_RECONCILER;

define_metrics! {
    /// Every metric of this function.
    pub enum ReconcilerMetric {
        /// Successful calls with a key in the access log, in the last hours.
        LoggedCalls: Count,
        /// The calls of the same hours in the ledger.
        CountedCalls: Count,
        /// Calls that the ledger lacks, in every hour that is not mended.
        MissingCalls: Count,
        /// Calls that the ledger has beyond the access log, likewise.
        SurplusCalls: Count,
        /// Both together: 0 is what it has to be.
        LedgerDrift: Count,
        /// Hours whose difference is not mended.
        OpenHours: Count,
        /// Bytes of the access log that Insights has scanned.
        ScannedBytes: Bytes,
    }
}

/// Writes the differences to the log, and the metrics.
pub fn tell(found: &Found, scanned_bytes: u64, environment: &str, now_ms: i64) {
    for difference in &found.differences {
        tracing::error!(
            api_key_id = difference.api_key_id,
            hour_start_ms = difference.hour_start_ms,
            logged = difference.logged,
            counted = difference.counted,
            "the ledger has drifted from the access log; see the runbook drift-and-backfill"
        );
    }
    if found.postponed_hours > 0 {
        tracing::warn!(hours = found.postponed_hours, "the next run compares these hours key by key");
    }
    let mut line = MetricLine::new(SERVICE, environment, now_ms);
    line.value(ReconcilerMetric::LoggedCalls, found.logged)
        .value(ReconcilerMetric::CountedCalls, found.counted)
        .value(ReconcilerMetric::MissingCalls, found.missing)
        .value(ReconcilerMetric::SurplusCalls, found.surplus)
        .value(ReconcilerMetric::LedgerDrift, found.missing + found.surplus)
        .value(ReconcilerMetric::OpenHours, found.open_hours)
        .value(ReconcilerMetric::ScannedBytes, scanned_bytes)
        .property("postponedHours", json!(found.postponed_hours));
    line.emit();
}
