//! Compares the ledger with the access log, hour by hour.

use std::collections::BTreeMap;

use metering_core::ports::{AccessLogCounts, ComparedHours, LedgerCounts, PortError};
use metering_core::reconciliation::{
    Difference, HourlyTotals, NextComparison, ReconciledHour, Reconciliation, is_sample,
};
use metering_core::window::{DAY_MS, HOUR_MS};

/// How many differences one run writes to its log.
const TOLD_DIFFERENCES: usize = 20;
/// How far back an hour is looked at whose difference is not mended, in
/// milliseconds: as long as its calls could still be put back.
const LOOK_BACK_MS: i64 = 42 * DAY_MS;

/// The reconciler, apart from Lambda.
#[derive(Debug)]
pub struct Reconciler<A, L, C> {
    /// Counts the access log.
    pub log: A,
    /// Counts the ledger.
    pub ledger: L,
    /// Remembers the hours that were compared.
    pub compared: C,
}

/// The hours that one run looks at, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first hour that is compared whatever is known of it.
    pub from_ms: i64,
    /// The end of the last hour that has settled.
    pub to_ms: i64,
    /// The first hour that is compared at all.
    pub since_ms: i64,
}

/// What one run has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Calls in the access log, in the hours that every run compares.
    pub logged: u64,
    /// The calls of the same hours in the ledger.
    pub counted: u64,
    /// Calls that the ledger lacks, in all hours that are not mended.
    pub missing: u64,
    /// Calls that the ledger has beyond the access log, likewise.
    pub surplus: u64,
    /// Hours that are not mended.
    pub open_hours: u64,
    /// Hours that this run had no time left to compare key by key.
    pub postponed_hours: u64,
    /// Some of the differences that this run has found key by key.
    pub differences: Vec<Difference>,
}

impl<A: AccessLogCounts, L: LedgerCounts, C: ComparedHours> Reconciler<A, L, C> {
    /// Compares the hours of `span`, and those before it whose differences are
    /// not mended. `has_time` is asked before each comparison key by key, which
    /// takes minutes where there are many keys.
    ///
    /// # Errors
    /// When the log, the ledger or the memory cannot be read or written.
    pub async fn run(&self, span: Span, has_time: impl Fn() -> bool) -> Result<Found, PortError> {
        let Span { from_ms, to_ms, since_ms } = span;
        let from_ms = from_ms.max(since_ms);
        let mut found = Found::default();
        if from_ms >= to_ms {
            return Ok(found);
        }
        let earliest_ms = since_ms.max(to_ms - LOOK_BACK_MS);
        let mut hours = self.compared.hours(earliest_ms, to_ms).await?;
        hours.retain(|start_ms, hour| *start_ms >= from_ms || hour.open.is_some());
        self.count_new_hours(&mut hours, from_ms, to_ms).await?;
        let first_ms = hours.keys().next().copied().unwrap_or(from_ms);
        let totals = self.ledger.totals_by_hour(first_ms, to_ms).await?;
        for (start_ms, mut hour) in hours {
            let counted = totals.get(&start_ms).copied().unwrap_or(0);
            if start_ms >= from_ms {
                found.counted += counted;
            }
            self.compare(start_ms, &mut hour, counted, &has_time, &mut found).await?;
            if start_ms >= from_ms {
                found.logged += hour.logged;
            }
            let (missing, surplus) = hour.missing_and_surplus(counted);
            found.missing += missing;
            found.surplus += surplus;
            found.open_hours += u64::from(missing + surplus > 0);
        }
        Ok(found)
    }

    /// Counts the access log of the hours that were never compared, at once.
    async fn count_new_hours(
        &self,
        hours: &mut BTreeMap<i64, ReconciledHour>,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<(), PortError> {
        let starts = (from_ms..to_ms).step_by(usize::try_from(HOUR_MS).unwrap_or(1));
        let new: Vec<i64> = starts.filter(|start_ms| !hours.contains_key(start_ms)).collect();
        let (Some(first_ms), Some(last_ms)) = (new.first(), new.last()) else { return Ok(()) };
        let logged: HourlyTotals = self.log.calls_by_hour(*first_ms, last_ms + HOUR_MS).await?;
        for start_ms in new {
            let hour = ReconciledHour::new(logged.get(&start_ms).copied().unwrap_or(0));
            self.compared.write_hour(start_ms, &hour).await?;
            hours.insert(start_ms, hour);
        }
        Ok(())
    }

    async fn compare(
        &self,
        start_ms: i64,
        hour: &mut ReconciledHour,
        counted: u64,
        has_time: &impl Fn() -> bool,
        found: &mut Found,
    ) -> Result<(), PortError> {
        let end_ms = start_ms + HOUR_MS;
        let before = hour.clone();
        let mut next = hour.next_comparison(counted, false, is_sample(start_ms));
        if next == NextComparison::CountLogAgain {
            let logged = self.log.calls_by_hour(start_ms, end_ms).await?;
            hour.logged = logged.get(&start_ms).copied().unwrap_or(0);
            next = hour.next_comparison(counted, true, is_sample(start_ms));
        }
        if next == NextComparison::CompareKeys {
            if has_time() {
                let by_key = self.by_key(start_ms, end_ms).await?;
                hour.record_key_comparison(counted, &by_key);
                let room = TOLD_DIFFERENCES.saturating_sub(found.differences.len());
                found.differences.extend(by_key.differences.into_iter().take(room));
            } else {
                hour.postpone(counted);
                found.postponed_hours += 1;
            }
        }
        if *hour != before {
            self.compared.write_hour(start_ms, hour).await?;
        }
        Ok(())
    }

    /// Compares the hours of `from_ms..to_ms` key by key.
    ///
    /// # Errors
    /// When the log or the ledger cannot be read.
    pub async fn by_key(&self, from_ms: i64, to_ms: i64) -> Result<Reconciliation, PortError> {
        let logged = self.log.calls_per_key(from_ms, to_ms).await?;
        let counted = self.ledger.calls_for_keys_of(&logged, from_ms, to_ms).await?;
        Ok(Reconciliation::compare(&logged, &counted))
    }
}
