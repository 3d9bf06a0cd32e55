//! Amazon Kinesis Data Streams on SQLite.
//!
//! `tests/kinesis_conformance.rs` checks the service over HTTP with the AWS SDK. Acknowledged
//! records are on disk: stopping the process in any way, including SIGKILL, loses none. The service
//! enforces the limits of a request, of a shard's throughput and of an account. Callers pass the
//! current time.

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
