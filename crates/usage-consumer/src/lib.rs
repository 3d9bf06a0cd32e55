//! The Lambda function that turns stream records into usage.
//!
//! Read it downhill: [`handler`] is the shell of Lambda, [`consumer`] counts the
//! calls of one event, [`batch`] decodes and judges its records without waiting
//! for anything, and [`executor`] performs the requests of
//! [`metering_core::batch_run`], which decides what is claimed, counted and kept.
//! [`stream_retention`] raises the retention of the stream while the function is
//! far behind. [`metrics`] declares what the function reports.

pub mod batch;
pub mod classes;
pub mod config;
pub mod consumer;
pub mod executor;
pub mod handler;
pub mod metrics;
pub mod stream_retention;
