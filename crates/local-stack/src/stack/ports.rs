//! Ports that stay the same from one start to the next.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;

use super::endpoints::Endpoints;
use super::error::StartError;
use super::servers::listen;

/// The ports that a stack had when it last ran in its data folder.
pub(super) struct Ports {
    last: Option<Endpoints>,
    /// What could not have its port again, a sentence each.
    pub moved: Vec<String>,
}

impl Ports {
    /// Those of a data folder; none for a new one.
    pub fn of_folder(data_folder: &Path) -> Self {
        Self { last: Endpoints::of_folder(data_folder).ok(), moved: Vec::new() }
    }

    /// Listens on a port, or for 0 on the one that `what` had, or on any where that one is taken.
    ///
    /// # Errors
    /// When the port that was asked for cannot be used.
    pub async fn listen(&mut self, what: &str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
        let Some(last) = self.last_of(what).filter(|_| port == 0) else { return listen(port).await };
        if let Ok(found) = listen(last).await {
            return Ok(found);
        }
        let (listener, address) = listen(0).await?;
        self.moved.push(format!("Port {last}, which {what} had, is taken: it is at {address} now."));
        Ok((listener, address))
    }

    fn last_of(&self, what: &str) -> Option<u16> {
        let last = self.last.as_ref()?;
        let url = match what {
            "the gateway" => &last.gateway,
            "the dashboard" => &last.dashboard,
            "the control endpoint" => &last.control,
            "the AWS endpoint" => &last.aws_endpoint_url,
            _ => return None,
        };
        url.rsplit(':').next()?.parse().ok()
    }
}
