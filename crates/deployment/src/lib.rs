//! The deployed system: names, dashboard and alarms of an environment, limits and
//! environment variables of its functions, and default settings. For a local
//! stack also its endpoints.
//!
//! Each of these facts is declared once, here. The CDK stack reads them from
//! generated files in `stack/lib/generated`. The commands, the local stack, the
//! load test and the cost model use this crate.

pub mod alarms;
pub mod dashboard;
pub mod endpoints;
pub mod environment;
pub mod functions;
pub mod names;
pub mod settings;

pub use endpoints::Endpoints;
pub use functions::{FUNCTIONS, FunctionLimits};
pub use names::Names;
