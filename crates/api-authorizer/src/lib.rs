//! The Lambda function that admits API keys.
//!
//! [`event`] reads what API Gateway or SNS sends, [`authorizer`] does what the
//! decision cache asks for, [`response`] writes the answer, [`metrics`] tells
//! what happened.

pub mod after_answer;
pub mod authorizer;
pub mod config;
pub mod event;
pub mod handler;
pub mod metrics;
pub mod response;
pub mod single_flight;
