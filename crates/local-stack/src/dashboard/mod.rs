//! The web page of a running stack: the deployed dashboard, and the usage per key.

mod files;
mod graphs;
mod page;
mod series;
mod usage;

pub use graphs::LogAnswers;
pub use page::DashboardPage;
