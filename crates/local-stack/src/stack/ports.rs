//! Ports that stay the same from one start of a stack to the next.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use deployment::Endpoints;
use tokio::net::TcpListener;

use super::error::StartError;
use super::servers::listen;

/// The ports of the last run in a data folder.
pub(super) struct Ports {
    last: Option<Endpoints>,
    /// Listeners on the last ports, by port. They are taken at the begin of a start, before another
    /// part of the stack gets one of them as a free port.
    held: HashMap<u16, (TcpListener, SocketAddr)>,
    /// One sentence for each server that could not have its last port again.
    pub moved: Vec<String>,
}

impl Ports {
    /// Reads the ports of a data folder, and takes those that are free; a new folder has none.
    pub async fn take(data_folder: &Path) -> Self {
        let last = Endpoints::read(data_folder).ok();
        let mut held = HashMap::new();
        for port in last.iter().flat_map(ports_of).flatten() {
            if let Ok(listener) = listen(port).await {
                held.insert(port, listener);
            }
        }
        Self { last, held, moved: Vec::new() }
    }

    /// Listens on a port. For port 0, listens on the last port of `server`, or on any free port if
    /// that one is taken.
    ///
    /// # Errors
    /// Returns an error if the requested port cannot be used.
    pub async fn listen(&mut self, server: &str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
        let last = self.last_port(server).filter(|_| port == 0);
        let wanted = last.unwrap_or(port);
        if let Some(found) = self.held.remove(&wanted) {
            return Ok(found);
        }
        let Some(last) = last else { return listen(port).await };
        let (listener, address) = listen(0).await?;
        self.moved
            .push(format!("Port {last}, the last port of {server}, is taken: {server} is at {address} now."));
        Ok((listener, address))
    }

    fn last_port(&self, server: &str) -> Option<u16> {
        let place = SERVERS.iter().position(|name| *name == server)?;
        ports_of(self.last.as_ref()?)[place]
    }
}

/// Names of the servers whose ports stay the same.
const SERVERS: [&str; 5] =
    ["the gateway", "the dashboard", "the usage page", "the control endpoint", "the AWS endpoint"];

/// Returns the ports of the servers, in the order of [`SERVERS`].
fn ports_of(endpoints: &Endpoints) -> [Option<u16>; 5] {
    let Endpoints { gateway, dashboard, portal, control, aws_endpoint_url, .. } = endpoints;
    [gateway, dashboard, portal, control, aws_endpoint_url]
        .map(|url| url.rsplit(':').next().and_then(|port| port.parse().ok()))
}
