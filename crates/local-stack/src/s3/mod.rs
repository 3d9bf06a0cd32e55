//! The part of S3 that holds what Lambda gives up: list, get and delete.
//!
//! Requests have the bucket in their path, and everything else that S3 offers
//! is refused (`tests/faults/given_up.rs`).

mod api;
mod listing;
mod store;

pub use api::handle;
pub use store::{S3Error, S3Store};
