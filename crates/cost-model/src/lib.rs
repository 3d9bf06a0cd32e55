//! What the meter needs and costs at a rate of calls: a model, with its
//! assumptions as numbers that can be changed.
//!
//! [`capacity`] says how many shards, invocations and writes there are,
//! [`cost`] prices them.

#![warn(missing_docs)]

pub mod capacity;
pub mod consumption;
pub mod cost;
pub mod prices;
mod writes;

pub use capacity::{Capacity, Workload};
pub use consumption::{Consumption, Priced};
pub use cost::{Costs, advantage, canary, costs};
pub use prices::{Architecture, LIST_PRICES, LogTier, Prices};
