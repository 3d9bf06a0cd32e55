//! AWS Lambda: the Runtime API, execution environments that are processes of the real binary, and
//! the event source mapping.

mod environment;
pub mod event;
pub mod event_source_mapping;
mod function;
pub mod function_url;
pub mod invocation_record;
mod mapping_supervisor;
mod memory_limit;
mod output;
pub mod payload;
mod runtime_api;
mod shard_reader;
mod spec;
mod versions;

pub use environment::InvocationError;
pub use function::{Function, Invoked};
pub use mapping_supervisor::EventSourceMapping;
pub use shard_reader::MAX_BATCH_BYTES;
pub use spec::FunctionSpec;
pub use versions::Versions;
