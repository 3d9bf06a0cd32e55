//! The Lambda function that holds the ledger against the access log, hour by
//! hour, and says where they drift apart.
//!
//! The access log is counted once for each hour, as a total. The ledger's total
//! of an hour is read again as long as it may change. Only where totals differ is
//! an hour compared key by key, and one hour of each day as a sample. An hour
//! that differs is looked at in every run until it is mended.

pub mod config;
pub mod handler;
pub mod metrics;
