//! The Lambda function that turns stream records into usage.
//!
//! [`batch`] decodes and adds up, without waiting for anything; [`executor`]
//! claims, quarantines and writes; [`handler`] puts the two between a Kinesis
//! event and its answer; [`metrics`] tells what happened.

pub mod batch;
pub mod config;
pub mod executor;
pub mod handler;
pub mod metrics;
