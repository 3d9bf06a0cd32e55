//! The shipped reconciler over the simulated access log and ledger.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use memory_ports::Store;
use memory_ports::reconciliation::{MemoryComparedHours, hourly_totals};
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{AccessLogCounts, LedgerCounts, PortError};
use metering_core::reconciliation::{HourlyCalls, HourlyTotals};
use metering_core::row_key::RowKey;
use rand::Rng;
use usage_reconciler::reconciler::{Found, Reconciler, Span};

use super::Simulation;
use crate::api_log::{ApiLog, DAY_MS, HOUR_MS};
use crate::faults::Fault;
use crate::ports::lock;

/// Age of the oldest hour that is compared, in milliseconds.
const COMPARED_MS: i64 = 40 * DAY_MS;

/// Maximum number of reads of a run before one fails.
const MAX_READS_BEFORE_FAILURE: u32 = 6;

/// The reads of a run, of which one may fail.
#[derive(Debug)]
struct Reads {
    done: AtomicU32,
    /// Number of reads before the one that fails.
    before_failure: Option<u32>,
}

impl Reads {
    fn next(&self) -> Result<(), PortError> {
        if Some(self.done.fetch_add(1, Ordering::Relaxed)) == self.before_failure {
            let source = "a simulated outage".into();
            return Err(PortError::Retryable { operation: "a read".to_owned(), source });
        }
        Ok(())
    }
}

struct LogPort<'s>(&'s ApiLog, &'s Reads);
struct LedgerPort<'s>(&'s Store, &'s Reads);

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
        self.1.next()?;
        Ok(hourly_totals(&self.calls(from_ms, to_ms)))
    }

    async fn calls_per_key(&self, from_ms: i64, to_ms: i64) -> Result<HourlyCalls, PortError> {
        self.1.next()?;
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
        self.1.next()?;
        Ok(hourly_totals(&self.calls(|row| row.key().is_totals(), from_ms, to_ms)))
    }

    async fn calls_for_keys_of(
        &self,
        count: &HourlyCalls,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<HourlyCalls, PortError> {
        self.1.next()?;
        let is_wanted = |row: &RowKey| count.keys().any(|(key, _)| key == row.key());
        Ok(self.calls(is_wanted, from_ms, to_ms))
    }
}

impl Simulation<'_> {
    /// Runs the reconciler. It may never report a surplus.
    pub(super) fn reconcile(&mut self) -> Result<(), String> {
        self.counts.add(Fault::Reconciled);
        let fails = self.settings.faults.contains(Fault::FailedComparison) && self.random.random_bool(0.3);
        let before_failure = fails.then(|| self.random.random_range(0..MAX_READS_BEFORE_FAILURE));
        let Some(Found { missing, surplus, .. }) = self.compare_hours(before_failure)? else {
            self.counts.add(Fault::FailedComparison);
            return Ok(());
        };
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
        let Found { missing, surplus, .. } = self.compare_hours(None)?.unwrap_or_default();
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

    /// Runs the reconciler. Returns `None` if the read after `before_failure` others failed.
    fn compare_hours(&self, before_failure: Option<u32>) -> Result<Option<Found>, String> {
        let from_ms = self.compared_from_ms();
        // Request times may be ahead of the stream's clock.
        let to_ms = self.now_ms - self.now_ms.rem_euclid(HOUR_MS) + 3 * HOUR_MS;
        let reads = Reads { done: AtomicU32::new(0), before_failure };
        let backend = lock(&self.backend);
        let (log, ledger) = (LogPort(&self.log, &reads), LedgerPort(&backend.store, &reads));
        let reconciler = Reconciler { log, ledger, compared: &self.compared };
        let span = Span { from_ms, to_ms, since_ms: from_ms };
        let found = reconciler.run(span, || true).now_or_never();
        match found.ok_or("the reconciler waits")? {
            Err(_) if before_failure.is_some() => Ok(None),
            found => found.map(Some).map_err(|error| error.to_string()),
        }
    }
}
