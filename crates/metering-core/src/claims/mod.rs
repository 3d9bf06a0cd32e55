//! Who owns each call: the stream record that may count it, or the quarantine
//! that keeps it.
//!
//! A call is known by its [`crate::call_id::CallId`], whichever record or
//! delivery it comes in. The first record to claim it owns it, and may claim
//! it again as often as it likes; every other record drops it. [`layout`] says
//! in which slice of request time a call is claimed, [`page`] how claims are
//! packed, and [`slice_claim`] what to write so that calls get their owners.

pub mod layout;
pub mod owner;
pub mod page;
pub mod slice_claim;
