//! The server of the web pages, on loopback.

use axum::{Router, middleware};
use tokio::runtime::Handle;

use super::sources::PageSources;
use super::{calls, details, files, finance, graphs, runbooks, status};

/// Returns the routes of the pages. Reports of usage are read by tasks of the runtime `readers`.
pub fn router(sources: &PageSources, readers: Handle) -> Router {
    files::router()
        .merge(runbooks::router())
        .merge(status::router(sources.clone()))
        .merge(graphs::router(sources.clone()))
        .merge(finance::router(sources.clone(), readers))
        .merge(details::router(sources.clone()))
        .merge(calls::router(sources.clone()))
        .layer(middleware::from_fn(files::guard))
}
