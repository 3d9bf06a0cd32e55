//! HTTP servers on the loopback interface.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
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

/// Serves on a thread of its own until the stack stops, and returns the URL. Work on the threads of the stack, such as
/// the scan of a table, does not delay the responses.
///
/// # Errors
/// Returns an error if the thread cannot be started.
pub(super) fn serve_on_own_thread(
    servers: &mut JoinSet<()>,
    (listener, address): (TcpListener, SocketAddr),
    router: Router,
) -> std::io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = listener.into_std()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = async move {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "server not started"),
        };
        tokio::select! {
            () = serve(listener, router, std::future::pending()) => {}
            _ = stopped => {}
        }
    };
    std::thread::Builder::new().name(address.to_string()).spawn(move || runtime.block_on(serving))?;
    // The end of this task drops `stop`.
    servers.spawn(async move {
        let _stop = stop;
        std::future::pending::<()>().await;
    });
    Ok(format!("http://{address}"))
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
