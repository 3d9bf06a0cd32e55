//! Settings, errors and checkpoints of an event source mapping.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Record;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;

use super::function::{Function, Invoked};
use super::invocation_record::{GiveUpReason, GivenUp, OnFailureDestination};
use crate::s3::S3Error;
use crate::sqlite;
use crate::sync::locked;

/// Settings of an event source mapping, named as in the Lambda API.
#[derive(Debug, Clone)]
pub struct MappingSettings {
    /// Name of the stream.
    pub stream: String,
    /// Maximum number of records in a batch.
    pub batch_size: usize,
    /// Maximum time to wait for a batch to fill, in milliseconds.
    pub batch_window_ms: u64,
    /// Delay before an empty shard is read again, in milliseconds.
    pub poll_interval_ms: u64,
    /// `true` if a batch is split in two after the function returned an error for it.
    pub bisect_on_error: bool,
    /// Maximum number of retries of a batch. `None` retries until the records expire.
    pub max_retries: Option<u32>,
    /// Maximum age of a record, in milliseconds. Older records are given up.
    pub max_record_age_ms: Option<i64>,
    /// Destination of records that are given up, with their payload.
    pub on_failure: OnFailureDestination,
}

/// An error that interrupts a mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A request to the stream failed.
    #[error("request {operation} to the stream failed")]
    Stream {
        /// Operation of the Kinesis API, for example `GetRecords`.
        operation: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stream returned no shard iterator.
    #[error("the stream returned no shard iterator")]
    NoIterator,
    #[error("the checkpoints cannot be read or written")]
    Checkpoints(#[from] rusqlite::Error),
    #[error("the on-failure destination cannot be written")]
    OnFailure(#[from] S3Error),
}

impl MappingError {
    /// Creates an error for a failed request to the stream.
    pub fn stream(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Stream { operation, source: Box::new(error) }
    }
}

/// Last processed record of each shard, on disk.
#[derive(Debug)]
pub struct Checkpoints {
    connection: Mutex<Connection>,
    changes: watch::Sender<u64>,
}

impl Checkpoints {
    /// Opens the file and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = sqlite::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS checkpoints (shard_id TEXT PRIMARY KEY, sequence_number TEXT, finished INTEGER NOT NULL DEFAULT 0)",
        )?;
        Ok(Self { connection: Mutex::new(connection), changes: watch::channel(0).0 })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        locked(&self.connection)
    }

    /// Returns the sequence number of the last processed record of a shard, if any.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn get(&self, shard_id: &str) -> rusqlite::Result<Option<String>> {
        let query = "SELECT sequence_number FROM checkpoints WHERE shard_id = ?";
        Ok(self.lock().query_row(query, [shard_id], |row| row.get(0)).optional()?.flatten())
    }

    /// Returns `true` if the shard was read to its end.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn is_finished(&self, shard_id: &str) -> rusqlite::Result<bool> {
        let query = "SELECT finished FROM checkpoints WHERE shard_id = ?";
        Ok(self.lock().query_row(query, [shard_id], |row| row.get(0)).optional()?.unwrap_or(false))
    }

    fn set(&self, shard_id: &str, sequence_number: &str) -> rusqlite::Result<()> {
        let query = "INSERT INTO checkpoints (shard_id, sequence_number) VALUES (?1, ?2)
                     ON CONFLICT (shard_id) DO UPDATE SET sequence_number = ?2";
        self.lock().execute(query, params![shard_id, sequence_number])?;
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Records that the shard was read to its end.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn finish(&self, shard_id: &str) -> rusqlite::Result<()> {
        let query = "INSERT INTO checkpoints (shard_id, finished) VALUES (?1, 1)
                     ON CONFLICT (shard_id) DO UPDATE SET finished = 1";
        self.lock().execute(query, [shard_id])?;
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Deletes all checkpoints, so that the stream is read from TRIM_HORIZON again.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn clear(&self) -> rusqlite::Result<()> {
        self.lock().execute("DELETE FROM checkpoints", [])?;
        Ok(())
    }

    /// Returns a receiver that is notified of every change of a checkpoint.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Records that are not processed yet, with their previous invocations.
pub(super) struct Pending {
    pub records: Vec<Record>,
    /// Number of invocations with these records.
    pub attempts: u32,
    /// The last of these invocations, if any.
    pub last: Option<Invoked>,
}

impl Pending {
    pub fn new(records: Vec<Record>) -> Self {
        Self { records, attempts: 0, last: None }
    }
}

/// State that the readers of all shards share.
pub struct Shared {
    pub(super) client: Client,
    pub(super) function: Arc<Function>,
    pub(super) settings: MappingSettings,
    pub(super) checkpoints: Arc<Checkpoints>,
}

impl Shared {
    pub(super) fn checkpoint(&self, shard_id: &str, last: Option<&Record>) -> Result<(), MappingError> {
        if let Some(record) = last {
            self.checkpoints.set(shard_id, record.sequence_number())?;
        }
        Ok(())
    }

    /// Writes the first `count` records of a batch to the on-failure destination, removes them from
    /// the batch, and moves the checkpoint past them.
    pub(super) fn give_up(
        &self,
        shard_id: &str,
        pending: &mut Pending,
        count: usize,
        reason: GiveUpReason,
    ) -> Result<(), MappingError> {
        let rest = pending.records.split_off(count);
        let records = std::mem::replace(&mut pending.records, rest);
        let given_up = GivenUp {
            stream: &self.settings.stream,
            function: self.function.name(),
            shard_id,
            records: &records,
            reason,
            invocations: pending.attempts,
            last: pending.last.as_ref(),
        };
        let key = self.settings.on_failure.write(&given_up)?;
        let bucket = &self.settings.on_failure.bucket;
        tracing::error!(
            shard_id,
            ?reason,
            records = records.len(),
            object = format!("s3://{bucket}/{key}"),
            "records were given up; list them with `meter given-up list`"
        );
        self.checkpoint(shard_id, records.last())
    }
}
