//! The web page with the deployed dashboard, drawn from the metrics of a running stack, and the
//! usage per key.

mod page;

pub use page::DashboardPage;
