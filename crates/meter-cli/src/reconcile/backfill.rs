//! Puts calls on the stream that are in the access log and never arrived
//! there, each event recognised by its id.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, bail};
use aws_sdk_kinesis::primitives::Blob;
use flate2::Compression;
use flate2::write::GzEncoder;
use lambda_support::clock::now_ms;
use metering_aws::CallLog;
use metering_aws::call_log::LoggedCall;
use metering_aws::stream_reader::{event_ids_since, retention_hours};
use metering_core::window::HOUR_MS;
use serde_json::{Value, json};

use crate::target::Target;

/// Events of one record. The same events always make the same records, which
/// the consumer then recognises as the same.
const EVENTS_PER_RECORD: usize = 200;

/// Finds what is missing on the stream, and puts it there.
///
/// An event that is still to be delivered would be counted twice, so those of
/// the last `settle_minutes` are left alone.
pub async fn run(
    target: &Target,
    log: &CallLog,
    (from_ms, to_ms): (i64, i64),
    settle_minutes: i64,
) -> anyhow::Result<()> {
    let settled_ms = now_ms() - settle_minutes * 60_000;
    let retention_hours = retention_hours(&target.kinesis, &target.stream).await?;
    if from_ms < now_ms() - retention_hours * HOUR_MS {
        bail!(
            "the stream keeps {retention_hours} h: of calls before that it cannot be told which arrived. Choose fewer --hours; docs/runbooks/drift-and-backfill.md says what to do about older ones"
        );
    }
    let mut calls = log.calls(from_ms, to_ms).await.context("the access log cannot be read")?;
    let all = calls.len();
    calls.retain(|call| call.timestamp_ms <= settled_ms);
    let unsettled = all - calls.len();
    let arrived = event_ids_since(&target.kinesis, &target.stream, log.log_group(), from_ms).await?;
    let mut missing: BTreeMap<&str, Vec<&LoggedCall>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !arrived.contains(&call.event_id)) {
        missing.entry(&call.log_stream).or_default().push(call);
    }
    let mut records = 0;
    for (log_stream, calls) in &missing {
        for calls in calls.chunks(EVENTS_PER_RECORD) {
            put(target, &envelope(log, log_stream, calls)?, &calls[0].event_id).await?;
            records += 1;
        }
    }
    let missing: usize = missing.values().map(Vec::len).sum();
    println!(
        "{} of {} calls had never arrived on the stream; they were put there in {records} records.",
        missing,
        calls.len()
    );
    if unsettled > 0 {
        println!(
            "{unsettled} calls of the last {settle_minutes} minutes were left alone: they may still be delivered."
        );
    }
    if missing > 0 {
        println!("Compare again when they are counted, within a minute: meter reconcile");
    }
    Ok(())
}

fn envelope(log: &CallLog, log_stream: &str, calls: &[&LoggedCall]) -> anyhow::Result<Vec<u8>> {
    let events: Vec<Value> = calls
        .iter()
        .map(|call| json!({"id": call.event_id, "timestamp": call.timestamp_ms, "message": call.message}))
        .collect();
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "backfill", "logGroup": log.log_group(), "logStream": log_stream,
        "subscriptionFilters": ["backfill"], "logEvents": events,
    });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(envelope.to_string().as_bytes())?;
    Ok(gzip.finish()?)
}

async fn put(target: &Target, record: &[u8], partition_key: &str) -> anyhow::Result<()> {
    let request = target.kinesis.put_record().stream_name(&target.stream).partition_key(partition_key);
    request.data(Blob::new(record)).send().await.context(
        "a record cannot be put on the stream; run the same command again, nothing is counted twice",
    )?;
    Ok(())
}
