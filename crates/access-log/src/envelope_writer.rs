//! The writer of the envelope that [`crate::Decoder`] reads. Replays, put-backs, backfills and the
//! emulator deliver log events in it, as CloudWatch Logs does.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::envelope::{CONTROL_MESSAGE, DATA_MESSAGE};

/// The members of an envelope beside its events.
///
/// Source: CloudWatch Logs User Guide, "Log group-level subscription filters".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnvelopeHeader<'a> {
    /// `true` for a check by CloudWatch Logs that the destination can be reached.
    pub is_control_message: bool,
    /// The AWS account of the log group.
    pub owner: &'a str,
    /// The name of the log group.
    pub log_group: &'a str,
    /// The name of the log stream.
    pub log_stream: &'a str,
    /// The names of the subscription filters that matched.
    pub subscription_filters: &'a [&'a str],
}

impl EnvelopeHeader<'_> {
    /// Writes an envelope around events. `events` are [`log_event`]s, joined by commas.
    ///
    /// ```
    /// use access_log::envelope_writer::{EnvelopeHeader, log_event};
    /// use access_log::{Decoder, Limits, Origin};
    ///
    /// let line = r#"{"extendedRequestId":"Jk3f=","apiKeyId":"key-1","requestTimeEpoch":"1795509270000","status":"200"}"#;
    /// let record = EnvelopeHeader::default().write(&log_event("event-1", 1_795_509_270_500, line));
    ///
    /// let mut keys = Vec::new();
    /// let origin = Origin { record_name: "shard-0/1", arrived_at_ms: 1_795_509_271_000 };
    /// let decoded = Decoder::new(Limits::default()).decode(record.as_bytes(), origin, |event| {
    ///     keys.push(event.call.unwrap().api_key_id.map(str::to_owned));
    /// });
    /// assert_eq!(decoded.unwrap().event_count, 1);
    /// assert_eq!(keys, [Some("key-1".to_owned())]);
    /// ```
    pub fn write(&self, events: &str) -> String {
        self.beginning() + events + Self::END
    }

    /// The text after the events.
    pub(crate) const END: &'static str = "]}";

    /// Returns the text before the events.
    pub(crate) fn beginning(&self) -> String {
        let message_type = if self.is_control_message { CONTROL_MESSAGE } else { DATA_MESSAGE };
        format!(
            r#"{{"messageType":"{message_type}","owner":{},"logGroup":{},"logStream":{},"subscriptionFilters":{},"logEvents":["#,
            json!(self.owner),
            json!(self.log_group),
            json!(self.log_stream),
            json!(self.subscription_filters),
        )
    }
}

/// Writes one log event as JSON. `timestamp_ms` is the time of the event, in milliseconds since 1970.
pub fn log_event(id: &str, timestamp_ms: i64, message: &str) -> String {
    log_event_beginning(id, timestamp_ms) + &json!(message).to_string() + LOG_EVENT_END
}

/// Returns the text of a log event before its message.
pub(crate) fn log_event_beginning(id: &str, timestamp_ms: i64) -> String {
    format!(r#"{{"id":{},"timestamp":{timestamp_ms},"message":"#, json!(id))
}

/// The text of a log event after its message.
pub(crate) const LOG_EVENT_END: &str = "}";

/// Compresses a record into one gzip member.
pub fn gzip(record: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail. The decoder reads an uncompressed record as well.
    match encoder.write_all(record).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed,
        Err(_) => record.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Decoder, Form, Limits, Origin};

    const ORIGIN: Origin<'static> = Origin { record_name: "shard-0/1", arrived_at_ms: 5 };

    #[test]
    fn names_that_need_escapes_are_read_as_they_were_written() {
        let header = EnvelopeHeader {
            owner: "1\"2",
            log_group: "a\\b",
            log_stream: "c\nd",
            subscription_filters: &["é", "\""],
            ..EnvelopeHeader::default()
        };
        let events =
            [log_event("one\"", 7, "{\"status\":\"404\"}"), log_event("two", 8, "no\tJSON")].join(",");
        let written: serde_json::Value = serde_json::from_str(&header.write(&events)).unwrap();
        assert_eq!(
            written,
            json!({"messageType": "DATA_MESSAGE", "owner": "1\"2", "logGroup": "a\\b", "logStream": "c\nd",
                "subscriptionFilters": ["é", "\""], "logEvents": [
                    {"id": "one\"", "timestamp": 7, "message": "{\"status\":\"404\"}"},
                    {"id": "two", "timestamp": 8, "message": "no\tJSON"}]})
        );
    }

    #[test]
    fn a_log_stream_is_identified_by_its_name_however_it_is_escaped() {
        let header = EnvelopeHeader { log_group: "/aws/api", log_stream: "a/b", ..EnvelopeHeader::default() };
        let record = header.write(&log_event("", 1, "{}"));
        let escaped = record.replace("/aws/api", r"\/aws\/api").replace("a/b", r"\u0061\/b");
        assert_ne!(record, escaped);
        let log_stream = |record: &str| {
            Decoder::new(Limits::default()).decode(record.as_bytes(), ORIGIN, |_| {}).unwrap().log_stream
        };
        assert_eq!(log_stream(&record), log_stream(&escaped));
    }

    #[test]
    fn the_decoder_reads_both_types_of_message_compressed_or_not() {
        for (is_control_message, form) in [(true, Form::ControlMessage), (false, Form::LogEvents)] {
            let header = EnvelopeHeader { is_control_message, ..EnvelopeHeader::default() };
            let record = header.write(&log_event("", 1, "check")).into_bytes();
            for data in [gzip(&record), record] {
                let decoded = Decoder::new(Limits::default()).decode(&data, ORIGIN, |_| {}).unwrap();
                assert_eq!((decoded.form, decoded.event_count), (form, 1));
            }
        }
    }
}
