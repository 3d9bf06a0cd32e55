//! The Lambda function behind the usage page of a customer.
//!
//! It is invoked by its function URL, which is public. [`handler`] serves the page of [`files`] to everybody, and usage
//! to the holder of a token that [`portal_token`] verifies. [`page_policy`] says which pages may embed it.

pub mod config;
pub mod files;
pub mod handler;
pub mod page_policy;
