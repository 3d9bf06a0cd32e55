//! The web pages of a running stack: its status and the deployed dashboard, and the usage of keys and customers.

mod calls;
mod details;
mod files;
mod finance;
mod graphs;
mod page;
mod runbooks;
mod series;
mod status;

pub use finance::Snapshots;
pub use graphs::LogAnswers;
pub use page::DashboardPage;
