//! The rules of the usage meter, as pure functions and values.
//!
//! Nothing in this crate reads a clock, the environment or the network. Time is an argument, and
//! storage is a trait in [`ports`]. All decisions can therefore be checked by property tests and
//! replayed from recorded input.
//!
//! Counting a batch:
//! - [`usage_record`] is a call as the access log has it, and [`assessment`] decides if it is
//!   billable, with the routes of [`unbilled`]. A [`route_class`] names a group of calls, by dated
//!   [`class_lists`].
//! - [`window`] gives the day and the hour that a call is counted in.
//! - [`aggregate`] adds up the calls of a batch by ledger row and record. A [`metered_key`] has the
//!   breakdown of usage into rows, and [`row_key`] names a row.
//! - [`claims`] gives each call one owner, by its [`call_id`], so that duplicates count once.
//! - [`shard`] orders the decisions about the records of a shard.
//! - [`update_plan`] turns rows into conditional updates, and [`fence`] decides what to do if a row
//!   already counts a part of an update.
//! - [`batch_outcome`] gives the record from which the event source mapping resumes.
//! - [`batch_run`] runs these steps as one state machine.
//!
//! Admitting a call:
//! - [`api_key`] has the stored data of a key, [`customer`] that of its customer, and [`authorization`] and [`quota`] decide if it
//!   admits a call.
//! - [`decision_cache`] caches keys, and returns the reads that a decision needs.
//! - [`invalidation`] has the rules of the invalidation log, by the ages of [`clock_reading`].
//!
//! Reading usage: a [`holder`] is a customer or a key, which may read its own.
//!
//! Verifying the counts: [`reconciliation`] compares the ledger with an independent count, and a
//! [`fingerprint`] compares the calls of two equal counts.

#![warn(missing_docs)]

pub mod aggregate;
pub mod api_key;
pub mod assessment;
pub mod authorization;
pub mod batch_outcome;
pub mod batch_run;
pub mod billing_rules;
pub mod call_id;
pub mod claims;
pub mod class_lists;
pub mod clock_reading;
pub mod customer;
pub mod decision_cache;
pub mod fence;
pub mod fingerprint;
pub mod holder;
pub mod invalidation;
pub mod metered_key;
pub mod ports;
pub mod quota;
pub mod reconciliation;
pub mod route_class;
pub mod route_pattern;
pub mod row_key;
pub mod sequence_number;
pub mod shard;
pub mod status_ranges;
pub mod stream_progress;
pub mod unbilled;
pub mod update_plan;
pub mod usage_history;
pub mod usage_record;
pub mod window;
