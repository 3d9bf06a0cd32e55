//! A log group in an SQLite file.
//!
//! An append returns when its events are on disk. Events that arrive together share one commit.

mod delivery;
mod filters;
mod reader;
mod streams;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

pub use delivery::{Progress, WaitingRecord};
pub use filters::{FilterError, MetricFilter, SubscriptionFilter};
pub use reader::{Order, Position, StoredEvent};
pub use streams::LogStream;

use crate::cloudwatch::MetricStore;
use crate::cloudwatch_logs::filter_pattern::FilterPattern;
use crate::sqlite;
use crate::sync::locked;
use filters::Filters;
use writer::Append;

/// Maximum number of appends that wait for a commit. Further callers wait.
const MAX_QUEUED_APPENDS: usize = 20_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS log_group (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, created_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, log_stream TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, message TEXT NOT NULL,
    ingested_ms INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS events_by_time ON events (timestamp_ms);
CREATE TABLE IF NOT EXISTS log_streams (
    name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, first_ms INTEGER, last_ms INTEGER, last_ingested_ms INTEGER);
CREATE TABLE IF NOT EXISTS metric_filters (name TEXT PRIMARY KEY, definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscription_filter (one INTEGER PRIMARY KEY CHECK (one = 1), definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscription (
    one INTEGER PRIMARY KEY CHECK (one = 1), delivered INTEGER NOT NULL, planned INTEGER NOT NULL);
INSERT OR IGNORE INTO subscription (one, delivered, planned) VALUES (1, 0, 0);
CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, since_ms INTEGER NOT NULL, data BLOB NOT NULL);
";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Number of the event in the log group, from 1.
    pub id: i64,
    pub log_stream: String,
    /// Timestamp of the event, in milliseconds since 1970.
    pub timestamp_ms: i64,
    pub message: String,
}

impl LogEvent {
    pub fn event_id(&self) -> String {
        event_id(self.timestamp_ms, self.id)
    }
}

/// Returns the `eventId` of an event, which has 56 digits as on AWS.
pub fn event_id(timestamp_ms: i64, id: i64) -> String {
    format!("{timestamp_ms:018}{id:038}")
}

/// The log group cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the log group cannot be written: {0}")]
pub struct LogError(String);

#[derive(Debug)]
pub struct LogGroup {
    name: String,
    created_ms: i64,
    path: PathBuf,
    reader: Mutex<Connection>,
    appends: mpsc::Sender<Append>,
    last_id: watch::Receiver<i64>,
    filters: Arc<Filters>,
}

impl LogGroup {
    /// Opens the file of a group, which is created if it does not exist, and starts its writer.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub fn open(path: &Path, name: &str) -> rusqlite::Result<Self> {
        let writer = sqlite::open(path)?;
        writer.execute_batch(SCHEMA)?;
        let now_ms = system_clock::now_ms();
        let query = "INSERT OR IGNORE INTO log_group (one, name, created_ms) VALUES (1, ?, ?)";
        writer.execute(query, rusqlite::params![name, now_ms])?;
        Self::with_connection(writer, path)
    }

    /// Opens the file of an existing group. The file has the name of the group.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or is not a log group.
    pub fn open_existing(path: &Path) -> rusqlite::Result<Self> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let writer = Connection::open_with_flags(path, flags)?;
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        Self::with_connection(writer, path)
    }

    fn with_connection(writer: Connection, path: &Path) -> rusqlite::Result<Self> {
        let query = "SELECT name, created_ms FROM log_group";
        let (name, created_ms) = writer.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let last: i64 = writer.query_row("SELECT COALESCE(MAX(id), 0) FROM events", [], |row| row.get(0))?;
        let reader = Connection::open(path)?;
        reader.pragma_update(None, "synchronous", "NORMAL")?;
        reader.busy_timeout(std::time::Duration::from_secs(30))?;
        writer.busy_timeout(std::time::Duration::from_secs(30))?;
        let filters = Arc::new(Filters::read(&reader)?);
        let (appends, receiver) = mpsc::channel(MAX_QUEUED_APPENDS);
        let (last_sender, last_id) = watch::channel(last);
        let writer_filters = filters.clone();
        std::thread::spawn(move || writer::write_appends(writer, receiver, &last_sender, &writer_filters));
        let reader = Mutex::new(reader);
        Ok(Self { name, created_ms, path: path.to_owned(), reader, appends, last_id, filters })
    }

    /// Sets the store to which the group's metric filters record. The first store is kept.
    pub fn record_to(&self, metrics: Arc<MetricStore>) {
        self.filters.record_to(metrics);
    }

    /// Returns the name of the group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the time of creation, in milliseconds since 1970.
    pub fn created_ms(&self) -> i64 {
        self.created_ms
    }

    /// Appends messages with one timestamp to a log stream. They are on disk when this returns.
    ///
    /// # Errors
    /// Returns an error if they cannot be written.
    pub async fn append(
        &self,
        log_stream: &str,
        timestamp_ms: i64,
        messages: Vec<String>,
    ) -> Result<(), LogError> {
        let events = messages.into_iter().map(|message| (timestamp_ms, message)).collect();
        let (append, answer) = new_append(log_stream, timestamp_ms, events);
        self.appends.send(append).await.map_err(|_| writer_stopped())?;
        answer.await.map_err(|_| writer_stopped())?.map_err(LogError)
    }

    /// Appends events, as (timestamp in milliseconds since 1970, message), to a log stream. Blocks until
    /// they are on disk.
    ///
    /// # Errors
    /// Returns an error if they cannot be written.
    pub fn put(
        &self,
        log_stream: &str,
        ingested_ms: i64,
        events: Vec<(i64, String)>,
    ) -> Result<(), LogError> {
        let (append, answer) = new_append(log_stream, ingested_ms, events);
        self.appends.blocking_send(append).map_err(|_| writer_stopped())?;
        answer.blocking_recv().map_err(|_| writer_stopped())?.map_err(LogError)
    }

    /// Returns the metric filters in the order of their names.
    pub fn metric_filters(&self) -> Vec<MetricFilter> {
        self.filters.metric_filter_definitions()
    }

    /// Writes a metric filter, which replaces any filter with its name.
    ///
    /// # Errors
    /// Returns an error if the pattern is refused or the file cannot be written.
    pub fn put_metric_filter(&self, filter: MetricFilter) -> Result<(), FilterError> {
        self.filters.put_metric_filter(&self.lock(), filter)
    }

    /// Returns the subscription filter and its pattern.
    pub fn subscription_filter(&self) -> Option<Arc<(SubscriptionFilter, FilterPattern)>> {
        self.filters.subscription_filter()
    }

    /// Writes the subscription filter. It delivers only later events.
    ///
    /// # Errors
    /// Returns an error if the pattern is refused or the file cannot be written.
    pub fn put_subscription_filter(&self, filter: SubscriptionFilter) -> Result<(), FilterError> {
        self.filters.put_subscription_filter(&self.lock(), filter)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        locked(&self.reader)
    }

    /// Returns the id of the last event, and its changes.
    pub fn last_id(&self) -> watch::Receiver<i64> {
        self.last_id.clone()
    }
}

fn new_append(
    log_stream: &str,
    ingested_ms: i64,
    events: Vec<(i64, String)>,
) -> (Append, oneshot::Receiver<Result<(), String>>) {
    let (written, answer) = oneshot::channel();
    (Append { log_stream: log_stream.to_owned(), ingested_ms, events, written }, answer)
}

fn writer_stopped() -> LogError {
    LogError("the writer has stopped".to_owned())
}
