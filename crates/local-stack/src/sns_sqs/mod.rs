//! Amazon SNS and Amazon SQS.

pub mod notifications;
pub mod queues;
pub mod sns;
