//! `PutLogEvents`.
//!
//! Source: CloudWatch Logs API Reference, `PutLogEvents`.

use serde_json::{Value, json};
use system_clock::now_ms;

use super::error::{LogsError, invalid, not_found, unreadable};
use super::groups::LogGroups;
use super::parameters::Parameters;

/// Maximum size of a batch: the messages, and [`EVENT_BYTES`] for each event.
const MAX_BATCH_BYTES: usize = 1_048_576;
/// Size of an event beside its message, in bytes.
const EVENT_BYTES: usize = 26;
/// Older events are rejected.
const MAX_AGE_MS: i64 = 14 * 86_400_000;
/// Events that are further in the future are rejected.
const MAX_AHEAD_MS: i64 = 2 * 3_600_000;
/// Maximum time between two accepted events of a batch.
const MAX_SPAN_MS: i64 = 86_400_000;

/// Writes the events of a batch. Events that are too old or too new are rejected, and the response
/// has their indexes.
pub(super) fn put(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let group = groups.named(parameters.required_text("logGroupName"))?;
    let stream = parameters.required_text("logStreamName");
    let events = read_events(parameters.list("logEvents"))?;
    if !group.has_stream(stream).map_err(unreadable)? {
        return Err(not_found(format!("the log stream {stream} does not exist; create it first")));
    }
    let now_ms = now_ms();
    let too_old = events.partition_point(|(timestamp_ms, _)| *timestamp_ms < now_ms - MAX_AGE_MS);
    let too_new = events.partition_point(|(timestamp_ms, _)| *timestamp_ms <= now_ms + MAX_AHEAD_MS);
    let accepted = &events[too_old..too_new];
    if let (Some((first_ms, _)), Some((last_ms, _))) = (accepted.first(), accepted.last())
        && last_ms - first_ms > MAX_SPAN_MS
    {
        return Err(invalid("the events of a batch span more than 24 hours"));
    }
    let mut answer = json!({});
    if too_old > 0 {
        answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"] = too_old.into();
    }
    if too_new < events.len() {
        answer["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] = too_new.into();
    }
    let accepted = accepted.to_vec();
    if !accepted.is_empty() {
        group
            .put(stream, now_ms, accepted)
            .map_err(|error| LogsError::new("ServiceUnavailableException", error.to_string()))?;
    }
    Ok(answer)
}

fn read_events(events: &[Value]) -> Result<Vec<(i64, String)>, LogsError> {
    let mut read: Vec<(i64, String)> = Vec::with_capacity(events.len());
    let mut bytes = 0;
    for event in events {
        let parameters = Parameters::new(event);
        let timestamp_ms = parameters.required_integer("timestamp");
        let message = parameters.required_text("message");
        bytes += message.len() + EVENT_BYTES;
        if read.last().is_some_and(|(last_ms, _)| *last_ms > timestamp_ms) {
            return Err(invalid("the events of a batch have to be in chronological order"));
        }
        read.push((timestamp_ms, message.to_owned()));
    }
    if bytes > MAX_BATCH_BYTES {
        return Err(invalid(format!(
            "the batch has {bytes} bytes, including {EVENT_BYTES} for each event; the limit is {MAX_BATCH_BYTES}"
        )));
    }
    Ok(read)
}
