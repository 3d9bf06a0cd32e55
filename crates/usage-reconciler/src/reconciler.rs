//! Compares the ledger with the access log, hour by hour.

use std::collections::BTreeMap;

use metering_core::ports::{AccessLogCounts, ComparedHours, LedgerCounts, PortError};
use metering_core::reconciliation::{
    Difference, HourlyTotals, NextComparison, ReconciledHour, Reconciliation, is_sample,
};
use metering_core::window::{DAY_MS, HOUR_MS};

/// Limit of the differences that one run logs.
const MAX_LOGGED_DIFFERENCES: usize = 20;
/// Age up to which an hour with an open difference is compared again, in milliseconds. It exceeds
/// the age up to which calls can be put back by the week for which their claims are kept longer.
const LOOK_BACK_MS: i64 = 42 * DAY_MS;

/// Compares the ledger with the access log.
#[derive(Debug)]
pub struct Reconciler<A, L, C> {
    /// Counts of the access log.
    pub log: A,
    /// Counts of the ledger.
    pub ledger: L,
    /// Results of earlier comparisons.
    pub compared: C,
}

/// The hours of one run, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Start of the first hour that every run compares.
    pub from_ms: i64,
    /// End of the last settled hour.
    pub to_ms: i64,
    /// Start of the first hour that any run compares.
    pub since_ms: i64,
}

/// Result of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Calls in the access log, in the hours from `Span::from_ms` on.
    pub logged: u64,
    /// Calls in the ledger, in the same hours.
    pub counted: u64,
    /// Calls that the ledger lacks, in all hours with an open difference.
    pub missing: u64,
    /// Calls that the ledger has beyond the access log, in all hours with an open difference.
    pub surplus: u64,
    /// Hours with an open difference.
    pub open_hours: u64,
    /// Hours that this run had no time to compare key by key.
    pub postponed_hours: u64,
    /// Differences found key by key, up to the limit that is logged.
    pub differences: Vec<Difference>,
}

impl<A: AccessLogCounts, L: LedgerCounts, C: ComparedHours> Reconciler<A, L, C> {
    /// Compares the hours of `span`, and the earlier hours with an open difference.
    /// `has_time` is called before each comparison key by key, which takes minutes
    /// with many keys.
    ///
    /// # Errors
    /// When a count fails, or the earlier comparisons cannot be read or written.
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

    /// Counts the access log of all hours that were never compared, in one query.
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
                let by_key = self.compare_by_key(start_ms, end_ms).await?;
                hour.record_key_comparison(counted, &by_key);
                let room = MAX_LOGGED_DIFFERENCES.saturating_sub(found.differences.len());
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
    /// When a count fails.
    pub async fn compare_by_key(&self, from_ms: i64, to_ms: i64) -> Result<Reconciliation, PortError> {
        let logged = self.log.calls_per_key(from_ms, to_ms).await?;
        let counted = self.ledger.calls_for_keys_of(&logged, from_ms, to_ms).await?;
        Ok(Reconciliation::compare(&logged, &counted))
    }
}
