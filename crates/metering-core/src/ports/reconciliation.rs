//! The ports through which the ledger is compared with the access log.

use std::collections::BTreeMap;
use std::future::Future;

use super::PortError;
use crate::billing_rules::BillingRules;
use crate::reconciliation::{HourlyCalls, HourlyTotals, ReconciledHour};

/// Counts of the access log, which are independent of the ledger.
pub trait AccessLogCounts: Sync {
    /// Returns the number of bytes that queries have scanned so far. AWS bills by them.
    fn scanned_bytes(&self) -> u64;

    /// Counts the billable calls of all keys in each hour of `from_ms..to_ms`, in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// When the calls cannot be counted.
    fn calls_by_hour(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyTotals, PortError>> + Send;

    /// Counts the billable calls of each key in each hour of `from_ms..to_ms`, in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// When the calls cannot be counted.
    fn calls_per_key(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyCalls, PortError>> + Send;
}

/// Counts of the ledger.
pub trait LedgerCounts: Sync {
    /// Reads the totals of each hour of `from_ms..to_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn totals_by_hour(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyTotals, PortError>> + Send;

    /// Reads the calls of each hour of `from_ms..to_ms`, in milliseconds since 1970, for the keys
    /// that `count` has.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn calls_for_keys_of(
        &self,
        count: &HourlyCalls,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<HourlyCalls, PortError>> + Send;
}

/// The stored results of comparisons.
pub trait ComparedHours: Sync {
    /// Reads the results for the hours that begin in `from_ms..to_ms`, by their start. Times are in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// When the results cannot be read.
    fn hours(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Future<Output = Result<BTreeMap<i64, ReconciledHour>, PortError>> + Send;

    /// Stores the log groups and the billing rules of a run, for `meter reconcile`. Returns the
    /// start of the first hour that any run compared, in milliseconds since 1970. It is `first_ms`
    /// for the first run.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn start_run(
        &self,
        log_groups: &[String],
        rules: &BillingRules,
        first_ms: i64,
    ) -> impl Future<Output = Result<i64, PortError>> + Send;

    /// Writes the result for the hour that begins at `start_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// When it is unknown if the result was written.
    fn write_hour(
        &self,
        start_ms: i64,
        hour: &ReconciledHour,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
