//! The writes of the baseline, a design without aggregation: one `ADD` for each
//! key of each batch of log events, and no check for repeated calls.

use std::collections::HashSet;

use access_log::{Decoder, Limits, Origin};
use anyhow::Context;
use aws_sdk_kinesis::types::ShardIteratorType;
use deployment::settings::USAGE_RETENTION_DAYS;
use metering_core::assessment::{Assessment, PlausibleTimes};
use metering_core::billing_rules::BillingRules;
use metering_core::class_lists::ClassLists;
use metering_core::metered_key::CallBreakdown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::harness::shard_read::read_page;
use crate::harness::system_under_test::SystemUnderTest;

/// Size limit for an inflated record, above that of any record of a run.
const MAX_INFLATED_BYTES: usize = 64 << 20;

/// The writes that the baseline needs for the records of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineWrites {
    /// Updates of ledger rows.
    pub writes: u64,
    /// Calls that these updates count.
    pub calls: u64,
}

/// Reads the whole stream of a local stack again and counts the writes of the baseline.
///
/// # Errors
/// Returns an error if the stream cannot be read.
pub async fn baseline_writes(system: &SystemUnderTest) -> anyhow::Result<BaselineWrites> {
    let stream = &system.meter.names.stream;
    let mut result = BaselineWrites::default();
    let mut decoder = Decoder::new(Limits { max_inflated_bytes: MAX_INFLATED_BYTES, ..Limits::default() });
    let shards = system.kinesis.list_shards().stream_name(stream).send().await;
    for shard in shards.context("cannot list the shards of the stream")?.shards() {
        let iterator = system.kinesis.get_shard_iterator().stream_name(stream).shard_id(shard.shard_id());
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
        let mut iterator = iterator.context("cannot get an iterator of a shard")?.shard_iterator;
        while let Some(token) = iterator.take() {
            let page = read_page(system, &token).await?;
            for record in page.records() {
                let arrived = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok());
                result.add(&mut decoder, record.data().as_ref(), arrived.unwrap_or_default());
            }
            let is_at_end = page.records.is_empty() && page.millis_behind_latest == Some(0);
            iterator = page.next_shard_iterator.filter(|_| !is_at_end);
        }
    }
    Ok(result)
}

impl BaselineWrites {
    /// Adds the writes for one record. Adds nothing for a record that cannot be decoded.
    fn add(&mut self, decoder: &mut Decoder, data: &[u8], arrived_ms: i64) {
        let times = PlausibleTimes::for_arrival(arrived_ms, USAGE_RETENTION_DAYS);
        let (mut keys, mut calls) = (HashSet::new(), 0);
        let origin = Origin { record_name: "", arrived_at_ms: arrived_ms };
        let decoded = decoder.decode(data, origin, |event| {
            let Ok(call) = event.call else { return };
            if let Ok(Assessment::Billable(CallBreakdown { api_key_id, .. })) =
                call.assess(times, &BillingRules::default(), ClassLists::none())
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
