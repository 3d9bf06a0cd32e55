//! The Lambda function that calls the metered API on a schedule with its own key,
//! and measures the time until the ledger shows the call.
//!
//! It observes the whole path from outside. Its metrics exist without other
//! traffic, so they also reveal a part of the path that has stopped.
//!
//! [`client`] makes requests, [`secret`] reads the key's secret, [`awaited`]
//! distinguishes the call from others, [`handler`] makes a measurement.

pub mod awaited;
pub mod client;
pub mod config;
pub mod handler;
pub mod secret;
