//! How the capacity of a stream is chosen.

/// How a stream's capacity is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamMode {
    /// By a number of shards.
    Provisioned,
    /// By the service. Here such a stream keeps the shards it began with.
    OnDemand,
}

impl StreamMode {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }

    /// The mode of a name; a provisioned one where there is none.
    pub fn of(name: Option<&str>) -> Self {
        if name == Some("ON_DEMAND") { Self::OnDemand } else { Self::Provisioned }
    }
}
