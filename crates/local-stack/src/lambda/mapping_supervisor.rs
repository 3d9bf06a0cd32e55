//! Runs an event source mapping, with one reader for each shard whose parents are finished.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Shard;
use tokio::task::{JoinHandle, JoinSet};

use super::event_source_mapping::{Checkpoints, MappingError, MappingSettings, Shared};
use super::function::Function;
use super::shard_reader::read_shard;

/// A running event source mapping, which stops when it is dropped.
pub struct EventSourceMapping {
    task: JoinHandle<()>,
}

impl EventSourceMapping {
    /// Starts to read each shard after its checkpoint, or at TRIM_HORIZON if it has none.
    pub fn start(
        client: Client,
        function: Arc<Function>,
        settings: MappingSettings,
        checkpoints: Arc<Checkpoints>,
    ) -> Self {
        let shared = Arc::new(Shared { client, function, settings, checkpoints });
        Self { task: tokio::spawn(supervise(shared)) }
    }

    /// Stops reading. A batch in progress is delivered again after the next start.
    pub async fn stop(mut self) {
        self.task.abort();
        // Wait for the end of the task, so that a restart does not read a shard twice at once.
        let _ = (&mut self.task).await;
    }
}

impl Drop for EventSourceMapping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs one reader for every shard whose parents are finished.
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
            Err(error) => tracing::warn!(cause = ?error, "listing the shards failed; retrying"),
        }
        tokio::time::sleep(Duration::from_millis(shared.settings.poll_interval_ms)).await;
        while let Some(ended) = readers.try_join_next_with_id() {
            read_by.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
        }
    }
}

async fn read_and_report(shared: Arc<Shared>, shard_id: String) {
    if let Err(error) = read_shard(&shared, &shard_id).await {
        tracing::warn!(shard_id, cause = ?error, "reading the shard failed; retrying");
    }
}

async fn list_shards(shared: &Shared) -> Result<Vec<Shard>, MappingError> {
    let response = shared.client.list_shards().stream_name(&shared.settings.stream).send().await;
    Ok(response.map_err(|error| MappingError::stream("ListShards", error))?.shards.unwrap_or_default())
}

/// Returns `true` if a shard can be read: it is not finished, and all of its parents that the
/// stream still lists are.
fn is_ready(shared: &Shared, shard: &Shard, shards: &[Shard]) -> bool {
    let is_finished = |shard_id: &str| shared.checkpoints.is_finished(shard_id).unwrap_or(false);
    let mut parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()].into_iter().flatten();
    let is_listed = |parent: &str| shards.iter().any(|shard| shard.shard_id() == parent);
    !is_finished(shard.shard_id()) && parents.all(|parent| !is_listed(parent) || is_finished(parent))
}
