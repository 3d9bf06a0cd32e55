//! HTTP servers on the loopback interface.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::error::StartError;

/// Listens on a port of the loopback interface; port 0 is any free port.
///
/// # Errors
/// Returns an error if the port cannot be used.
pub(super) async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Port { port, source };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// Serves until the stack stops, and returns the URL.
pub(super) fn serve_on_loopback(
    servers: &mut JoinSet<()>,
    (listener, address): (TcpListener, SocketAddr),
    router: Router,
) -> String {
    servers.spawn(serve(listener, router, std::future::pending()));
    format!("http://{address}")
}

/// Serves until `stop` is ready, and then answers the requests in progress.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "server stopped");
    }
}
