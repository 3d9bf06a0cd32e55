//! What is deployed: the names of an environment's resources, the limits of
//! its functions and its default settings.
//!
//! Each of these facts stands here once. The CDK stack reads them from files in
//! `stack/lib` that are generated from this crate; the commands, the local
//! stack, the load test and the cost model use the crate itself.

pub mod functions;
pub mod names;
pub mod settings;

pub use functions::{FUNCTIONS, FunctionLimits};
pub use names::Names;
