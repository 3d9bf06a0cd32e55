//! The whole usage meter on one machine, without an account or a container.
//!
//! [`stack::LocalStack`] starts everything. DynamoDB and SQS are embedded
//! emulators; the topics, the stream, the log group with its subscription, the gateway and
//! Lambda with its event source mapping are here, and run the real binaries.

pub mod api;
pub mod authorization;
pub mod aws_endpoint;
pub mod backend;
pub mod cloudwatch;
pub mod dashboard;
pub mod demo_keys;
pub mod expiry;
pub mod faults;
pub mod gateway;
pub mod kinesis;
pub mod lagging_index;
pub mod lambda;
pub mod log_group;
pub mod logs;
pub mod metrics;
pub mod notifications;
pub mod queues;
pub mod s3;
pub mod sns;
pub mod stack;
pub mod subscription;
mod torn_transactions;
