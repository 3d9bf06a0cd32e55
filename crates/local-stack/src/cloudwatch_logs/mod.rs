//! Amazon CloudWatch Logs: log groups, filters, subscriptions and queries.

pub mod filter_pattern;
pub mod insights;
pub mod log_group;
mod operator;
pub mod service;
pub mod subscription;
