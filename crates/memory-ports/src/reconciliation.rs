//! The reconciler's stored results in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use metering_core::billing_rules::BillingRules;
use metering_core::ports::{ComparedHours, PortError};
use metering_core::reconciliation::{HourlyCalls, HourlyTotals, ReconciledHour};

/// The results of comparisons, by the start of the hour.
#[derive(Debug, Default)]
pub struct MemoryComparedHours(Mutex<BTreeMap<i64, ReconciledHour>>);

impl MemoryComparedHours {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, ReconciledHour>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ComparedHours for &MemoryComparedHours {
    async fn hours(&self, from_ms: i64, to_ms: i64) -> Result<BTreeMap<i64, ReconciledHour>, PortError> {
        Ok(self.lock().range(from_ms..to_ms).map(|(start_ms, hour)| (*start_ms, hour.clone())).collect())
    }

    async fn start_run(&self, _: &[String], _: &BillingRules, first_ms: i64) -> Result<i64, PortError> {
        Ok(first_ms)
    }

    async fn write_hour(&self, start_ms: i64, hour: &ReconciledHour) -> Result<(), PortError> {
        self.lock().insert(start_ms, hour.clone());
        Ok(())
    }
}

/// Adds up the calls of all keys in each hour.
pub fn hourly_totals(calls: &HourlyCalls) -> HourlyTotals {
    let mut totals = HourlyTotals::new();
    for ((_, start_ms), calls) in calls {
        *totals.entry(*start_ms).or_default() += calls;
    }
    totals
}
