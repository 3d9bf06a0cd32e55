//! The whole usage meter on one machine, without an AWS account and without containers.
//!
//! [`stack::LocalStack`] starts and connects all parts. DynamoDB (dynoxide) and SQS (winterbaume) are
//! embedded emulators. This crate emulates the other services, one module each. Lambda runs the binaries
//! that are deployed.

pub mod api;
pub mod apigateway;
pub mod aws_endpoint;
pub mod call_judge;
pub mod cloudwatch;
pub mod cloudwatch_logs;
pub mod dashboard;
pub mod dynamodb;
pub mod faults;
pub mod kinesis;
pub mod lambda;
pub mod names;
pub mod s3;
pub mod sns_sqs;
mod sqlite;
pub mod stack;
mod sync;
