//! Amazon SNS and Amazon SQS: topics, their subscribers, and queues.

pub mod notifications;
pub mod queues;
pub mod sns;
