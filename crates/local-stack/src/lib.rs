//! The whole usage meter on one machine, without an AWS account or a container.
//!
//! [`stack::LocalStack`] starts everything. DynamoDB and SQS are embedded emulators. This crate
//! emulates Kinesis, SNS, S3, CloudWatch, CloudWatch Logs with its subscriptions, API Gateway, and
//! Lambda with its event source mapping, which run the real binaries.

pub mod api;
pub mod apigateway;
pub mod aws_endpoint;
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
