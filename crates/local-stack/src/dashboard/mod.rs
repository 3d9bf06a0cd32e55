//! The web pages of a running stack: its status and the deployed dashboard, and the usage of keys and customers.

mod calls;
mod details;
mod files;
mod finance;
mod graphs;
mod page;
mod response;
mod runbooks;
mod series;
mod sources;
mod status;

pub use page::router;
pub use sources::PageSources;
