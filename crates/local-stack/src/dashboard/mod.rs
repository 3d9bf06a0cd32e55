//! The dashboard that is deployed, drawn from the metrics of a running stack.

pub mod definition;
mod page;

pub use page::DashboardPage;
