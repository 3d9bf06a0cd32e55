//! The Lambda shell of the reconciler: one run for each scheduled event.

use metering_core::ports::{AccessLogCounts, ComparedHours, LedgerCounts, PortError};
use metering_core::window::{HOUR_MS, hour_start_ms};
use serde_json::{Value, json};

use crate::config::Config;
use crate::metrics;
use crate::reconciler::{Found, Reconciler, Span};

/// Upper bound of a comparison key by key, in milliseconds. None is begun with
/// less time left before the time-out of the function.
const COMPARISON_MS: i64 = 300_000;

#[derive(Debug)]
pub struct Handler<A, L, C> {
    /// Compares hours.
    pub reconciler: Reconciler<A, L, C>,
    /// Settings of the function.
    pub config: Config,
}

impl<A: AccessLogCounts, L: LedgerCounts, C: ComparedHours> Handler<A, L, C> {
    /// Compares the hours that are due, logs the differences and emits the metrics.
    /// `deadline_ms` is the time-out of the invocation, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the access log, the ledger or the compared hours cannot be read or
    /// written. The next run compares the same hours again.
    pub async fn handle(&self, deadline_ms: i64, now_ms: impl Fn() -> i64) -> Result<Value, PortError> {
        let Self { reconciler, config } = self;
        let started_ms = now_ms();
        // The log of the hour of the deployment may have calls from before the meter subscribed to it.
        let next_hour_ms = hour_start_ms(started_ms) + HOUR_MS;
        let first_run = reconciler.compared.start_run(&config.access_log_groups, &config.rules, next_hour_ms);
        let since_ms = first_run.await?;
        let (from_ms, to_ms) = config.compared_hours(started_ms);
        let scanned_before = reconciler.log.scanned_bytes();
        let has_time = || now_ms() + COMPARISON_MS < deadline_ms;
        let found = reconciler.run(Span { from_ms, to_ms, since_ms }, has_time).await?;
        let scanned_bytes = reconciler.log.scanned_bytes() - scanned_before;
        log_differences(&found);
        metrics::line(&found, scanned_bytes, &config.environment_name, now_ms()).emit();
        Ok(json!({"logged": found.logged, "counted": found.counted,
            "missing": found.missing, "surplus": found.surplus, "open_hours": found.open_hours}))
    }
}

fn log_differences(found: &Found) {
    for difference in &found.differences {
        tracing::error!(
            api_key_id = &*difference.key.api_key_id,
            customer_id = difference.key.customer_id.as_deref(),
            hour_start_ms = difference.hour_start_ms,
            logged = difference.logged,
            counted = difference.counted,
            "the ledger has drifted from the access log; see the runbook drift-and-backfill"
        );
    }
    if found.postponed_hours > 0 {
        tracing::warn!(hours = found.postponed_hours, "the next run compares these hours key by key");
    }
}
