//! A model of the capacity and the cost of the meter for a rate of calls.
//!
//! [`Workload`] has the rate and the assumptions, each of which can be changed.
//! [`Capacity`] computes shards, invocations and writes from it, and [`costs`]
//! prices them. [`Consumption`] prices what a run really consumed.
//!
//! ```
//! use cost_model::{Capacity, LIST_PRICES, Workload, costs};
//!
//! let workload = Workload { batch_window_s: 30.0, ..Workload::new(1e9, 50.0) };
//! let capacity = Capacity::from_workload(&workload);
//! let costs = costs(&workload, &capacity, &LIST_PRICES);
//! for (part, dollars) in costs.parts() {
//!     println!("{part}: ${dollars:.2} a month");
//! }
//! assert!(costs.ledger_writes < costs.authorizer);
//! ```

#![warn(missing_docs)]

pub mod capacity;
pub mod consumption;
pub mod cost;
pub mod prices;
pub mod workload;
mod writes;

pub use capacity::Capacity;
pub use consumption::{Consumption, Priced};
pub use cost::{Costs, advantage, canary, costs};
pub use prices::{Architecture, LIST_PRICES, LogTier, Prices};
pub use workload::Workload;
