//! What every Lambda function of the meter needs around its handler.

pub mod causes;
pub mod clock;
pub mod config;
pub mod invalidation_message;
pub mod telemetry;
