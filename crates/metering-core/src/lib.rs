//! The rules of the usage meter, as pure functions and values.
//!
//! Nothing in this crate reads a clock, the environment or the network: time
//! arrives as an argument, storage as a [`ports`] trait. What it decides can
//! therefore be checked by property tests and replayed from any recorded input.
//!
//! The path of one batch: [`usage_record`] says which calls are billable,
//! [`window`] says when they happened, [`aggregate`] adds them up per ledger
//! row, [`update_plan`] turns rows into conditional updates, [`fence`] decides
//! what to do when the ledger has already seen part of them, and
//! [`batch_outcome`] tells the event source mapping where to resume.
//!
//! The path of one call: [`api_key`] is what is known of a key, [`authorization`]
//! and [`quota`] say whether it admits a call, [`decision_cache`] what has to be
//! read before that can be said, and [`invalidation`] what the log of changes
//! takes away from what is remembered.
//!
//! Whether all that was worth it: [`reconciliation`] compares the ledger with a
//! count that was made without it.

#![warn(missing_docs)]

pub mod aggregate;
pub mod api_key;
pub mod authorization;
pub mod batch_outcome;
pub mod batch_run;
pub mod call_id;
pub mod claims;
pub mod clock_reading;
pub mod decision_cache;
pub mod fence;
pub mod invalidation;
pub mod ports;
pub mod quota;
pub mod reconciliation;
pub mod sequence_number;
pub mod shard;
pub mod unbilled;
pub mod update_plan;
pub mod usage_history;
pub mod usage_record;
pub mod window;
