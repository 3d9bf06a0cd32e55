//! The log streams of a log group.

use rusqlite::params;

use super::LogGroup;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    pub name: String,
    /// Time of creation, in milliseconds since 1970.
    pub created_ms: i64,
    /// Timestamp of the earliest event, in milliseconds since 1970.
    pub first_ms: Option<i64>,
    /// Timestamp of the latest event, in milliseconds since 1970.
    pub last_ms: Option<i64>,
    /// Time at which the last event was ingested, in milliseconds since 1970.
    pub last_ingested_ms: Option<i64>,
}

impl LogGroup {
    /// Creates a log stream. Returns `false` if it already exists.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn create_stream(&self, name: &str, now_ms: i64) -> rusqlite::Result<bool> {
        let query = "INSERT OR IGNORE INTO log_streams (name, created_ms) VALUES (?, ?)";
        self.lock().execute(query, params![name, now_ms]).map(|created| created > 0)
    }

    /// Returns `true` if the log stream exists.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn has_stream(&self, name: &str) -> rusqlite::Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM log_streams WHERE name = ?)";
        self.lock().query_row(query, [name], |row| row.get(0))
    }

    /// Returns all log streams in the order of their names.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn streams(&self) -> rusqlite::Result<Vec<LogStream>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT name, created_ms, first_ms, last_ms, last_ingested_ms FROM log_streams ORDER BY name",
        )?;
        let streams = statement.query_map([], |row| {
            Ok(LogStream {
                name: row.get(0)?,
                created_ms: row.get(1)?,
                first_ms: row.get(2)?,
                last_ms: row.get(3)?,
                last_ingested_ms: row.get(4)?,
            })
        })?;
        streams.collect()
    }
}
