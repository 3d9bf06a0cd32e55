//! The progress of the subscription of a log group, and its late records.

use rusqlite::{OptionalExtension, params};

use super::LogGroup;

/// The progress of the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Id of the last delivered event.
    pub delivered: i64,
    /// Id of the last event of the delivery that was in progress when the subscription last stopped.
    pub planned: i64,
}

/// A record that waits for a late delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRecord {
    /// Ascending number.
    pub id: i64,
    /// Time at which the record began to wait, in milliseconds since 1970.
    pub since_ms: i64,
    /// Compressed data of the record.
    pub data: Vec<u8>,
}

impl LogGroup {
    /// Returns the progress of the subscription.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn progress(&self) -> rusqlite::Result<Progress> {
        let query = "SELECT delivered, planned FROM subscription";
        let progress =
            |row: &rusqlite::Row<'_>| Ok(Progress { delivered: row.get(0)?, planned: row.get(1)? });
        self.lock().query_row(query, [], progress)
    }

    /// Writes the id of the last event of a delivery before it begins.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn plan_delivery(&self, up_to: i64) -> rusqlite::Result<()> {
        self.lock().execute("UPDATE subscription SET planned = ?", [up_to]).map(|_| ())
    }

    /// Writes the id of the last delivered event.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn confirm_delivery(&self, up_to: i64) -> rusqlite::Result<()> {
        self.lock().execute("UPDATE subscription SET delivered = ?", [up_to]).map(|_| ())
    }

    /// Stores records that are delivered late.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn add_waiting(&self, records: &[Vec<u8>], since_ms: i64) -> rusqlite::Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for data in records {
            let query = "INSERT INTO waiting (since_ms, data) VALUES (?, ?)";
            transaction.prepare_cached(query)?.execute(params![since_ms, data])?;
        }
        transaction.commit()
    }

    /// Returns the record that has waited longest.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn first_waiting(&self) -> rusqlite::Result<Option<WaitingRecord>> {
        let query = "SELECT id, since_ms, data FROM waiting ORDER BY id LIMIT 1";
        let record = |row: &rusqlite::Row<'_>| {
            Ok(WaitingRecord { id: row.get(0)?, since_ms: row.get(1)?, data: row.get(2)? })
        };
        self.lock().query_row(query, [], record).optional()
    }

    /// Returns the number of waiting records.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn waiting_records(&self) -> rusqlite::Result<usize> {
        let count: i64 = self.lock().query_row("SELECT COUNT(*) FROM waiting", [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Deletes a record that was delivered.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn remove_waiting(&self, id: i64) -> rusqlite::Result<()> {
        self.lock().execute("DELETE FROM waiting WHERE id = ?", [id]).map(|_| ())
    }
}
