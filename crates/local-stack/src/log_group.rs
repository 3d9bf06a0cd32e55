//! A CloudWatch Logs group in SQLite.
//!
//! Writers are answered when their events are on disk; events that arrive
//! together share one commit.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot, watch};

/// How many events one commit may hold.
const MAX_COMMIT_EVENTS: usize = 10_000;
/// How many events may wait for a commit before writers have to wait as well.
const QUEUE_EVENTS: usize = 20_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, log_stream TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscription (
    one INTEGER PRIMARY KEY CHECK (one = 1), delivered INTEGER NOT NULL, planned INTEGER NOT NULL);
INSERT OR IGNORE INTO subscription (one, delivered, planned) VALUES (1, 0, 0);
CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, since_ms INTEGER NOT NULL, data BLOB NOT NULL);
";

/// One log event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its place in the group, counted from 1.
    pub id: i64,
    /// The log stream.
    pub log_stream: String,
    /// When it was logged, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The line.
    pub message: String,
}

impl LogEvent {
    /// The event's id as CloudWatch Logs writes it: 56 digits.
    pub fn event_id(&self) -> String {
        format!("{:018}{:038}", self.timestamp_ms, self.id)
    }
}

/// A record of the subscription that is delivered late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRecord {
    /// Its place among those that wait.
    pub id: i64,
    /// Since when it waits, in milliseconds since 1970.
    pub since_ms: i64,
    /// The record's data, gzipped.
    pub data: Vec<u8>,
}

/// The log group cannot be written any more.
#[derive(Debug, thiserror::Error)]
#[error("the log group cannot be written: {0}")]
pub struct LogError(String);

struct Append {
    log_stream: String,
    timestamp_ms: i64,
    messages: Vec<String>,
    written: oneshot::Sender<Result<(), String>>,
}

/// The log group.
#[derive(Debug)]
pub struct LogGroup {
    name: String,
    reader: Mutex<Connection>,
    appends: mpsc::Sender<Append>,
    last_id: watch::Receiver<i64>,
}

impl LogGroup {
    /// Opens the group's file and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, name: &str) -> rusqlite::Result<Self> {
        let writer = Connection::open(path)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        writer.execute_batch(SCHEMA)?;
        let last: i64 = writer.query_row("SELECT COALESCE(MAX(id), 0) FROM events", [], |row| row.get(0))?;
        let reader = Connection::open(path)?;
        reader.pragma_update(None, "synchronous", "NORMAL")?;
        reader.busy_timeout(std::time::Duration::from_secs(30))?;
        writer.busy_timeout(std::time::Duration::from_secs(30))?;
        let (appends, receiver) = mpsc::channel(QUEUE_EVENTS);
        let (last_sender, last_id) = watch::channel(last);
        std::thread::spawn(move || write_appends(writer, receiver, &last_sender));
        Ok(Self { name: name.to_owned(), reader: Mutex::new(reader), appends, last_id })
    }

    /// The group's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends lines to a log stream; they are on disk when this returns.
    ///
    /// # Errors
    /// When they could not be written.
    pub async fn append(
        &self,
        log_stream: &str,
        timestamp_ms: i64,
        messages: Vec<String>,
    ) -> Result<(), LogError> {
        let (written, answer) = oneshot::channel();
        let append = Append { log_stream: log_stream.to_owned(), timestamp_ms, messages, written };
        let stopped = || LogError("its writer has stopped".to_owned());
        self.appends.send(append).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(LogError)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the last event, and news of every later one.
    pub fn last_id(&self) -> watch::Receiver<i64> {
        self.last_id.clone()
    }

    /// Reads events after `after`, up to `up_to`, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, after: i64, up_to: i64, limit: usize) -> rusqlite::Result<Vec<LogEvent>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, log_stream, timestamp_ms, message FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let events = statement.query_map(params![after, up_to, limit], log_event)?;
        events.collect()
    }

    /// Reads events that were logged in a span of time, both ends included,
    /// after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_between(
        &self,
        (from_ms, to_ms): (i64, i64),
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<Vec<LogEvent>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, log_stream, timestamp_ms, message FROM events WHERE id > ? AND timestamp_ms BETWEEN ? AND ? ORDER BY id LIMIT ?",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let events = statement.query_map(params![after, from_ms, to_ms, limit], log_event)?;
        events.collect()
    }

    /// Up to which event the subscription has delivered, and up to which it
    /// had planned to when it was last stopped.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn subscription(&self) -> rusqlite::Result<(i64, i64)> {
        let query = "SELECT delivered, planned FROM subscription";
        self.lock().query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Notes up to which event the subscription is going to deliver.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn plan_delivery(&self, up_to: i64) -> rusqlite::Result<()> {
        self.lock().execute("UPDATE subscription SET planned = ?", [up_to]).map(|_| ())
    }

    /// Notes up to which event the subscription has delivered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn confirm_delivery(&self, up_to: i64) -> rusqlite::Result<()> {
        self.lock().execute("UPDATE subscription SET delivered = ?", [up_to]).map(|_| ())
    }

    /// Keeps records that the subscription delivers late.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_waiting(&self, records: &[Vec<u8>], since_ms: i64) -> rusqlite::Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for data in records {
            let query = "INSERT INTO waiting (since_ms, data) VALUES (?, ?)";
            transaction.prepare_cached(query)?.execute(params![since_ms, data])?;
        }
        transaction.commit()
    }

    /// The record that waits longest.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn first_waiting(&self) -> rusqlite::Result<Option<WaitingRecord>> {
        let query = "SELECT id, since_ms, data FROM waiting ORDER BY id LIMIT 1";
        let record = |row: &rusqlite::Row<'_>| {
            Ok(WaitingRecord { id: row.get(0)?, since_ms: row.get(1)?, data: row.get(2)? })
        };
        self.lock().query_row(query, [], record).optional()
    }

    /// How many records wait.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waiting_records(&self) -> rusqlite::Result<usize> {
        let count: i64 = self.lock().query_row("SELECT COUNT(*) FROM waiting", [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Forgets a record that was delivered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove_waiting(&self, id: i64) -> rusqlite::Result<()> {
        self.lock().execute("DELETE FROM waiting WHERE id = ?", [id]).map(|_| ())
    }
}

fn log_event(row: &rusqlite::Row<'_>) -> rusqlite::Result<LogEvent> {
    Ok(LogEvent { id: row.get(0)?, log_stream: row.get(1)?, timestamp_ms: row.get(2)?, message: row.get(3)? })
}

fn write_appends(
    mut connection: Connection,
    mut appends: mpsc::Receiver<Append>,
    last_id: &watch::Sender<i64>,
) {
    let mut batch = Vec::new();
    while let Some(first) = appends.blocking_recv() {
        batch.push(first);
        let mut events = batch[0].messages.len();
        while events < MAX_COMMIT_EVENTS {
            let Ok(next) = appends.try_recv() else { break };
            events += next.messages.len();
            batch.push(next);
        }
        let result = commit(&mut connection, &batch);
        if let Ok(last) = result {
            last_id.send_replace(last);
        }
        for append in batch.drain(..) {
            let answer = result.as_ref().map(|_| ()).map_err(ToString::to_string);
            // A writer that no longer waits does not need the answer.
            let _ = append.written.send(answer);
        }
    }
}

fn commit(connection: &mut Connection, batch: &[Append]) -> rusqlite::Result<i64> {
    let transaction = connection.transaction()?;
    let mut statement = transaction
        .prepare_cached("INSERT INTO events (log_stream, timestamp_ms, message) VALUES (?, ?, ?)")?;
    for append in batch {
        for message in &append.messages {
            statement.execute(params![append.log_stream, append.timestamp_ms, message])?;
        }
    }
    drop(statement);
    let last = transaction.last_insert_rowid();
    transaction.commit()?;
    Ok(last)
}
