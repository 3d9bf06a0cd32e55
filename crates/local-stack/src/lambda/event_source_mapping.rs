//! The event source mapping: shards, in the order of their lineage, to a function.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Record, Shard};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::function::Function;
use super::invocation_record::{GiveUp, GivenUp, OnFailureDestination};
use super::shard_reader::{Pending, read_shard};
use crate::s3::S3Error;

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
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS checkpoints (shard_id TEXT PRIMARY KEY, sequence_number TEXT, finished INTEGER NOT NULL DEFAULT 0)",
        )?;
        Ok(Self { connection: Mutex::new(connection), changes: watch::channel(0).0 })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A running mapping. It stops when it is dropped.
pub struct EventSourceMapping {
    task: JoinHandle<()>,
}

impl EventSourceMapping {
    /// Starts reading the stream from its checkpoints, or TRIM_HORIZON.
    pub fn start(
        client: Client,
        function: Arc<Function>,
        settings: MappingSettings,
        checkpoints: Arc<Checkpoints>,
    ) -> Self {
        let shared = Arc::new(Shared { client, function, settings, checkpoints });
        Self { task: tokio::spawn(supervise(shared)) }
    }

    /// Stops reading. A batch under way is delivered again later.
    pub async fn stop(mut self) {
        self.task.abort();
        // Wait until nothing is under way, so that a restart has one reader.
        let _ = (&mut self.task).await;
    }
}

impl Drop for EventSourceMapping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps one reader for every shard whose parents are finished.
async fn supervise(shared: Arc<Shared>) {
    let mut readers = JoinSet::new();
    let mut read_by: HashMap<tokio::task::Id, String> = HashMap::new();
    loop {
        match list_shards(&shared).await {
            Ok(shards) => {
                for shard in shards.iter().filter(|shard| is_ready(&shared, shard, &shards)) {
                    let shard_id = shard.shard_id().to_owned();
                    if !read_by.values().any(|running| *running == shard_id) {
                        let reader = readers.spawn(read_and_report(shared.clone(), shard_id.clone()));
                        read_by.insert(reader.id(), shard_id);
                    }
                }
            }
            Err(error) => tracing::warn!(cause = ?error, "listing the shards is tried again"),
        }
        tokio::time::sleep(Duration::from_millis(shared.settings.poll_interval_ms)).await;
        while let Some(ended) = readers.try_join_next_with_id() {
            read_by.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
        }
    }
}

async fn read_and_report(shared: Arc<Shared>, shard_id: String) {
    if let Err(error) = read_shard(&shared, &shard_id).await {
        tracing::warn!(shard_id, cause = ?error, "reading the shard is tried again");
    }
}

async fn list_shards(shared: &Shared) -> Result<Vec<Shard>, MappingError> {
    let reply = shared.client.list_shards().stream_name(&shared.settings.stream).send().await;
    Ok(reply.map_err(|error| MappingError::stream("ListShards", error))?.shards.unwrap_or_default())
}

/// A shard is read after all of its parents that the stream still lists.
fn is_ready(shared: &Shared, shard: &Shard, shards: &[Shard]) -> bool {
    let is_finished = |shard_id: &str| shared.checkpoints.is_finished(shard_id).unwrap_or(false);
    let mut parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()].into_iter().flatten();
    let is_listed = |parent: &str| shards.iter().any(|shard| shard.shard_id() == parent);
    !is_finished(shard.shard_id()) && parents.all(|parent| !is_listed(parent) || is_finished(parent))
}
