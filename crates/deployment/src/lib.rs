//! The deployed system: names of an environment's resources, limits and
//! environment variables of its functions, and default settings.
//!
//! Each of these facts is declared once, here. The CDK stack reads them from
//! generated files in `stack/lib/generated`. The commands, the local stack, the
//! load test and the cost model use this crate.

pub mod environment;
pub mod functions;
pub mod names;
pub mod settings;

pub use functions::{FUNCTIONS, FunctionLimits};
pub use names::Names;
