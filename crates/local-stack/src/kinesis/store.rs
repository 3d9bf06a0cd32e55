//! Streams, shards and records in an SQLite file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::error::KinesisError;
use super::iterator::Position;
use super::sequence::{digits_of, storage_form};
use super::shard::{Shard, even_ranges, hash_key, shard_id};
use super::stream_mode::StreamMode;
use super::stream_row::horizon_ms;
use super::throughput::Throughput;
use crate::names::ACCOUNT_ID;
use crate::sqlite;
use crate::sync::locked;

/// Maximum size of the data that one `GetRecords` returns, in bytes. Source: Kinesis API Reference,
/// `GetRecords`.
const MAX_READ_BYTES: usize = 10 << 20;

/// Maximum number of open shards of an account. Source: Kinesis Developer Guide, "Quotas and
/// limits", default of most regions.
pub(super) const SHARD_LIMIT: usize = 500;

/// Version of the tables below, stored as SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 2;
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS streams (
    name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, mode TEXT NOT NULL, monitoring TEXT NOT NULL DEFAULT '',
    retention_hours INTEGER NOT NULL DEFAULT 24, updating_until_ms INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS shards (
    stream TEXT NOT NULL, shard_id TEXT NOT NULL, shard_index INTEGER NOT NULL, created_ms INTEGER NOT NULL,
    start_hash TEXT NOT NULL, end_hash TEXT NOT NULL, parent TEXT, adjacent_parent TEXT,
    last_counter INTEGER NOT NULL DEFAULT 0, last_arrived_ms INTEGER NOT NULL DEFAULT 0, ending_sequence TEXT,
    closed_ms INTEGER, PRIMARY KEY (stream, shard_id));
CREATE TABLE IF NOT EXISTS records (
    stream TEXT NOT NULL, shard_id TEXT NOT NULL, sequence TEXT NOT NULL,
    partition_key TEXT NOT NULL, arrived_ms INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (stream, shard_id, sequence));
CREATE TABLE IF NOT EXISTS tags (
    stream TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (stream, key));
CREATE TABLE IF NOT EXISTS changes (stream TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL);
";
/// Migrates tables of version 1. The closing time of a shard is the creation time of its first
/// child.
const TO_VERSION_2: &str = "
BEGIN;
ALTER TABLE streams ADD COLUMN mode TEXT NOT NULL DEFAULT 'PROVISIONED';
ALTER TABLE streams ADD COLUMN monitoring TEXT NOT NULL DEFAULT '';
ALTER TABLE shards ADD COLUMN closed_ms INTEGER;
UPDATE shards SET closed_ms = (
    SELECT MIN(child.created_ms) FROM shards AS child WHERE child.stream = shards.stream
    AND shards.shard_id IN (child.parent, child.adjacent_parent)) WHERE ending_sequence IS NOT NULL;
COMMIT;
";
/// Tables with a column `stream`, whose rows are deleted with the stream.
const TABLES_OF_STREAM: [&str; 4] = ["records", "shards", "tags", "changes"];

/// A record to put.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Text whose MD5 digest is the record's hash key, unless `explicit_hash_key` is set.
    pub partition_key: String,
    /// Hash key that overrides the digest of the partition key.
    pub explicit_hash_key: Option<String>,
    pub data: Vec<u8>,
}

impl NewRecord {
    /// Returns the size that counts towards the throughput: data and partition key, in bytes.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// Position of a record that was put.
#[derive(Debug, Clone)]
pub struct PlacedRecord {
    pub shard_id: String,
    /// Sequence number in storage form.
    pub sequence: String,
}

/// A record of a stream.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Sequence number in storage form.
    pub sequence: String,
    pub partition_key: String,
    /// Arrival time in milliseconds since 1970.
    pub arrived_ms: i64,
    pub data: Vec<u8>,
}

/// Result of [`KinesisStore::read`].
#[derive(Debug)]
pub struct ReadResult {
    /// Records in the order of their sequence numbers.
    pub records: Vec<StoredRecord>,
    /// Position of the next read; `None` at the end of a closed shard.
    pub next: Option<Position>,
    /// Age of the last record read, in milliseconds; 0 if the read reached the end of the shard.
    pub millis_behind_latest: i64,
}

/// Storage of all streams of the account.
#[derive(Debug)]
pub struct KinesisStore {
    connection: Mutex<Connection>,
    throughput: Throughput,
    update_ms: u64,
}

impl KinesisStore {
    /// Opens the file and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or was written by a later version of this
    /// program.
    pub fn open(path: &Path) -> Result<Self, KinesisError> {
        let connection = sqlite::open(path)?;
        prepare(&connection)?;
        Ok(Self { connection: Mutex::new(connection), throughput: Throughput::default(), update_ms: 0 })
    }

    /// Sets how long a stream is `UPDATING` after a change, in milliseconds. On AWS this takes some
    /// time; the default here is 0.
    #[must_use]
    pub fn with_update_ms(self, update_ms: u64) -> Self {
        Self { update_ms, ..self }
    }

    pub(super) fn update_ms(&self) -> u64 {
        self.update_ms
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        locked(&self.connection)
    }

    pub(super) fn throughput(&self) -> &Throughput {
        &self.throughput
    }

    /// Creates a stream of `shard_count` shards.
    pub fn create_stream(
        &self,
        name: &str,
        shard_count: u32,
        mode: StreamMode,
        now_ms: i64,
    ) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let created = transaction.execute(
            "INSERT OR IGNORE INTO streams (name, created_ms, mode) VALUES (?, ?, ?)",
            params![name, now_ms, mode.name()],
        )?;
        if created == 0 {
            return Err(KinesisError::in_use(format!(
                "Stream {name} under account {ACCOUNT_ID} already exists."
            )));
        }
        require_shard_quota(&transaction, shard_count as usize)?;
        for range in even_ranges(shard_count) {
            insert_shard(&transaction, name, range, (None, None), now_ms)?;
        }
        Ok(transaction.commit()?)
    }

    /// Deletes a stream and its records.
    pub fn delete_stream(&self, name: &str) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        stream_created_ms(&connection, name)?;
        let transaction = connection.transaction()?;
        for table in TABLES_OF_STREAM {
            transaction.execute(&format!("DELETE FROM {table} WHERE stream = ?"), [name])?;
        }
        transaction.execute("DELETE FROM streams WHERE name = ?", [name])?;
        self.throughput.forget(name);
        Ok(transaction.commit()?)
    }

    /// Returns the names of all streams in alphabetical order.
    pub fn stream_names(&self) -> Result<Vec<String>, KinesisError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT name FROM streams ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Returns the creation time of a stream, in milliseconds since 1970.
    pub fn stream_created_ms(&self, name: &str) -> Result<i64, KinesisError> {
        stream_created_ms(&self.lock(), name)
    }

    /// Returns the shards of a stream, including closed ones, in order of creation.
    pub fn shards(&self, stream: &str) -> Result<Vec<Shard>, KinesisError> {
        shards(&self.lock(), stream)
    }

    /// Stores records in one transaction and returns the result for each record. A record that
    /// exceeds the throughput of its shard is refused; the others are stored.
    pub fn put(
        &self,
        stream: &str,
        records: &[NewRecord],
        now_ms: i64,
    ) -> Result<Vec<Result<PlacedRecord, KinesisError>>, KinesisError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut shards = shards(&transaction, stream)?;
        let mut placed = Vec::with_capacity(records.len());
        for record in records {
            let hash_key = hash_key(&record.partition_key, record.explicit_hash_key.as_deref())?;
            let shard = shards
                .iter_mut()
                .find(|shard| shard.is_open() && shard.contains(hash_key))
                .ok_or_else(|| KinesisError::no_stream(stream))?;
            if let Err(refusal) = self.throughput.write(stream, &shard.shard_id, record.bytes(), now_ms) {
                placed.push(Err(refusal));
                continue;
            }
            let position = shard.next(now_ms);
            let sequence = position.storage_form()?;
            transaction
                .prepare_cached("INSERT INTO records (stream, shard_id, sequence, partition_key, arrived_ms, data) VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![stream, shard.shard_id, sequence, record.partition_key, position.arrived_ms, record.data])?;
            shard.last_counter = position.counter;
            shard.last_arrived_ms = position.arrived_ms;
            placed.push(Ok(PlacedRecord { shard_id: shard.shard_id.clone(), sequence }));
        }
        for shard in shards.iter().filter(|shard| shard.is_open()) {
            transaction
                .prepare_cached("UPDATE shards SET last_counter = ?, last_arrived_ms = ? WHERE stream = ? AND shard_id = ?")?
                .execute(params![shard.last_counter, shard.last_arrived_ms, stream, shard.shard_id])?;
        }
        transaction.commit()?;
        Ok(placed)
    }

    /// Reads up to `limit` records of a shard, starting at a position.
    pub fn read(
        &self,
        stream: &str,
        shard_id: &str,
        position: &Position,
        limit: usize,
        now_ms: i64,
    ) -> Result<ReadResult, KinesisError> {
        let connection = self.lock();
        let shard = find_shard(&connection, stream, shard_id)?;
        let (condition, bound) = match position {
            Position::AtSequence(sequence) => ("sequence >= ?3", sequence.clone()),
            Position::AfterSequence(sequence) => ("sequence > ?3", sequence.clone()),
            Position::AtTimestamp(ms) => ("arrived_ms >= CAST(?3 AS INTEGER)", ms.to_string()),
        };
        let query = format!(
            "SELECT sequence, partition_key, arrived_ms, data FROM records \
             WHERE stream = ?1 AND shard_id = ?2 AND {condition} AND arrived_ms >= ?4 ORDER BY sequence LIMIT ?5"
        );
        let mut statement = connection.prepare_cached(&query)?;
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
        let horizon_ms = horizon_ms(&connection, stream, now_ms)?;
        let mut rows = statement.query(params![stream, shard_id, bound, horizon_ms, one_more])?;
        let (mut records, mut bytes, mut more) = (Vec::new(), 0, false);
        while let Some(row) = rows.next()? {
            let record = StoredRecord {
                sequence: row.get(0)?,
                partition_key: row.get(1)?,
                arrived_ms: row.get(2)?,
                data: row.get(3)?,
            };
            bytes += record.data.len();
            more = records.len() == limit || (bytes > MAX_READ_BYTES && !records.is_empty());
            if more {
                break;
            }
            records.push(record);
        }
        let last = records.last();
        let next = match last {
            Some(record) => Position::AfterSequence(record.sequence.clone()),
            None => position.clone(),
        };
        let millis_behind_latest =
            if more { last.map_or(0, |record| (now_ms - record.arrived_ms).max(0)) } else { 0 };
        let at_end = !more && !shard.is_open();
        Ok(ReadResult { records, next: (!at_end).then_some(next), millis_behind_latest })
    }

    /// Returns the position after the last record of a shard.
    pub fn latest(&self, stream: &str, shard_id: &str) -> Result<Position, KinesisError> {
        let connection = self.lock();
        let shard = find_shard(&connection, stream, shard_id)?;
        let last: Option<String> = connection.query_row(
            "SELECT MAX(sequence) FROM records WHERE stream = ? AND shard_id = ?",
            [stream, shard_id],
            |row| row.get(0),
        )?;
        last.map_or_else(|| shard.start().storage_form(), Ok).map(Position::AfterSequence)
    }

    /// Returns the id of each shard with the digits of its last sequence number; `None` for a shard
    /// without records.
    pub fn last_sequence_numbers(&self, stream: &str) -> Result<Vec<(String, Option<String>)>, KinesisError> {
        let connection = self.lock();
        shards(&connection, stream)?
            .into_iter()
            .map(|shard| {
                let query = "SELECT MAX(sequence) FROM records WHERE stream = ? AND shard_id = ?";
                let last: Option<String> = connection
                    .prepare_cached(query)?
                    .query_row([stream, &shard.shard_id], |row| row.get(0))?;
                Ok((shard.shard_id, last.map(|sequence| digits_of(&sequence).to_owned())))
            })
            .collect()
    }
}

/// Creates the tables of a new file and migrates those of an older one.
fn prepare(connection: &Connection) -> Result<(), KinesisError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Err(KinesisError::newer_file());
    }
    if version < 2 && connection.table_exists(None, "streams")? {
        connection.execute_batch(TO_VERSION_2)?;
    }
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(connection.execute_batch(SCHEMA)?)
}

/// Returns an error if `added` more open shards would exceed [`SHARD_LIMIT`].
pub(super) fn require_shard_quota(connection: &Connection, added: usize) -> Result<(), KinesisError> {
    let query = "SELECT COUNT(*) FROM shards WHERE closed_ms IS NULL";
    let open: i64 = connection.query_row(query, [], |row| row.get(0))?;
    let open = usize::try_from(open).unwrap_or(0);
    if open + added > SHARD_LIMIT {
        return Err(KinesisError::too_many_shards(open, SHARD_LIMIT, added));
    }
    Ok(())
}

/// Returns the creation time of a stream, in milliseconds since 1970.
pub(super) fn stream_created_ms(connection: &Connection, name: &str) -> Result<i64, KinesisError> {
    connection
        .query_row("SELECT created_ms FROM streams WHERE name = ?", [name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| KinesisError::no_stream(name))
}

/// Returns the shards of a stream, including closed ones, in order of creation.
pub(super) fn shards(connection: &Connection, stream: &str) -> Result<Vec<Shard>, KinesisError> {
    stream_created_ms(connection, stream)?;
    let query = format!("SELECT {} FROM shards WHERE stream = ? ORDER BY shard_index", Shard::COLUMNS);
    let mut statement = connection.prepare_cached(&query)?;
    let shards = statement.query_map([stream], Shard::from_row)?;
    Ok(shards.collect::<Result<_, _>>()?)
}

/// Returns the shard with the id `wanted`.
pub(super) fn find_shard(connection: &Connection, stream: &str, wanted: &str) -> Result<Shard, KinesisError> {
    shards(connection, stream)?
        .into_iter()
        .find(|shard| shard.shard_id == wanted)
        .ok_or_else(|| KinesisError::no_shard(stream, wanted))
}

/// Adds an open shard with the next free index.
pub(super) fn insert_shard(
    transaction: &Transaction<'_>,
    stream: &str,
    (start, end): (u128, u128),
    (parent, adjacent_parent): (Option<&str>, Option<&str>),
    created_ms: i64,
) -> Result<(), KinesisError> {
    let index: i64 =
        transaction.query_row("SELECT COUNT(*) FROM shards WHERE stream = ?", [stream], |row| row.get(0))?;
    transaction.execute(
        "INSERT INTO shards (stream, shard_id, shard_index, created_ms, start_hash, end_hash, parent, adjacent_parent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![stream, shard_id(index), index, created_ms, start.to_string(), end.to_string(), parent, adjacent_parent],
    )?;
    Ok(())
}

/// Closes a shard. Its ending sequence number is the one that its next record would have got.
pub(super) fn close_shard(
    transaction: &Transaction<'_>,
    stream: &str,
    shard: &Shard,
    now_ms: i64,
) -> Result<(), KinesisError> {
    let ending = storage_form(&shard.next(now_ms).digits())?;
    transaction.execute(
        "UPDATE shards SET ending_sequence = ?, closed_ms = ? WHERE stream = ? AND shard_id = ?",
        params![ending, now_ms, stream, shard.shard_id],
    )?;
    Ok(())
}

/// Returns the digits of the ending sequence number of a closed shard, or `None` for an open one.
pub(super) fn ending_digits(shard: &Shard) -> Option<&str> {
    shard.ending_sequence.as_deref().map(digits_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of schema version 1, before streams had modes.
    const VERSION_1: &str = "
    CREATE TABLE streams (
        name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL,
        retention_hours INTEGER NOT NULL DEFAULT 24, updating_until_ms INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE shards (
        stream TEXT NOT NULL, shard_id TEXT NOT NULL, shard_index INTEGER NOT NULL, created_ms INTEGER NOT NULL,
        start_hash TEXT NOT NULL, end_hash TEXT NOT NULL, parent TEXT, adjacent_parent TEXT,
        last_counter INTEGER NOT NULL DEFAULT 0, last_arrived_ms INTEGER NOT NULL DEFAULT 0, ending_sequence TEXT,
        PRIMARY KEY (stream, shard_id));
    INSERT INTO streams (name, created_ms) VALUES ('s', 1000);
    INSERT INTO shards (stream, shard_id, shard_index, created_ms, start_hash, end_hash, parent, ending_sequence) VALUES
        ('s', 'shardId-000000000000', 0, 1000, '0', '9', NULL, '056x'),
        ('s', 'shardId-000000000001', 1, 5000, '0', '4', 'shardId-000000000000', NULL),
        ('s', 'shardId-000000000002', 2, 5000, '5', '9', 'shardId-000000000000', NULL);
    ";

    #[test]
    fn a_file_of_before_is_read_and_one_of_later_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kinesis.sqlite");
        Connection::open(&path).unwrap().execute_batch(VERSION_1).unwrap();
        for _ in 0..2 {
            let store = KinesisStore::open(&path).unwrap();
            assert_eq!(store.mode("s").unwrap(), StreamMode::Provisioned);
            let closed: Vec<Option<i64>> =
                store.shards("s").unwrap().iter().map(|shard| shard.closed_ms).collect();
            assert_eq!(closed, [Some(5_000), None, None]);
        }
        Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        assert!(KinesisStore::open(&path).unwrap_err().message.contains("later version"));
    }
}
