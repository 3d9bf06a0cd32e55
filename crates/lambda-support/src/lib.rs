//! Shared code of the Lambda functions: configuration, metrics and error texts.

pub mod causes;
pub mod config;
pub mod telemetry;
