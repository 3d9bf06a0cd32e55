//! Splitting and merging shards.

use super::error::KinesisError;
use super::shard::{Shard, parse_hash_key};
use super::store::{KinesisStore, close_shard, find_shard, insert_shard};

impl KinesisStore {
    /// Closes a shard and opens two that share its hash keys.
    pub fn split_shard(
        &self,
        stream: &str,
        shard_id: &str,
        new_starting_hash_key: &str,
        now_ms: i64,
    ) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let shard = find_shard(&transaction, stream, shard_id)?;
        require_open(&shard)?;
        let middle = parse_hash_key(new_starting_hash_key)?;
        if middle <= shard.start_hash_key || middle > shard.end_hash_key {
            return Err(KinesisError::invalid(format!(
                "the new starting hash key {middle} has to be above {} and at most {}",
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

    /// Closes two shards with adjacent hash keys and opens one that has them all.
    pub fn merge_shards(
        &self,
        stream: &str,
        shard_id: &str,
        adjacent_id: &str,
        now_ms: i64,
    ) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let (shard, adjacent) =
            (find_shard(&transaction, stream, shard_id)?, find_shard(&transaction, stream, adjacent_id)?);
        let (low, high) = if shard.start_hash_key < adjacent.start_hash_key {
            (&shard, &adjacent)
        } else {
            (&adjacent, &shard)
        };
        for shard in [low, high] {
            require_open(shard)?;
        }
        if low.end_hash_key.checked_add(1) != Some(high.start_hash_key) {
            return Err(KinesisError::invalid(format!(
                "the shards {shard_id} and {adjacent_id} are not adjacent"
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
}

fn require_open(shard: &Shard) -> Result<(), KinesisError> {
    if shard.is_open() {
        Ok(())
    } else {
        Err(KinesisError::invalid(format!("the shard {} is closed", shard.shard_id)))
    }
}
