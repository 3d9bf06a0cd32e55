//! `PutLogEvents`.
//!
//! Source: CloudWatch Logs API Reference, `PutLogEvents`.

use lambda_support::clock::now_ms;
use serde_json::{Value, json};

use super::error::{LogsError, invalid, not_found, unreadable};
use super::groups::LogGroups;
use super::parameters::Parameters;

/// The most bytes of a batch: of its lines, and of each event beside its line.
const MAX_BATCH_BYTES: usize = 1_048_576;
const EVENT_BYTES: usize = 26;
/// The most events of a batch.
const MAX_BATCH_EVENTS: usize = 10_000;
/// Events older than this are rejected.
const OLDEST_MS: i64 = 14 * 86_400_000;
/// Events further ahead than this are rejected.
const NEWEST_MS: i64 = 2 * 3_600_000;
/// The longest time between the events of a batch that are not rejected.
const MAX_SPAN_MS: i64 = 86_400_000;

/// Puts events; those that are too old or too new are rejected, and the answer
/// says which.
pub(super) fn put(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    // AWS ignores sequence tokens, and says so.
    let parameters =
        Parameters::read(request, &["logGroupName", "logStreamName", "logEvents", "sequenceToken"])?;
    let group = groups.named(parameters.required_text("logGroupName")?)?;
    let stream = parameters.required_text("logStreamName")?;
    let events =
        parameters.list("logEvents")?.ok_or_else(|| invalid("the parameter logEvents is missing"))?;
    let events = read_events(events)?;
    if !group.has_stream(stream).map_err(unreadable)? {
        return Err(not_found(format!("the log stream {stream} does not exist; create it first")));
    }
    let now_ms = now_ms();
    let too_old = events.partition_point(|(timestamp_ms, _)| *timestamp_ms < now_ms - OLDEST_MS);
    let too_new = events.partition_point(|(timestamp_ms, _)| *timestamp_ms <= now_ms + NEWEST_MS);
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
            .map_err(|error| ("ServiceUnavailableException", error.to_string()))?;
    }
    Ok(answer)
}

fn read_events(events: &[Value]) -> Result<Vec<(i64, String)>, LogsError> {
    if !(1..=MAX_BATCH_EVENTS).contains(&events.len()) {
        return Err(invalid(format!("a batch has 1 to {MAX_BATCH_EVENTS} events, and not {}", events.len())));
    }
    let mut read: Vec<(i64, String)> = Vec::with_capacity(events.len());
    let mut bytes = 0;
    for event in events {
        let parameters = Parameters::read(event, &["timestamp", "message"])?;
        let timestamp_ms =
            parameters.time("timestamp")?.ok_or_else(|| invalid("an event has no timestamp"))?;
        let message = parameters.required_text("message")?;
        bytes += message.len() + EVENT_BYTES;
        if read.last().is_some_and(|(last_ms, _)| *last_ms > timestamp_ms) {
            return Err(invalid("the events of a batch are not in the order of their timestamps"));
        }
        read.push((timestamp_ms, message.to_owned()));
    }
    if bytes > MAX_BATCH_BYTES {
        return Err(invalid(format!(
            "the batch has {bytes} bytes, {EVENT_BYTES} for each event among them; {MAX_BATCH_BYTES} are allowed"
        )));
    }
    Ok(read)
}
