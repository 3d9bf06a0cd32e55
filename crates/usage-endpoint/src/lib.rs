//! The Lambda function behind `GET /usage`: what a customer's own key has used.
//!
//! [`handler`] is the shell of Lambda and answers, [`request`] parses the question.

pub mod config;
pub mod handler;
pub mod request;
