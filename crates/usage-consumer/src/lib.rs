//! The Lambda function that turns stream records into usage.
//!
//! [`batch`] decodes and judges, without waiting for anything; [`executor`]
//! carries out what [`metering_core::batch_run`] asks for; [`handler`] puts the
//! two between a Kinesis event and its answer; [`stream_retention`] has the
//! stream keep its records while the function is far behind; [`metrics`] tells
//! what happened.

pub mod batch;
pub mod config;
pub mod executor;
pub mod handler;
pub mod metrics;
pub mod stream_retention;
