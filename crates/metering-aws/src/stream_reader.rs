//! Reads what the stream still holds, without taking anything from it.

use std::collections::HashSet;
use std::io::Read;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use flate2::read::MultiGzDecoder;
use metering_core::ports::PortError;
use serde_json::Value;

use crate::error::port_error;

/// A shard answers five reads a second, which the consumer needs as well.
/// Source: Kinesis Data Streams quotas.
const READ_DELAY: Duration = Duration::from_millis(400);
/// By how much the clocks of the log group and the stream may differ, in milliseconds.
const CLOCK_ERROR_MS: i64 = 60_000;

/// How long a stream keeps its records, in hours.
///
/// # Errors
/// When the stream cannot be asked.
pub async fn retention_hours(client: &Client, stream: &str) -> Result<i64, PortError> {
    let operation = || format!("asking for the retention of the stream {stream}");
    let reply = client.describe_stream_summary().stream_name(stream).send().await;
    let reply = reply.map_err(|error| port_error(operation(), error))?;
    Ok(reply.stream_description_summary.map_or(0, |summary| i64::from(summary.retention_period_hours)))
}

/// The ids of all log events of a log group that arrived on a stream since `from_ms`.
///
/// # Errors
/// When the stream cannot be read.
pub async fn event_ids_since(
    client: &Client,
    stream: &str,
    log_group: &str,
    from_ms: i64,
) -> Result<HashSet<String>, PortError> {
    let operation = || format!("reading the stream {stream}");
    let mut ids = HashSet::new();
    let mut shards = client.list_shards().stream_name(stream);
    loop {
        let page = shards.send().await.map_err(|error| port_error(operation(), error))?;
        for shard in page.shards.unwrap_or_default() {
            read_shard(client, stream, shard.shard_id(), from_ms, |record| {
                add_ids(&mut ids, log_group, record);
            })
            .await?;
        }
        let Some(token) = page.next_token else { return Ok(ids) };
        shards = client.list_shards().next_token(token);
    }
}

async fn read_shard(
    client: &Client,
    stream: &str,
    shard_id: &str,
    from_ms: i64,
    mut visit: impl FnMut(&Record),
) -> Result<(), PortError> {
    let operation = || format!("reading {shard_id} of the stream {stream}");
    let iterator = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard_id)
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .timestamp(DateTime::from_millis(from_ms - CLOCK_ERROR_MS))
        .send()
        .await
        .map_err(|error| port_error(operation(), error))?;
    let mut iterator = iterator.shard_iterator;
    while let Some(token) = iterator.take() {
        let read = client.get_records().shard_iterator(token).send().await;
        let read = read.map_err(|error| port_error(operation(), error))?;
        read.records.iter().for_each(&mut visit);
        if read.records.is_empty() && read.millis_behind_latest.unwrap_or(0) == 0 {
            return Ok(());
        }
        iterator = read.next_shard_iterator;
        tokio::time::sleep(READ_DELAY).await;
    }
    Ok(())
}

fn add_ids(ids: &mut HashSet<String>, log_group: &str, record: &Record) {
    let data = record.data().as_ref();
    let mut text = Vec::new();
    let is_gzip = data.starts_with(&[0x1f, 0x8b]);
    let data = if is_gzip && MultiGzDecoder::new(data).read_to_end(&mut text).is_ok() { &text } else { data };
    // What is no envelope bears no ids: it did not come from the log group.
    let Ok(envelope) = serde_json::from_slice::<Value>(data) else { return };
    if envelope["logGroup"] != log_group {
        return;
    }
    let events = envelope["logEvents"].as_array().into_iter().flatten();
    ids.extend(events.filter_map(|event| event["id"].as_str()).map(str::to_owned));
}
