//! The authorizer's ports in a simulation. Each read waits until the simulation
//! decides when it sees the tables, and when its reply arrives.

use std::sync::{Arc, Mutex};

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::invalidation::LogRead;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{InvalidationLog, KeyTable, PortError, UsageAlert, UsageAlerts, UsageTotals};
use metering_core::quota::MonthUsage;
use metering_core::window::{UtcDay, UtcMonth};
use tokio::sync::oneshot;

use crate::ports::lock;

/// A read that an instance requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRead {
    /// A lookup in the index.
    Index(KeyDigest),
    /// A strongly consistent lookup.
    Table(KeyDigest),
    /// A read of the invalidation log after a position.
    Log(Option<u64>),
}

/// The result of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReply {
    Key(Option<Box<KeyRecord>>),
    Log(LogRead),
}

/// A read that waits for the simulation.
#[derive(Debug)]
pub struct PendingRead {
    /// Number of the instance.
    pub instance: u64,
    pub read: KeyRead,
    /// Time of the request, in milliseconds since 1970; `None` until the simulation sets it.
    pub requested_at_ms: Option<i64>,
    /// The result of the read, which has seen the tables and whose reply has not arrived;
    /// `None` before it has seen them.
    pub seen: Option<KeyReply>,
    /// Number of times that the log had been lost when the read saw the tables.
    pub losses: u64,
    /// Receives the result; `None` if the read failed.
    pub reply: oneshot::Sender<Option<KeyReply>>,
}

/// The reads of all instances.
pub type PendingReads = Arc<Mutex<Vec<PendingRead>>>;

/// The ports of one instance.
#[derive(Debug, Clone)]
pub struct KeyPorts {
    pub instance: u64,
    pub pending: PendingReads,
}

fn failed() -> PortError {
    PortError::Retryable { operation: "a read".to_owned(), source: "a simulated outage".into() }
}

impl KeyPorts {
    async fn read(&self, read: KeyRead) -> Result<KeyReply, PortError> {
        let (reply, answer) = oneshot::channel();
        let pending = PendingRead {
            instance: self.instance,
            read,
            requested_at_ms: None,
            seen: None,
            losses: 0,
            reply,
        };
        lock(&self.pending).push(pending);
        answer.await.ok().flatten().ok_or_else(failed)
    }

    async fn find(&self, read: KeyRead) -> Result<Option<KeyRecord>, PortError> {
        match self.read(read).await? {
            KeyReply::Key(key) => Ok(key.map(|key| *key)),
            KeyReply::Log(_) => Err(failed()),
        }
    }
}

impl KeyTable for KeyPorts {
    async fn find_by_index(&self, digest: &KeyDigest) -> Result<Option<KeyRecord>, PortError> {
        self.find(KeyRead::Index(*digest)).await
    }

    async fn find_consistently(&self, digest: &KeyDigest) -> Result<Option<KeyRecord>, PortError> {
        self.find(KeyRead::Table(*digest)).await
    }
}

impl InvalidationLog for KeyPorts {
    async fn read_after(&self, position: Option<u64>) -> Result<LogRead, PortError> {
        match self.read(KeyRead::Log(position)).await? {
            KeyReply::Log(read) => Ok(read),
            KeyReply::Key(_) => Err(failed()),
        }
    }
}

/// No key of the simulation has a limit, so usage is never read.
impl UsageTotals for KeyPorts {
    async fn month_usage(
        &self,
        _key: &MeteredKey,
        _month: UtcMonth,
        _known: Option<MonthUsage>,
        _today: UtcDay,
    ) -> Result<MonthUsage, PortError> {
        Err(failed())
    }
}

impl UsageAlerts for KeyPorts {
    async fn notify(&self, _alert: &UsageAlert, _now_ms: i64) -> Result<bool, PortError> {
        Err(failed())
    }
}
