//! Shards: their hash key ranges and their lineage.

use md5::{Digest, Md5};
use rusqlite::Row;

use super::error::KinesisError;
use super::sequence::SequencePosition;

/// One shard.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the names of the Kinesis API")]
pub struct Shard {
    /// Its id, as `shardId-000000000000`.
    pub shard_id: String,
    /// Its index in the stream.
    pub index: i64,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// The first hash key that belongs to it.
    pub start_hash_key: u128,
    /// The last hash key that belongs to it.
    pub end_hash_key: u128,
    /// The shard it came from.
    pub parent: Option<String>,
    /// The second shard it was merged from.
    pub adjacent_parent: Option<String>,
    /// The counter of its last record.
    pub last_counter: i64,
    /// The arrival of its last record.
    pub last_arrived_ms: i64,
    /// The sequence number at which it was closed, in storage form.
    pub ending_sequence: Option<String>,
}

/// The id of the shard with this index.
pub fn shard_id(index: i64) -> String {
    format!("shardId-{index:012}")
}

impl Shard {
    /// The columns that [`Self::from_row`] reads.
    pub const COLUMNS: &str = "shard_id, shard_index, created_ms, start_hash, end_hash, parent, adjacent_parent, last_counter, last_arrived_ms, ending_sequence";

    /// Reads a row of the table of shards.
    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let hash_key = |column| row.get::<_, String>(column).map(|digits| digits.parse().unwrap_or(0));
        Ok(Self {
            shard_id: row.get(0)?,
            index: row.get(1)?,
            created_ms: row.get(2)?,
            start_hash_key: hash_key(3)?,
            end_hash_key: hash_key(4)?,
            parent: row.get(5)?,
            adjacent_parent: row.get(6)?,
            last_counter: row.get(7)?,
            last_arrived_ms: row.get(8)?,
            ending_sequence: row.get(9)?,
        })
    }

    /// Whether records can still be put on it.
    pub fn is_open(&self) -> bool {
        self.ending_sequence.is_none()
    }

    /// Whether a hash key belongs to it.
    pub fn contains(&self, hash_key: u128) -> bool {
        (self.start_hash_key..=self.end_hash_key).contains(&hash_key)
    }

    /// The place just before its first record.
    pub fn start(&self) -> SequencePosition {
        self.position(0, 0)
    }

    /// The place of its next record, arriving now.
    pub fn next(&self, now_ms: i64) -> SequencePosition {
        self.position(self.last_arrived_ms.max(now_ms), self.last_counter + 1)
    }

    fn position(&self, arrived_ms: i64, counter: i64) -> SequencePosition {
        SequencePosition {
            shard_created_s: self.created_ms / 1000,
            shard_index: self.index,
            arrived_ms,
            counter,
        }
    }
}

/// The hash key of a record: MD5 of its partition key, or the explicit one.
///
/// Source: Kinesis API Reference, `PutRecord`.
pub fn hash_key(partition_key: &str, explicit: Option<&str>) -> Result<u128, KinesisError> {
    match explicit {
        Some(digits) => parse_hash_key(digits),
        None => Ok(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())),
    }
}

/// Reads a hash key: a decimal number below 2^128.
pub fn parse_hash_key(digits: &str) -> Result<u128, KinesisError> {
    digits
        .parse()
        .map_err(|_| KinesisError::invalid(format!("the hash key {digits:?} is not a number below 2^128")))
}

/// Divides the hash keys evenly over `count` shards.
pub fn even_ranges(count: u32) -> Vec<(u128, u128)> {
    let width = u128::MAX / u128::from(count);
    (0..u128::from(count))
        .map(|index| {
            let end = if index + 1 == u128::from(count) { u128::MAX } else { (index + 1) * width - 1 };
            (index * width, end)
        })
        .collect()
}
