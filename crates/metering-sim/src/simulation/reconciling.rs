//! The shipped reconciler over the simulated access log and ledger.

use futures_util::FutureExt;
use memory_ports::Store;
use memory_ports::reconciliation::{MemoryComparedHours, hourly_totals};
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{AccessLogCounts, LedgerCounts, PortError};
use metering_core::reconciliation::{HourlyCalls, HourlyTotals};
use metering_core::row_key::RowKey;
use usage_reconciler::reconciler::{Found, Reconciler, Span};

use super::Simulation;
use crate::api_log::{ApiLog, DAY_MS, HOUR_MS};
use crate::faults::Fault;
use crate::ports::lock;

/// Age of the oldest hour that is compared, in milliseconds.
const COMPARED_MS: i64 = 40 * DAY_MS;

struct LogPort<'s>(&'s ApiLog);
struct LedgerPort<'s>(&'s Store);

impl LogPort<'_> {
    fn calls(&self, from_ms: i64, to_ms: i64) -> HourlyCalls {
        let mut calls = HourlyCalls::new();
        let is_in_span = |at_ms: i64| (from_ms..to_ms).contains(&at_ms);
        for call in self.0.calls.iter().filter(|call| call.is_billable && is_in_span(call.requested_at_ms)) {
            let start_ms = call.requested_at_ms - call.requested_at_ms.rem_euclid(HOUR_MS);
            let customer_id = call.customer_id.map(Into::into);
            let key = MeteredKey { customer_id, api_key_id: call.api_key_id.as_str().into() };
            *calls.entry((key, start_ms)).or_default() += 1;
        }
        calls
    }
}

impl AccessLogCounts for LogPort<'_> {
    fn scanned_bytes(&self) -> u64 {
        0
    }

    async fn calls_by_hour(&self, from_ms: i64, to_ms: i64) -> Result<HourlyTotals, PortError> {
        Ok(hourly_totals(&self.calls(from_ms, to_ms)))
    }

    async fn calls_per_key(&self, from_ms: i64, to_ms: i64) -> Result<HourlyCalls, PortError> {
        Ok(self.calls(from_ms, to_ms))
    }
}

impl LedgerPort<'_> {
    fn calls(&self, is_wanted: impl Fn(&RowKey) -> bool, from_ms: i64, to_ms: i64) -> HourlyCalls {
        let mut calls = HourlyCalls::new();
        for (row, counters) in self.0.rows.iter().filter(|(row, _)| is_wanted(row)) {
            for (start_ms, count) in (row.day().start_ms()..).step_by(3_600_000).zip(counters.hours) {
                if count > 0 && (from_ms..to_ms).contains(&start_ms) {
                    *calls.entry((row.key().clone(), start_ms)).or_default() += count;
                }
            }
        }
        calls
    }
}

impl LedgerCounts for LedgerPort<'_> {
    async fn totals_by_hour(&self, from_ms: i64, to_ms: i64) -> Result<HourlyTotals, PortError> {
        Ok(hourly_totals(&self.calls(|row| row.key().is_totals(), from_ms, to_ms)))
    }

    async fn calls_for_keys_of(
        &self,
        count: &HourlyCalls,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<HourlyCalls, PortError> {
        let is_wanted = |row: &RowKey| count.keys().any(|(key, _)| key == row.key());
        Ok(self.calls(is_wanted, from_ms, to_ms))
    }
}

impl Simulation<'_> {
    /// Runs the reconciler. It may never report a surplus.
    pub(super) fn reconcile(&mut self) -> Result<(), String> {
        self.counts.add(Fault::Reconciled);
        let Found { missing, surplus, .. } = self.compare_hours()?;
        self.trace(|| format!("the reconciler reports {missing} missing calls and a surplus of {surplus}"));
        if surplus > 0 && self.has_exact_totals() {
            return Err(format!("the reconciler reports a surplus of {surplus} calls"));
        }
        Ok(())
    }

    /// Runs a new reconciler after all work is done. It has to report each call that
    /// the ledger lacks. One that has compared an hour before does not count its lines
    /// again, and the simulated API also logs lines for hours that are long settled.
    pub(super) fn reconcile_at_rest(&mut self) -> Result<(), String> {
        self.compared = MemoryComparedHours::default();
        let Found { missing, surplus, .. } = self.compare_hours()?;
        let from_ms = self.compared_from_ms();
        let lacking = self.auditor.lacking(&lock(&self.backend).store, from_ms);
        if (missing, surplus) != (lacking, 0) && self.has_exact_totals() {
            return Err(format!(
                "the reconciler reports {missing} missing calls and a surplus of {surplus}; the ledger lacks {lacking}"
            ));
        }
        Ok(())
    }

    /// Returns `true` if no batch was given up between its writes, so that the totals
    /// of the ledger, which the reconciler compares first, are exact.
    fn has_exact_totals(&self) -> bool {
        self.counts.count(Fault::GivenUp) == 0
    }

    fn compared_from_ms(&self) -> i64 {
        let oldest_ms = self.now_ms - COMPARED_MS;
        oldest_ms - oldest_ms.rem_euclid(HOUR_MS)
    }

    fn compare_hours(&self) -> Result<Found, String> {
        let from_ms = self.compared_from_ms();
        // Request times may be ahead of the stream's clock.
        let to_ms = self.now_ms - self.now_ms.rem_euclid(HOUR_MS) + 3 * HOUR_MS;
        let backend = lock(&self.backend);
        let (log, ledger) = (LogPort(&self.log), LedgerPort(&backend.store));
        let reconciler = Reconciler { log, ledger, compared: &self.compared };
        let span = Span { from_ms, to_ms, since_ms: from_ms };
        let found = reconciler.run(span, || true).now_or_never();
        found.ok_or("the reconciler waits")?.map_err(|error| error.to_string())
    }
}
