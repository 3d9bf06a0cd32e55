//! The Lambda function that holds the ledger against the access log, hour by
//! hour, and says where they drift apart.

pub mod config;
pub mod handler;
