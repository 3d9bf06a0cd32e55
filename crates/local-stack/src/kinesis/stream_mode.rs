//! Capacity modes of streams.

/// Capacity mode of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamMode {
    /// The stream has the number of shards that its owner sets.
    Provisioned,
    /// On AWS the service sets the number of shards. Here the stream keeps its initial shards.
    OnDemand,
}

impl StreamMode {
    /// Returns the name of the mode in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }

    /// Parses the name of a mode. `None` means provisioned, the default of the API.
    pub fn from_name(name: Option<&str>) -> Self {
        if name == Some("ON_DEMAND") { Self::OnDemand } else { Self::Provisioned }
    }
}
