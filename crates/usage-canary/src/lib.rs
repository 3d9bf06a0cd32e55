//! The Lambda function that calls the metered API on a schedule, with a key of
//! its own, and measures how long the ledger takes to show the call.
//!
//! It watches the whole path from outside: its metrics are there also when
//! nothing else calls, and say so when something on the path stands still.
//!
//! [`client`] makes requests, [`secret`] reads the key's secret, [`awaited`]
//! tells the call from others, [`handler`] makes one measurement.

pub mod awaited;
pub mod client;
pub mod config;
pub mod handler;
pub mod secret;
