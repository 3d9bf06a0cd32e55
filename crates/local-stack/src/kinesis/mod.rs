//! A Kinesis data stream service on SQLite.
//!
//! It is held to `tests/kinesis_conformance.rs`, which speaks to it over HTTP
//! with the AWS SDK only. What it acknowledged is on disk: stopping it in any
//! way, SIGKILL included, loses no record. It enforces the limits of a
//! request, of a shard's throughput and of an account, by the clock of its callers.

mod api;
mod error;
mod iterator;
mod reshard;
mod retention;
mod sequence;
mod shard;
mod store;
mod stream;
mod stream_mode;
mod stream_row;
mod throughput;

pub use api::handle;
pub use error::KinesisError;
pub use iterator::stream_of_iterator;
pub use retention::RetentionChange;
pub use store::KinesisStore;
pub use stream_mode::StreamMode;
