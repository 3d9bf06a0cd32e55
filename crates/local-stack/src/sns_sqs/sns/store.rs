//! The storage of topics and subscriptions.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::sync::locked;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS topics (arn TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS subscriptions (
    arn TEXT PRIMARY KEY, topic TEXT NOT NULL, endpoint TEXT NOT NULL, is_raw INTEGER NOT NULL,
    UNIQUE (topic, endpoint));
";

/// A queue that subscribes to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub arn: String,
    pub topic: String,
    /// ARN of the queue.
    pub endpoint: String,
    /// `true` if a message is delivered without the envelope of SNS (`RawMessageDelivery`).
    pub is_raw: bool,
}

impl Subscription {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { arn: row.get(0)?, topic: row.get(1)?, endpoint: row.get(2)?, is_raw: row.get(3)? })
    }
}

pub(super) struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        locked(&self.connection)
    }

    pub fn create_topic(&self, arn: &str) -> rusqlite::Result<()> {
        self.lock().execute("INSERT OR IGNORE INTO topics VALUES (?)", [arn]).map(drop)
    }

    /// Deletes a topic with its subscriptions.
    pub fn delete_topic(&self, arn: &str) -> rusqlite::Result<()> {
        let connection = self.lock();
        connection.execute("DELETE FROM subscriptions WHERE topic = ?", [arn])?;
        connection.execute("DELETE FROM topics WHERE arn = ?", [arn]).map(drop)
    }

    pub fn has_topic(&self, arn: &str) -> rusqlite::Result<bool> {
        let found =
            self.lock().query_row("SELECT 1 FROM topics WHERE arn = ?", [arn], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }

    pub fn topics(&self) -> rusqlite::Result<Vec<String>> {
        self.lock().prepare("SELECT arn FROM topics ORDER BY arn")?.query_map([], |row| row.get(0))?.collect()
    }

    /// Returns all subscriptions, or those of one topic, in the order of their ARNs.
    pub fn subscriptions(&self, topic: Option<&str>) -> rusqlite::Result<Vec<Subscription>> {
        let query = "SELECT arn, topic, endpoint, is_raw FROM subscriptions WHERE ?1 IS NULL OR topic = ?1 ORDER BY arn";
        self.lock().prepare(query)?.query_map([topic], Subscription::from_row)?.collect()
    }

    pub fn subscription(&self, arn: &str) -> rusqlite::Result<Option<Subscription>> {
        Ok(self.subscriptions(None)?.into_iter().find(|subscription| subscription.arn == arn))
    }

    pub fn subscribe(&self, subscription: &Subscription) -> rusqlite::Result<()> {
        let Subscription { arn, topic, endpoint, is_raw } = subscription;
        let query = "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?)";
        self.lock().execute(query, params![arn, topic, endpoint, is_raw]).map(drop)
    }

    pub fn unsubscribe(&self, arn: &str) -> rusqlite::Result<()> {
        self.lock().execute("DELETE FROM subscriptions WHERE arn = ?", [arn]).map(drop)
    }
}
