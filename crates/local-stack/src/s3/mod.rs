//! Amazon S3, as far as it is needed for the on-failure destination of Lambda: list, get and
//! delete.
//!
//! Requests have the bucket in their path. Every other feature of S3 is refused
//! (`tests/faults/given_up.rs`).

mod api;
mod listing;
mod store;

pub use api::handle;
pub use store::{S3Error, S3Store};
