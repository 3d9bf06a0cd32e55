//! Splitting and merging shards.

use std::cmp::Ordering;

use rusqlite::Connection;

use super::error::KinesisError;
use super::shard::{Shard, parse_hash_key};
use super::store::{KinesisStore, close_shard, find_shard, insert_shard, require_shard_quota, shards};
use crate::names::ACCOUNT_ID;

impl KinesisStore {
    /// Closes a shard and opens two child shards that divide its hash key range.
    pub fn split_shard(
        &self,
        stream: &str,
        shard_id: &str,
        new_starting_hash_key: &str,
        now_ms: i64,
    ) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let shard = shard_to_change(&transaction, stream, shard_id)?;
        require_open(stream, &shard)?;
        require_shard_quota(&transaction, 1)?;
        let middle = parse_hash_key(new_starting_hash_key)?;
        if middle <= shard.start_hash_key.saturating_add(1) || middle >= shard.end_hash_key {
            return Err(KinesisError::invalid(format!(
                "NewStartingHashKey {middle} used in SplitShard() on shard {shard_id} in stream {stream} under account {ACCOUNT_ID} is not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
                shard.start_hash_key, shard.end_hash_key
            )));
        }
        close_shard(&transaction, stream, &shard, now_ms)?;
        let created_ms = now_ms.max(shard.created_ms).max(shard.last_arrived_ms);
        for range in [(shard.start_hash_key, middle - 1), (middle, shard.end_hash_key)] {
            insert_shard(&transaction, stream, range, (Some(shard_id), None), created_ms)?;
        }
        Ok(transaction.commit()?)
    }

    /// Closes two shards with adjacent hash key ranges and opens one child shard that covers both
    /// ranges.
    pub fn merge_shards(
        &self,
        stream: &str,
        shard_id: &str,
        adjacent_id: &str,
        now_ms: i64,
    ) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let (shard, adjacent) = (
            shard_to_change(&transaction, stream, shard_id)?,
            shard_to_change(&transaction, stream, adjacent_id)?,
        );
        let (low, high) = if shard.start_hash_key < adjacent.start_hash_key {
            (&shard, &adjacent)
        } else {
            (&adjacent, &shard)
        };
        for shard in [low, high] {
            require_open(stream, shard)?;
        }
        if low.end_hash_key.checked_add(1) != Some(high.start_hash_key) {
            return Err(KinesisError::invalid(format!(
                "Shards {shard_id} and {adjacent_id} in stream {stream} under account {ACCOUNT_ID} are not an adjacent pair of shards eligible for merging"
            )));
        }
        let mut created_ms = now_ms;
        for shard in [low, high] {
            close_shard(&transaction, stream, shard, now_ms)?;
            created_ms = created_ms.max(shard.created_ms).max(shard.last_arrived_ms);
        }
        let range = (low.start_hash_key, high.end_hash_key);
        insert_shard(&transaction, stream, range, (Some(shard_id), Some(adjacent_id)), created_ms)?;
        Ok(transaction.commit()?)
    }

    /// Splits or merges shards until `target` shards are open, and returns the number of shards
    /// that were open before. It splits the widest shard in its middle and merges the narrowest
    /// pair of neighbours, so that the shards stay similar in width.
    ///
    /// Source: Kinesis API Reference, `UpdateShardCount`: at most double and at least half of the
    /// present number in one request, and ten requests in 24 hours.
    pub fn update_shard_count(
        &self,
        stream: &str,
        target: usize,
        now_ms: i64,
    ) -> Result<usize, KinesisError> {
        let before = self.open_shards(stream)?.len();
        require_shard_quota(&self.lock(), target.saturating_sub(before))?;
        if target > 2 * before || target < before.div_ceil(2) {
            return Err(KinesisError::invalid(format!(
                "TargetShardCount is {target}; one request can change {before} shards to between {} and {}",
                before.div_ceil(2),
                2 * before
            )));
        }
        loop {
            let open = self.open_shards(stream)?;
            match open.len().cmp(&target) {
                Ordering::Less => {
                    let Some(widest) = open.iter().max_by_key(|shard| width(shard)) else {
                        return Ok(before);
                    };
                    let middle = widest.start_hash_key + width(widest) / 2 + 1;
                    self.split_shard(stream, &widest.shard_id, &middle.to_string(), now_ms)?;
                }
                Ordering::Greater => {
                    let pairs =
                        open.windows(2).min_by_key(|pair| width(&pair[0]).saturating_add(width(&pair[1])));
                    let Some([low, high]) = pairs else { return Ok(before) };
                    self.merge_shards(stream, &low.shard_id, &high.shard_id, now_ms)?;
                }
                Ordering::Equal => return Ok(before),
            }
        }
    }

    /// Returns the open shards of a stream, ordered by hash key.
    fn open_shards(&self, stream: &str) -> Result<Vec<Shard>, KinesisError> {
        let mut open: Vec<Shard> = self.shards(stream)?.into_iter().filter(Shard::is_open).collect();
        open.sort_by_key(|shard| shard.start_hash_key);
        Ok(open)
    }
}

/// Returns the shard that is to be split or merged.
///
/// Source of the message: an AWS response, as recorded in moto's `tests/test_kinesis`.
fn shard_to_change(connection: &Connection, stream: &str, shard_id: &str) -> Result<Shard, KinesisError> {
    find_shard(connection, stream, shard_id).map_err(|error| match error.code {
        "ResourceNotFoundException" if shards(connection, stream).is_ok() => {
            KinesisError::no_shard_to_change(stream, shard_id)
        }
        _ => error,
    })
}

fn width(shard: &Shard) -> u128 {
    shard.end_hash_key - shard.start_hash_key
}

fn require_open(stream: &str, shard: &Shard) -> Result<(), KinesisError> {
    if shard.is_open() {
        return Ok(());
    }
    Err(KinesisError::invalid(format!(
        "Shard {} in stream {stream} under account {ACCOUNT_ID} has already been merged or split, and thus is not eligible for merging or splitting.",
        shard.shard_id
    )))
}
