//! Reads one shard and invokes the function with its batches, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use bytes::Bytes;
use serde_json::Value;
use system_clock::now_ms;
use tokio::time::{Instant, MissedTickBehavior};

use super::event::kinesis_event;
use super::event_source_mapping::{MappingError, Pending, Shared};
use super::invocation_record::GiveUpReason;

/// Maximum record data in an invocation, in bytes: 6 MiB less the overhead of base64 and JSON.
/// Source: Lambda quotas.
pub const MAX_BATCH_BYTES: usize = 4 << 20;
/// Maximum number of records in one read, from which batches are taken. Source: Kinesis API
/// Reference, `GetRecords`.
const MAX_READ_RECORDS: i32 = 10_000;
/// Minimum time between two reads of a shard. A shard allows five reads per second; this leaves one
/// of them to other readers.
const READ_INTERVAL: Duration = Duration::from_millis(250);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(50);
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Reads a shard to its end. Returns at the end of the shard or on an error.
pub async fn read_shard(shared: &Arc<Shared>, shard_id: &str) -> Result<(), MappingError> {
    let mut iterator = Some(start_iterator(shared, shard_id).await?);
    let mut buffer: VecDeque<Record> = VecDeque::new();
    let mut reads = tokio::time::interval(READ_INTERVAL);
    reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut window_ends = None;
        while buffer.len() < shared.settings.batch_size && bytes_of(&buffer) < MAX_BATCH_BYTES {
            let Some(token) = iterator.take() else { break };
            reads.tick().await;
            let request = shared.client.get_records().shard_iterator(&token).limit(MAX_READ_RECORDS);
            let read = match request.send().await {
                Ok(read) => read,
                Err(error) => {
                    match error.as_service_error() {
                        Some(GetRecordsError::ExpiredIteratorException(_)) => {
                            buffer.clear();
                            iterator = Some(start_iterator(shared, shard_id).await?);
                        }
                        // Another reader uses the shard, or the last read was large.
                        Some(GetRecordsError::ProvisionedThroughputExceededException(_)) => {
                            iterator = Some(token);
                        }
                        _ => return Err(MappingError::stream("GetRecords", error)),
                    }
                    continue;
                }
            };
            let found_none = read.records.is_empty();
            buffer.extend(read.records);
            iterator = read.next_shard_iterator;
            if !buffer.is_empty() && window_ends.is_none() {
                window_ends = Some(Instant::now() + Duration::from_millis(shared.settings.batch_window_ms));
            }
            if window_ends.is_some_and(|ends| ends <= Instant::now()) {
                break;
            }
            if found_none && iterator.is_some() {
                tokio::time::sleep(Duration::from_millis(shared.settings.poll_interval_ms)).await;
            }
        }
        if buffer.is_empty() {
            shared.checkpoints.finish(shard_id)?;
            return Ok(());
        }
        deliver(shared, shard_id, take_batch(&mut buffer, shared.settings.batch_size)).await?;
    }
}

async fn start_iterator(shared: &Shared, shard_id: &str) -> Result<String, MappingError> {
    let request = shared.client.get_shard_iterator().stream_name(&shared.settings.stream).shard_id(shard_id);
    let request = match shared.checkpoints.get(shard_id)? {
        Some(sequence_number) => request
            .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
            .starting_sequence_number(sequence_number),
        None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
    };
    let response = request.send().await.map_err(|error| MappingError::stream("GetShardIterator", error))?;
    response.shard_iterator.ok_or(MappingError::NoIterator)
}

fn bytes_of(records: &VecDeque<Record>) -> usize {
    records.iter().map(|record| record.data().as_ref().len()).sum()
}

fn take_batch(buffer: &mut VecDeque<Record>, batch_size: usize) -> Vec<Record> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(record) = buffer.front() {
        bytes += record.data().as_ref().len();
        if batch.len() == batch_size || (bytes > MAX_BATCH_BYTES && !batch.is_empty()) {
            break;
        }
        batch.extend(buffer.pop_front());
    }
    batch
}

/// Invokes the function with a batch until all records are processed or given up.
async fn deliver(shared: &Shared, shard_id: &str, records: Vec<Record>) -> Result<(), MappingError> {
    let mut queue = VecDeque::from([Pending::new(records)]);
    while let Some(mut pending) = queue.pop_front() {
        let expired = shared.expired(&pending.records);
        if expired > 0 {
            shared.give_up(shard_id, &mut pending, expired, GiveUpReason::RecordAgeExceeded)?;
        }
        if pending.records.is_empty() {
            continue;
        }
        let Some(failed_at) = invoke(shared, shard_id, &mut pending).await else {
            shared.checkpoint(shard_id, pending.records.last())?;
            continue;
        };
        if failed_at > 0 {
            shared.checkpoint(shard_id, pending.records.get(failed_at - 1))?;
            pending.records = pending.records.split_off(failed_at);
            pending.attempts = 1;
        }
        if shared.settings.max_retries.is_some_and(|limit| pending.attempts > limit) {
            let all = pending.records.len();
            shared.give_up(shard_id, &mut pending, all, GiveUpReason::RetryAttemptsExhausted)?;
            continue;
        }
        tokio::time::sleep(retry_delay(pending.attempts)).await;
        // An invocation that failed as a whole may be due to a single record.
        let failed = pending.last.as_ref().is_some_and(|last| last.result.is_err());
        if failed && shared.settings.bisect_on_error && pending.records.len() > 1 {
            let second = pending.records.split_off(pending.records.len() / 2);
            queue.push_front(Pending::new(second));
            queue.push_front(Pending::new(pending.records));
        } else {
            queue.push_front(pending);
        }
    }
    Ok(())
}

/// Invokes the function with a batch and returns the index of the first failed record, or `None` if
/// all records were processed.
async fn invoke(shared: &Shared, shard_id: &str, pending: &mut Pending) -> Option<usize> {
    shared.function.record_metric("IteratorAge", age_ms(pending.records.last()));
    let event = kinesis_event(&shared.settings.stream, shard_id, &pending.records);
    let invoked = shared.function.invoke_traced(Bytes::from(event.to_string())).await;
    let failed_at = match &invoked.result {
        Ok(response) => first_failure(response, &pending.records),
        Err(error) => {
            tracing::warn!(shard_id, %error, "invocation failed");
            Some(0)
        }
    };
    pending.attempts += 1;
    pending.last = Some(invoked);
    failed_at
}

/// Returns the age of a record since its arrival, in milliseconds.
fn age_ms(record: Option<&Record>) -> u64 {
    let arrived = record.and_then(Record::approximate_arrival_timestamp);
    let arrived_ms = arrived.and_then(|arrived| arrived.to_millis().ok());
    arrived_ms.map_or(0, |arrived_ms| u64::try_from(now_ms() - arrived_ms).unwrap_or(0))
}

fn retry_delay(attempts: u32) -> Duration {
    (FIRST_RETRY_DELAY * 2_u32.saturating_pow(attempts.saturating_sub(1).min(10))).min(LONGEST_RETRY_DELAY)
}

/// Returns the index of the record at which a response says to resume. An invalid response is a
/// failure of the whole batch. Source: Lambda Developer Guide, "Configuring partial batch
/// response", success and failure conditions.
fn first_failure(response: &[u8], records: &[Record]) -> Option<usize> {
    let response: Value = match serde_json::from_slice(response) {
        Ok(Value::Null) => return None,
        Ok(response) => response,
        Err(_) => return Some(0),
    };
    let failures = response["batchItemFailures"].as_array().map_or(&[][..], Vec::as_slice);
    failures
        .iter()
        .map(|failure| {
            let identifier = failure["itemIdentifier"].as_str();
            records.iter().position(|record| Some(record.sequence_number()) == identifier).unwrap_or(0)
        })
        .min()
}

impl Shared {
    /// Returns the number of records at the start of a batch that exceed the maximum record age.
    /// Source: Lambda API Reference, `MaximumRecordAgeInSeconds`.
    fn expired(&self, records: &[Record]) -> usize {
        let limit_ms = self.settings.max_record_age_ms.and_then(|limit| u64::try_from(limit).ok());
        let Some(limit_ms) = limit_ms else { return 0 };
        records.iter().take_while(|record| age_ms(Some(record)) > limit_ms).count()
    }
}
