//! The Lambda function behind `GET /usage`: what a customer's own key has used.
//!
//! [`request`] reads who asks and for what, [`handler`] answers.

pub mod config;
pub mod handler;
pub mod request;
