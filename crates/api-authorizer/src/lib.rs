//! The Lambda function that admits API keys.
//!
//! Read it downhill: [`handler`] is the shell of Lambda, [`event`] parses what API
//! Gateway or SNS sends, [`authorizer`] performs the reads that
//! [`metering_core::decision_cache`] asks for, and [`response`] writes the answer.
//! [`metrics`] declares what the function reports.

pub mod after_answer;
pub mod authorizer;
pub mod config;
pub mod event;
pub mod handler;
mod key_headers;
pub mod metrics;
pub mod response;
pub mod single_flight;
