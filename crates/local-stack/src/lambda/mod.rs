//! Lambda on one machine: the Runtime API, execution environments that are
//! processes of the real binary, and the event source mapping.

mod environment;
pub mod event;
pub mod event_source_mapping;
mod function;
pub mod invocation_record;
mod memory_limit;
mod runtime_api;
mod shard_reader;
mod versions;

pub use environment::InvocationError;
pub use function::{Function, FunctionSpec, Invoked};
pub use versions::Versions;
