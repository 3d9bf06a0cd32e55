//! What the parts of an event source mapping share: its settings, errors and checkpoints.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Record;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;

use super::function::{Function, Invoked};
use super::invocation_record::{GiveUp, GivenUp, OnFailureDestination};
use crate::s3::S3Error;
use crate::sqlite;
use crate::sync::locked;

/// How the stream is read. The names are those of the Lambda API.
#[derive(Debug, Clone)]
pub struct MappingSettings {
    /// The stream.
    pub stream: String,
    /// The most records of a batch.
    pub batch_size: usize,
    /// How long to wait for a batch to fill, in milliseconds.
    pub batch_window_ms: u64,
    /// How long to wait before an empty shard is asked again, in milliseconds.
    pub poll_interval_ms: u64,
    /// Whether a batch on which the function failed is halved.
    pub bisect_on_error: bool,
    /// How often a batch is tried again; `None` until it expires.
    pub max_retries: Option<u32>,
    /// How old a record may become before it is given up, in milliseconds.
    pub max_record_age_ms: Option<i64>,
    /// Where records that were given up are kept, with their payload.
    pub on_failure: OnFailureDestination,
}

/// Why a mapping cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The stream did not answer.
    #[error("{operation} on the stream failed")]
    Stream {
        /// The operation.
        operation: &'static str,
        /// What the service said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stream gave no iterator.
    #[error("the stream gave no shard iterator")]
    NoIterator,
    /// The checkpoints cannot be kept.
    #[error("the checkpoints cannot be read or written")]
    Checkpoints(#[from] rusqlite::Error),
    /// Records that were given up cannot be kept.
    #[error("the on-failure destination cannot be written")]
    OnFailure(#[from] S3Error),
}

impl MappingError {
    /// An error of the stream.
    pub fn stream(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Stream { operation, source: Box::new(error) }
    }
}

/// How far each shard has been processed, on disk.
#[derive(Debug)]
pub struct Checkpoints {
    connection: Mutex<Connection>,
    changes: watch::Sender<u64>,
}

impl Checkpoints {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be opened.
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

    /// The last sequence number of a shard that was processed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_shard(&self, shard_id: &str) -> rusqlite::Result<Option<String>> {
        let query = "SELECT sequence_number FROM checkpoints WHERE shard_id = ?";
        Ok(self.lock().query_row(query, [shard_id], |row| row.get(0)).optional()?.flatten())
    }

    /// Whether a shard was read to its end.
    ///
    /// # Errors
    /// When the file cannot be read.
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

    /// Notes that a shard was read to its end.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(&self, shard_id: &str) -> rusqlite::Result<()> {
        let query = "INSERT INTO checkpoints (shard_id, finished) VALUES (?1, 1)
                     ON CONFLICT (shard_id) DO UPDATE SET finished = 1";
        self.lock().execute(query, [shard_id])?;
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Forgets everything: the stream is read from TRIM_HORIZON again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn clear(&self) -> rusqlite::Result<()> {
        self.lock().execute("DELETE FROM checkpoints", [])?;
        Ok(())
    }

    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Records that still have to be delivered, and how often that was tried.
pub(super) struct Pending {
    pub records: Vec<Record>,
    /// How often the function was invoked with them.
    pub attempts: u32,
    /// The last of these invocations.
    pub last: Option<Invoked>,
}

impl Pending {
    pub fn new(records: Vec<Record>) -> Self {
        Self { records, attempts: 0, last: None }
    }
}

/// What the readers of all shards share.
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

    /// Keeps the first `count` records of a batch at the on-failure
    /// destination, takes them out of the batch and goes on after them.
    pub(super) fn give_up(
        &self,
        shard_id: &str,
        pending: &mut Pending,
        count: usize,
        reason: GiveUp,
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
        let key = self.settings.on_failure.keep(&given_up)?;
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
