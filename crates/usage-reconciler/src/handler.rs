//! One comparison, and what it tells.

use lambda_support::metrics;
use lambda_support::telemetry::MetricLine;
use metering_aws::CallLog;
use metering_aws::usage_report::hourly_calls_beside;
use metering_core::ports::PortError;
use metering_core::reconciliation::Reconciliation;
use metering_core::window::HOUR_MS;
use serde_json::json;

use crate::config::Config;

/// The name under which the function's metrics are found.
pub const SERVICE: &str = "usage-reconciler";

/// How many differences one run writes to its log.
const TOLD_DIFFERENCES: usize = 20;

metrics! {
    /// Every metric of this function.
    pub enum ReconcilerMetric {
        /// Successful calls with a key in the access log.
        LoggedCalls: Count,
        /// The calls of the same keys and hours in the ledger.
        CountedCalls: Count,
        /// Calls that the ledger lacks, key by key.
        MissingCalls: Count,
        /// Calls that the ledger has beyond the access log, key by key.
        SurplusCalls: Count,
        /// Both together: 0 is what it has to be.
        LedgerDrift: Count,
    }
}

/// The whole hours to compare: `hours` of them, the last over for `settle_minutes`.
pub fn compared_hours(config: &Config, now_ms: i64) -> (i64, i64) {
    let to_ms = (now_ms - config.settle_minutes * 60_000).div_euclid(HOUR_MS) * HOUR_MS;
    (to_ms - config.hours * HOUR_MS, to_ms)
}

/// Compares, and emits the metrics.
///
/// # Errors
/// When the log or the ledger cannot be read; Lambda tries again.
pub async fn handle(
    config: &Config,
    log: &CallLog,
    ledger: &aws_sdk_dynamodb::Client,
    now_ms: i64,
) -> Result<Reconciliation, PortError> {
    let (from_ms, to_ms) = compared_hours(config, now_ms);
    let logged = log.calls_per_key(from_ms, to_ms).await?;
    let counted = hourly_calls_beside(ledger, &config.usage_table, &logged, from_ms, to_ms).await?;
    let found = Reconciliation::of(&logged, &counted);
    tell(config, &found, now_ms);
    Ok(found)
}

fn tell(config: &Config, found: &Reconciliation, now_ms: i64) {
    for difference in found.differences.iter().take(TOLD_DIFFERENCES) {
        tracing::error!(
            api_key_id = difference.api_key_id,
            hour_start_ms = difference.hour_start_ms,
            logged = difference.logged,
            counted = difference.counted,
            "the ledger has drifted from the access log; see the runbook drift-and-backfill"
        );
    }
    let mut line = MetricLine::new(SERVICE, &config.environment_name, now_ms);
    line.value(ReconcilerMetric::LoggedCalls, found.logged)
        .value(ReconcilerMetric::CountedCalls, found.counted)
        .value(ReconcilerMetric::MissingCalls, found.missing())
        .value(ReconcilerMetric::SurplusCalls, found.surplus())
        .value(ReconcilerMetric::LedgerDrift, found.missing() + found.surplus())
        .property("differences", json!(found.differences.len()));
    line.emit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_support::config::Environment;

    #[test]
    fn only_whole_hours_that_have_settled_are_compared() {
        let needed = [("USAGE_TABLE", "usage"), ("ACCESS_LOG_GROUP", "calls")];
        let config = Config::read(&Environment::of(&needed)).unwrap();
        let minute = |minutes: i64| minutes * 60_000;
        assert_eq!(compared_hours(&config, minute(10 * 60 + 14)), (6 * HOUR_MS, 9 * HOUR_MS));
        assert_eq!(compared_hours(&config, minute(10 * 60 + 15)), (7 * HOUR_MS, 10 * HOUR_MS));
    }
}
