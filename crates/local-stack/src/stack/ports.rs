//! Ports that stay the same from one start of a stack to the next.

use std::net::SocketAddr;
use std::path::Path;

use deployment::Endpoints;
use tokio::net::TcpListener;

use super::error::StartError;
use super::servers::listen;

/// The ports of the last run in a data folder.
pub(super) struct Ports {
    last: Option<Endpoints>,
    /// One sentence for each server that could not have its last port again.
    pub moved: Vec<String>,
}

impl Ports {
    /// Reads the ports of a data folder; a new folder has none.
    pub fn read(data_folder: &Path) -> Self {
        Self { last: Endpoints::read(data_folder).ok(), moved: Vec::new() }
    }

    /// Listens on a port. For port 0, listens on the last port of `server`, or on any free port if
    /// that one is taken.
    ///
    /// # Errors
    /// Returns an error if the requested port cannot be used.
    pub async fn listen(&mut self, server: &str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
        let Some(last) = self.last_port(server).filter(|_| port == 0) else { return listen(port).await };
        if let Ok(found) = listen(last).await {
            return Ok(found);
        }
        let (listener, address) = listen(0).await?;
        self.moved
            .push(format!("Port {last}, the last port of {server}, is taken: {server} is at {address} now."));
        Ok((listener, address))
    }

    fn last_port(&self, server: &str) -> Option<u16> {
        let last = self.last.as_ref()?;
        let url = match server {
            "the gateway" => &last.gateway,
            "the dashboard" => &last.dashboard,
            "the usage page" => &last.portal,
            "the control endpoint" => &last.control,
            "the AWS endpoint" => &last.aws_endpoint_url,
            _ => return None,
        };
        url.rsplit(':').next()?.parse().ok()
    }
}
