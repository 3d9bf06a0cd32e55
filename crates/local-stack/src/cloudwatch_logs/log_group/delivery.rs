//! How far the subscription of a group has come, and what it delivers late.

use rusqlite::{OptionalExtension, params};

use super::LogGroup;

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

impl LogGroup {
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
