//! The tables of the services' operations and parameters.

mod cloudwatch_logs;
mod kinesis;
mod others;

pub use cloudwatch_logs::LOGS;
pub use kinesis::{KINESIS, MAX_RECORD_BYTES};
pub use others::{API_GATEWAY, CLOUDWATCH, DYNAMODB, S3, SNS, SQS, STS};

use super::Service;

/// All services of the AWS endpoint.
pub const SERVICES: [&Service; 9] =
    [&API_GATEWAY, &CLOUDWATCH, &DYNAMODB, &KINESIS, &LOGS, &S3, &SNS, &SQS, &STS];
