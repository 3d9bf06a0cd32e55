//! Shared code of the Lambda functions: configuration, metrics, clock and error texts.

pub mod causes;
pub mod clock;
pub mod config;
pub mod invalidation_message;
pub mod telemetry;
