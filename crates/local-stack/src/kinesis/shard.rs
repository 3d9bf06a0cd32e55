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
    /// When it was closed, in milliseconds since 1970.
    pub closed_ms: Option<i64>,
}

/// The id of the shard with this index.
pub fn shard_id(index: i64) -> String {
    format!("shardId-{index:012}")
}

impl Shard {
    /// The columns that [`Self::from_row`] reads.
    pub const COLUMNS: &str = "shard_id, shard_index, created_ms, start_hash, end_hash, parent, adjacent_parent, last_counter, last_arrived_ms, ending_sequence, closed_ms";

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
            closed_ms: row.get(10)?,
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
    digits.parse().map_err(|_| {
        KinesisError::invalid(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {digits}"
        ))
    })
}

/// Divides the hash keys over `count` shards: each has 2^128 / `count` of them,
/// rounded down, and the last one the rest as well.
///
/// Source: answers of AWS, as kinesalite's `createStream` has them.
pub fn even_ranges(count: u32) -> Vec<(u128, u128)> {
    if count == 1 {
        return vec![(0, u128::MAX)];
    }
    let count = u128::from(count);
    // 2^128 itself does not fit.
    let width = u128::MAX / count + u128::from(u128::MAX % count == count - 1);
    let end = |index: u128| if index + 1 == count { u128::MAX } else { (index + 1) * width - 1 };
    (0..count).map(|index| (index * width, end(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_have_the_hash_keys_that_aws_gives_them() {
        assert_eq!(even_ranges(1), [(0, u128::MAX)]);
        let half = 170_141_183_460_469_231_731_687_303_715_884_105_728;
        assert_eq!(even_ranges(2), [(0, half - 1), (half, u128::MAX)]);
        let third = 113_427_455_640_312_821_154_458_202_477_256_070_485;
        assert_eq!(even_ranges(3), [(0, third - 1), (third, 2 * third - 1), (2 * third, u128::MAX)]);
        let quarter: u128 = 1 << 126;
        assert_eq!(even_ranges(4)[2], (2 * quarter, 3 * quarter - 1));
    }
}
