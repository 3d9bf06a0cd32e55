//! The authorizer's ports in a simulation. Each read waits until the simulation
//! decides when it sees the tables, and when its reply arrives.

use std::sync::{Arc, Mutex};

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::invalidation::LogRead;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{InvalidationLog, KeyTable, PortError, UsageAlert, UsageAlerts, UsageTotals};
use metering_core::quota::MonthUsage;
use metering_core::row_key::RowKey;
use metering_core::window::{UtcDay, UtcMonth};
use tokio::sync::oneshot;

use super::ledger_history::LedgerHistory;
use crate::ports::{SDK_ATTEMPTS, lock};

/// A read that an instance requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRead {
    /// A lookup in the index.
    Index(KeyDigest),
    /// A strongly consistent lookup.
    Table(KeyDigest),
    /// A read of the invalidation log after a position.
    Log(Option<u64>),
    /// A read of the ledger.
    Usage(UsageRead),
    /// An alert that is to be sent.
    Alert(UsageAlert),
}

/// A read of the usage of a key in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRead {
    pub key: MeteredKey,
    pub month: UtcMonth,
    /// The last usage that the instance knows, whose settled days are not read again.
    pub known: Option<MonthUsage>,
    /// The day by the clock of the instance.
    pub today: UtcDay,
}

impl UsageRead {
    /// Adds up the rows, each as it was at the time that `seen_at_ms` returns, in milliseconds since 1970.
    pub fn see(&self, history: &LedgerHistory, mut seen_at_ms: impl FnMut() -> i64) -> MonthUsage {
        let ([from, to], mut usage) = MonthUsage::begin_read(self.month, self.known, self.today);
        let keys: Vec<MeteredKey> = self.key.counted_as().collect();
        let is_read = |row: &RowKey| keys.contains(row.key()) && (from..=to).contains(&row.day());
        for (row, calls) in history.calls(|row| is_read(row).then(&mut seen_at_ms)) {
            usage.add(row.day(), calls);
        }
        usage
    }
}

/// The result of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReply {
    Key(Option<Box<KeyRecord>>),
    Log(LogRead),
    Usage(MonthUsage),
    /// `false` if another instance is sending the alert.
    Alert(bool),
}

/// The end of an attempt to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadResult {
    Replied(KeyReply),
    Failed,
    /// The SDK repeats the read.
    Throttled {
        /// Time of the first attempt, in milliseconds since 1970.
        requested_at_ms: i64,
    },
}

/// A read that waits for the simulation.
#[derive(Debug)]
pub struct PendingRead {
    /// Number of the instance.
    pub instance: u64,
    pub read: KeyRead,
    /// Time of the request, in milliseconds since 1970; `None` until the simulation sets it.
    pub requested_at_ms: Option<i64>,
    /// Time at which the read saw the tables, in milliseconds since 1970.
    pub seen_at_ms: i64,
    /// The result of the read, which has seen the tables and whose reply has not arrived;
    /// `None` before it has seen them.
    pub seen: Option<KeyReply>,
    /// Number of times that the log had been lost when the read saw the tables.
    pub losses: u64,
    /// Number of attempts that were throttled.
    pub throttled: u32,
    pub reply: oneshot::Sender<ReadResult>,
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
        let mut first_at_ms = None;
        for throttled in 0..SDK_ATTEMPTS {
            let (reply, answer) = oneshot::channel();
            lock(&self.pending).push(PendingRead {
                instance: self.instance,
                read: read.clone(),
                requested_at_ms: first_at_ms,
                seen_at_ms: 0,
                seen: None,
                losses: 0,
                throttled,
                reply,
            });
            match answer.await {
                Ok(ReadResult::Replied(reply)) => return Ok(reply),
                Ok(ReadResult::Throttled { requested_at_ms }) => first_at_ms = Some(requested_at_ms),
                Ok(ReadResult::Failed) | Err(_) => break,
            }
        }
        Err(failed())
    }

    async fn find(&self, read: KeyRead) -> Result<Option<KeyRecord>, PortError> {
        match self.read(read).await? {
            KeyReply::Key(key) => Ok(key.map(|key| *key)),
            _ => Err(failed()),
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
            _ => Err(failed()),
        }
    }
}

impl UsageTotals for KeyPorts {
    async fn month_usage(
        &self,
        key: &MeteredKey,
        month: UtcMonth,
        known: Option<MonthUsage>,
        today: UtcDay,
    ) -> Result<MonthUsage, PortError> {
        let read = UsageRead { key: key.clone(), month, known, today };
        match self.read(KeyRead::Usage(read)).await? {
            KeyReply::Usage(usage) => Ok(usage),
            _ => Err(failed()),
        }
    }
}

impl UsageAlerts for KeyPorts {
    async fn notify(&self, alert: &UsageAlert, _now_ms: i64) -> Result<bool, PortError> {
        match self.read(KeyRead::Alert(alert.clone())).await? {
            KeyReply::Alert(is_sent) => Ok(is_sent),
            _ => Err(failed()),
        }
    }
}
