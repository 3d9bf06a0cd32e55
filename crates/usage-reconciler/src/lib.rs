//! The Lambda function that compares the ledger with the access log, hour by
//! hour, and reports differences.
//!
//! The access log is counted once for each hour, as a total. The ledger's total
//! of an hour is read again as long as it may change. An hour is compared key by
//! key only where the totals differ, and one hour of each day as a sample. An hour
//! that differs is compared in every run until the difference is repaired.

pub mod config;
pub mod handler;
pub mod metrics;
pub mod reconciler;
