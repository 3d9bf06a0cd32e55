//! Shards, their hash key ranges and their parents.

use md5::{Digest, Md5};
use rusqlite::Row;

use super::error::KinesisError;
use super::sequence::SequencePosition;

#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the names of the Kinesis API")]
pub struct Shard {
    /// Shard id, for example `shardId-000000000000`.
    pub shard_id: String,
    /// Index in the stream, in order of creation.
    pub index: i64,
    /// Creation time in milliseconds since 1970.
    pub created_ms: i64,
    /// First hash key of the shard's range.
    pub start_hash_key: u128,
    /// Last hash key of the shard's range (inclusive).
    pub end_hash_key: u128,
    /// Id of the shard that was split or merged into this one.
    pub parent: Option<String>,
    /// Id of the second parent of a merged shard.
    pub adjacent_parent: Option<String>,
    /// [`SequencePosition::counter`] of the last record.
    pub last_counter: i64,
    /// Arrival time of the last record, in milliseconds since 1970.
    pub last_arrived_ms: i64,
    /// Sequence number at which the shard was closed, in storage form.
    pub ending_sequence: Option<String>,
    /// Time at which the shard was closed, in milliseconds since 1970.
    pub closed_ms: Option<i64>,
}

/// Returns the id of the shard with this index.
pub fn shard_id(index: i64) -> String {
    format!("shardId-{index:012}")
}

impl Shard {
    /// Columns that [`Self::from_row`] reads, in order.
    pub const COLUMNS: &str = "shard_id, shard_index, created_ms, start_hash, end_hash, parent, adjacent_parent, last_counter, last_arrived_ms, ending_sequence, closed_ms";

    /// Reads a row of the table `shards`.
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

    /// Returns `true` if the shard still accepts records.
    pub fn is_open(&self) -> bool {
        self.ending_sequence.is_none()
    }

    /// Returns `true` if the hash key is in the shard's range.
    pub fn contains(&self, hash_key: u128) -> bool {
        (self.start_hash_key..=self.end_hash_key).contains(&hash_key)
    }

    /// Returns the position before the shard's first record.
    pub fn start(&self) -> SequencePosition {
        self.position(0, 0)
    }

    /// Returns the position of the shard's next record if it arrives at `now_ms`.
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

/// Returns the hash key of a record: the explicit one, or else the MD5 digest of the partition key.
///
/// Source: Kinesis API Reference, `PutRecord`.
pub fn hash_key(partition_key: &str, explicit: Option<&str>) -> Result<u128, KinesisError> {
    match explicit {
        Some(digits) => parse_hash_key(digits),
        None => Ok(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())),
    }
}

/// Parses a hash key, a decimal number below 2^128.
pub fn parse_hash_key(digits: &str) -> Result<u128, KinesisError> {
    digits.parse().map_err(|_| {
        KinesisError::invalid(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {digits}"
        ))
    })
}

/// Divides the hash keys among `count` shards. Each shard gets 2^128 / `count` hash keys, rounded
/// down; the last shard also gets the remainder.
///
/// Source: AWS responses, as recorded in kinesalite's `createStream`.
pub fn even_ranges(count: u32) -> Vec<(u128, u128)> {
    if count == 1 {
        return vec![(0, u128::MAX)];
    }
    let count = u128::from(count);
    // 2^128 does not fit into a `u128`.
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
