//! Claims: the ownership of calls by stream records.
//!
//! A call is identified by its [`crate::call_id::CallId`], whichever record or delivery contains
//! it. The first record to claim a call owns it, and may claim it again. Every other record drops
//! the call. The owner either counts the call, or has put it into quarantine.
//!
//! [`layout`] gives the slice of request time in which a call is claimed, [`page`] the stored form
//! of the claims, and [`slice_claim`] the writes by which calls get their owners.

pub mod layout;
pub mod owner;
pub mod page;
pub mod slice_claim;
