//! Reads the events of a log group.

use std::ops::ControlFlow;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{LogEvent, LogGroup};

/// A borrowed log event.
#[derive(Debug, Clone, Copy)]
pub struct StoredEvent<'a> {
    /// Number of the event in the log group, from 1.
    pub id: i64,
    pub log_stream: &'a str,
    /// Timestamp of the event, in milliseconds since 1970.
    pub timestamp_ms: i64,
    pub message: &'a str,
    /// Time at which the event was ingested, in milliseconds since 1970.
    pub ingested_ms: i64,
}

impl StoredEvent<'_> {
    /// Returns the position of the event in chronological order.
    pub fn position(&self) -> Position {
        Position { timestamp_ms: self.timestamp_ms, id: self.id }
    }
}

/// A position in chronological order: by timestamp, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Timestamp of an event, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Id of the event.
    pub id: i64,
}

impl Position {
    /// The position before all events.
    pub const START: Self = Self { timestamp_ms: i64::MIN, id: 0 };
    /// The position after all events.
    pub const END: Self = Self { timestamp_ms: i64::MAX, id: i64::MAX };
}

/// The order in which events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    EarliestFirst,
    LatestFirst,
}

impl LogGroup {
    /// Reads at most `limit` events whose ids are above `after` and not above `up_to`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn read(&self, after: i64, up_to: i64, limit: usize) -> rusqlite::Result<Vec<LogEvent>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, log_stream, timestamp_ms, message FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let events = statement.query_map(params![after, up_to, limit], |row| {
            Ok(LogEvent {
                id: row.get(0)?,
                log_stream: row.get(1)?,
                timestamp_ms: row.get(2)?,
                message: row.get(3)?,
            })
        })?;
        events.collect()
    }

    /// Visits the events between two positions, which are both excluded, until `visit` breaks. It opens a
    /// separate connection, so that a long scan does not block other readers.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn visit(
        &self,
        (after, before): (Position, Position),
        order: Order,
        mut visit: impl FnMut(StoredEvent<'_>) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        let direction = if order == Order::EarliestFirst { "ASC" } else { "DESC" };
        let mut statement = connection.prepare(&format!(
            "SELECT id, log_stream, timestamp_ms, message, ingested_ms FROM events
             WHERE timestamp_ms BETWEEN ?1 AND ?3 AND (timestamp_ms > ?1 OR id > ?2) AND (timestamp_ms < ?3 OR id < ?4)
             ORDER BY timestamp_ms {direction}, id {direction}"
        ))?;
        let mut rows =
            statement.query(params![after.timestamp_ms, after.id, before.timestamp_ms, before.id])?;
        while let Some(row) = rows.next()? {
            let event = StoredEvent {
                id: row.get(0)?,
                log_stream: row.get_ref(1)?.as_str()?,
                timestamp_ms: row.get(2)?,
                message: row.get_ref(3)?.as_str()?,
                ingested_ms: row.get(4)?,
            };
            if visit(event).is_break() {
                break;
            }
        }
        Ok(())
    }
}
