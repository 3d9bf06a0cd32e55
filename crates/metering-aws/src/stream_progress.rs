//! How far the stream is counted, from its shards and their heads.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::types::Shard;
use futures_util::{StreamExt, TryStreamExt};
use metering_core::claims::owner::ShardName;
use metering_core::ports::{ClaimStore, CountingProgress, PortError};
use metering_core::stream_progress::{StreamShard, counted_before_ms};

use crate::DynamoClaimStore;
use crate::error::port_error;

/// Time for which the list of shards is kept. Progress that is computed from an old list is never
/// later than the true one: the old list has the parents of the shards that it lacks.
const LIST_LIFETIME: Duration = Duration::from_mins(1);

/// Number of concurrent reads of heads.
const READ_CONCURRENCY: usize = 16;

/// The progress of a stream.
#[derive(Debug)]
pub struct StreamProgress {
    kinesis: aws_sdk_kinesis::Client,
    claims: DynamoClaimStore,
    stream_arn: String,
    listed: Mutex<Option<(Instant, Vec<StreamShard>)>>,
}

impl StreamProgress {
    /// Returns the progress of the stream with this ARN, whose shard heads are in `claims`.
    pub fn new(
        kinesis: aws_sdk_kinesis::Client,
        claims: DynamoClaimStore,
        stream_arn: impl Into<String>,
    ) -> Self {
        Self { kinesis, claims, stream_arn: stream_arn.into(), listed: Mutex::default() }
    }

    async fn shards(&self) -> Result<Vec<StreamShard>, PortError> {
        let kept = self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((listed_at, shards)) = kept
            && listed_at.elapsed() < LIST_LIFETIME
        {
            return Ok(shards);
        }
        let listed_at = Instant::now();
        let shards = self.list().await?;
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some((listed_at, shards.clone()));
        Ok(shards)
    }

    /// Lists the shards that still have records or get new ones.
    ///
    /// Source: Kinesis Data Streams API Reference, `ListShards`: a request with a `NextToken` must
    /// not name the stream again.
    async fn list(&self) -> Result<Vec<StreamShard>, PortError> {
        let operation = || format!("listing the shards of the stream {}", self.stream_arn);
        let mut shards = Vec::new();
        let mut request = self.kinesis.list_shards().stream_arn(&self.stream_arn);
        loop {
            let page = request.send().await.map_err(|error| port_error(operation(), error))?;
            shards.extend(page.shards.unwrap_or_default().into_iter().map(stream_shard));
            let Some(token) = page.next_token else { return Ok(shards) };
            request = self.kinesis.list_shards().next_token(token);
        }
    }

    async fn committed_arrival(&self, shard_id: String) -> Result<Option<(String, i64)>, PortError> {
        let name = ShardName::new(&self.stream_arn, &shard_id).ok_or_else(|| PortError::Refused {
            operation: format!("naming the shard {shard_id} of the stream {:?}", self.stream_arn),
            source: "it is not the ARN of a stream".into(),
        })?;
        let head = self.claims.read_head(&name).await?;
        Ok(head.and_then(|head| head.committed_arrival_ms).map(|arrival_ms| (shard_id, arrival_ms)))
    }
}

impl CountingProgress for StreamProgress {
    async fn counted_before_ms(&self) -> Result<Option<i64>, PortError> {
        let shards = self.shards().await?;
        let ids: Vec<String> = shards.iter().map(|shard| shard.shard_id.clone()).collect();
        let reads = futures_util::stream::iter(ids).map(|shard_id| self.committed_arrival(shard_id));
        let committed: Vec<Option<(String, i64)>> =
            reads.buffer_unordered(READ_CONCURRENCY).try_collect().await?;
        let committed: HashMap<String, i64> = committed.into_iter().flatten().collect();
        Ok(counted_before_ms(&shards, |shard_id| committed.get(shard_id).copied()))
    }
}

/// Converts a shard. A closed shard has an ending sequence number.
///
/// Source: Kinesis Data Streams API Reference, `SequenceNumberRange`.
fn stream_shard(shard: Shard) -> StreamShard {
    let range = shard.sequence_number_range;
    StreamShard {
        is_open: range.is_none_or(|range| range.ending_sequence_number.is_none()),
        parents: shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id).collect(),
        shard_id: shard.shard_id,
    }
}
