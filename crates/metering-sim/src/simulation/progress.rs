//! The progress of the stream, as `GET /usage` shows it.

use metering_core::claims::owner::ShardName;
use metering_core::stream_progress::{StreamShard, counted_before_ms};

use super::Simulation;
use crate::ports::lock;
use crate::stream::{STREAM_ARN, Shard};

impl Simulation<'_> {
    /// Checks that the calls that the progress promises are counted.
    pub(super) fn check_progress(&mut self) -> Result<(), String> {
        let shards: Vec<StreamShard> = self.shards.iter().map(|shard| self.stream_shard(shard)).collect();
        let store = &lock(&self.backend).store;
        let before_ms = counted_before_ms(&shards, |shard_id| {
            store.head(&ShardName::new(STREAM_ARN, shard_id)?)?.committed_arrival_ms
        });
        before_ms.map_or(Ok(()), |before_ms| self.promises.check(&self.log, store, before_ms))
    }

    fn stream_shard(&self, shard: &Shard) -> StreamShard {
        StreamShard {
            shard_id: shard.id.clone(),
            parents: shard.parents.iter().map(|parent| self.shards[*parent].id.clone()).collect(),
            is_open: !shard.is_closed,
        }
    }
}
