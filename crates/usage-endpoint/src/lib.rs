//! The Lambda function behind `GET /usage`: what a customer's own key has used.
//!
//! [`handler`] is the shell of Lambda, [`request`] parses the question, [`answer`] is what it returns.

pub mod answer;
pub mod config;
pub mod handler;
pub mod request;
