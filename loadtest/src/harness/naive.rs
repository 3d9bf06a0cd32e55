//! What the design without aggregation would have written for the same
//! records: one `ADD` per key and batch of log events, with nothing that
//! recognises a repetition.

use std::collections::HashSet;

use access_log::{Decoder, Limits, Origin};
use anyhow::Context;
use aws_sdk_kinesis::types::ShardIteratorType;
use metering_core::unbilled::UnbilledRoutes;
use metering_core::usage_record::{Assessment, PlausibleTimes};

use crate::harness::shard_read::read_page;
use crate::harness::target::Target;

/// More than any record inflates to.
const MAX_INFLATED_BYTES: usize = 64 << 20;
const RETENTION_DAYS: u32 = 400;

/// What such a design would have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NaiveWrites {
    /// Updates.
    pub writes: u64,
    /// Calls in them.
    pub calls: u64,
}

/// Reads the whole stream of a local stack again and counts.
///
/// # Errors
/// When the stream cannot be read.
pub async fn naive_writes(target: &Target) -> anyhow::Result<NaiveWrites> {
    let stream = &target.names.stream;
    let mut result = NaiveWrites::default();
    let mut decoder = Decoder::new(Limits { max_inflated_bytes: MAX_INFLATED_BYTES, ..Limits::default() });
    let shards = target.kinesis.list_shards().stream_name(stream).send().await;
    for shard in shards.context("the shards cannot be listed")?.shards() {
        let iterator = target.kinesis.get_shard_iterator().stream_name(stream).shard_id(shard.shard_id());
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
        let mut iterator = iterator.context("a shard cannot be read")?.shard_iterator;
        while let Some(token) = iterator.take() {
            let read = read_page(target, &token).await?;
            for record in read.records() {
                let arrived = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok());
                result.add(&mut decoder, record.data().as_ref(), arrived.unwrap_or_default());
            }
            let is_at_end = read.records.is_empty() && read.millis_behind_latest == Some(0);
            iterator = read.next_shard_iterator.filter(|_| !is_at_end);
        }
    }
    Ok(result)
}

impl NaiveWrites {
    fn add(&mut self, decoder: &mut Decoder, data: &[u8], arrived_ms: i64) {
        let times = PlausibleTimes::for_arrival(arrived_ms, RETENTION_DAYS);
        let (mut keys, mut calls) = (HashSet::new(), 0);
        let origin = Origin { record_name: "", arrived_at_ms: arrived_ms };
        let decoded = decoder.decode(data, origin, |event| {
            let Ok(call) = event.call else { return };
            if let Ok(Assessment::Billable { api_key_id, .. }) =
                call.assess(times, &UnbilledRoutes::default())
            {
                calls += 1;
                keys.insert(api_key_id.to_owned());
            }
        });
        if decoded.is_ok() {
            self.writes += keys.len() as u64;
            self.calls += calls;
        }
    }
}
