//! Lambda on one machine: the Runtime API, execution environments that are
//! processes of the real binary, and the event source mapping.

mod environment;
pub mod event;
pub mod event_source_mapping;
mod function;
mod runtime_api;
mod shard_reader;

pub use environment::InvocationError;
pub use function::{Function, FunctionSpec};
