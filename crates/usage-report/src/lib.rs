//! Usage as its readers ask for it: by hour, day or month of a time zone, by customer, key and route
//! class, with the credits that weights give it.
//!
//! The ledger has facts: calls by key, hour and route class. What they are worth is policy, which is
//! applied here, when usage is read. A change of weights never changes a count.

#![warn(missing_docs)]

pub mod credits;
pub mod groups;
pub mod periods;
pub mod source;
pub mod weights;
