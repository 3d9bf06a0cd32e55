//! Amazon API Gateway: a REST API or an HTTP API with a Lambda authorizer, a backend and an access log.

mod access_log;
pub mod authorization;
mod call;
mod gateway;
mod route;

pub use gateway::Gateway;
