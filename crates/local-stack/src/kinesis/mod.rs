//! A Kinesis data stream service on SQLite.
//!
//! It is held to `tests/kinesis_conformance.rs`, which speaks to it over HTTP
//! with the AWS SDK only. What it acknowledged is on disk: stopping it in any
//! way, SIGKILL included, loses no record. It enforces the limits of one
//! request, not the throughput limits of a shard.

mod api;
mod error;
mod iterator;
mod reshard;
mod retention;
mod sequence;
mod shard;
mod store;

pub use api::handle;
pub use error::KinesisError;
pub use retention::RetentionChange;
pub use store::KinesisStore;
