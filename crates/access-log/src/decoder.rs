//! The decoder of stream records.

use std::ops::ControlFlow;

use metering_core::call_id::CallId;
use metering_core::claims::layout::LogStreamHash;
use metering_core::usage_record::UsageRecord;

use crate::envelope::{EnvelopeError, Event, EventContent, Scratch, is_envelope, read_envelope, read_line};
use crate::inflate::{InflateError, Inflater, is_gzip};
use crate::line::{LineError, LineScratch};

/// The limits of a decoder for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of an inflated record, in bytes.
    pub max_inflated_bytes: usize,
    /// Maximum number of events in a record. Each event takes memory until its batch is counted.
    pub max_events: u32,
}

/// Default of [`Limits::max_inflated_bytes`], 32 MiB: a full record of 1 MiB at three times the
/// compression ratio of access logs.
pub const DEFAULT_MAX_INFLATED_BYTES: usize = 32 << 20;
/// Default of [`Limits::max_events`], 131,072: the number of lines of 256 bytes in
/// [`DEFAULT_MAX_INFLATED_BYTES`].
pub const DEFAULT_MAX_EVENTS: u32 = 1 << 17;

impl Default for Limits {
    fn default() -> Self {
        Self { max_inflated_bytes: DEFAULT_MAX_INFLATED_BYTES, max_events: DEFAULT_MAX_EVENTS }
    }
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record has no bytes, or no lines.
    #[error("the record is empty")]
    Empty,
    /// The gzip data is corrupt, truncated or too large.
    #[error("the record could not be inflated")]
    Inflate(#[source] InflateError),
    /// The bytes are not UTF-8.
    #[error("the record is not UTF-8 at byte {valid_up_to}")]
    NotUtf8 {
        /// Zero-based position of the first invalid byte.
        valid_up_to: usize,
    },
    /// The envelope is not one of CloudWatch Logs.
    #[error("the record is not a CloudWatch Logs envelope")]
    Envelope(#[source] EnvelopeError),
    /// The record has more than [`Limits::max_events`].
    #[error("the record has more than {limit} events")]
    TooManyEvents {
        /// Maximum number of events.
        limit: u32,
    },
}

impl DecodeError {
    /// Returns the reason as a word for metrics and grouping.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty-record",
            Self::Inflate(InflateError::Truncated { .. }) => "truncated-gzip",
            Self::Inflate(InflateError::Corrupt { .. }) => "corrupt-gzip",
            Self::Inflate(InflateError::TooLarge { .. }) => "inflates-too-large",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::Envelope(_) => "bad-envelope",
            Self::TooManyEvents { .. } => "too-many-events",
        }
    }
}

/// The form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Log events in a CloudWatch Logs envelope.
    LogEvents,
    /// A message with which CloudWatch Logs checks that the stream can be reached.
    ControlMessage,
    /// Line-delimited JSON, from a producer that writes to the stream itself.
    Lines,
}

/// The position of a record on its stream. It identifies the events that have no id.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Name of the record: its shard and sequence number, the same on every delivery.
    pub record_name: &'a str,
    /// Time at which the record reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
}

/// One event of a record.
#[derive(Debug)]
pub struct ReadEvent<'a> {
    /// Index in the record, counted from 0.
    pub index: u32,
    /// The identity of the call.
    ///
    /// It is a hash of the request id and the request time. If the line has no request id, the id
    /// of the log event is used, or else the position of the event on the stream. If the line has
    /// no request time, the time of the log event is used, or else the arrival of the record.
    pub id: CallId,
    /// The time in the identity, in milliseconds since 1970.
    pub claimed_at_ms: i64,
    /// The call, or the reason why the line is not an access-log line.
    pub call: Result<UsageRecord<'a>, LineError>,
}

/// The properties of a decoded record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// The form in which the record was written.
    pub form: Form,
    /// Number of events in the record.
    pub event_count: u32,
    /// The log stream of the events; that of empty names for [`Form::Lines`].
    pub log_stream: LogStreamHash,
    /// Length of the text of the record, in bytes: inflated, if it was gzipped.
    pub text_bytes: usize,
}

/// A decoder of records. It reuses its buffers, and learns the layout of the events.
#[derive(Debug)]
pub struct Decoder {
    pub(crate) limits: Limits,
    pub(crate) inflater: Inflater,
    pub(crate) scratch: Scratch,
    buffers: Buffers,
}

/// Buffers for values that have to be unescaped.
#[derive(Debug, Default)]
struct Buffers {
    line: LineScratch,
    request_id: String,
}

impl Decoder {
    /// Creates a decoder with these limits.
    pub fn new(limits: Limits) -> Self {
        let inflater = Inflater::new(limits.max_inflated_bytes);
        Self { limits, inflater, scratch: Scratch::default(), buffers: Buffers::default() }
    }

    /// Returns the limits of the decoder.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Discards all buffers and learned layouts, for use after a panic.
    pub fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Decodes a record and calls `visit` for each of its events.
    ///
    /// `visit` is called before the whole record is read. On an error, and for a
    /// [`Form::ControlMessage`], the caller must discard the visited events.
    ///
    /// ```
    /// use access_log::{Decoder, Form, Limits, Origin};
    ///
    /// let record = concat!(
    ///     r#"{"id":"Jk3f=","key":"key-1","time":"1795509270000","status":"200","ms":"12"}"#, "\n",
    ///     r#"{"id":"Jk4g=","key":"key-2","time":"1795509270001","status":"404","ms":"3"}"#, "\n",
    ///     "not JSON\n",
    /// );
    /// let origin = Origin { record_name: "shard-0/4957", arrived_at_ms: 1_795_509_275_000 };
    ///
    /// let mut calls = Vec::new();
    /// let decoded = Decoder::new(Limits::default()).decode(record.as_bytes(), origin, |event| {
    ///     let call = event.call.map(|call| (call.api_key_id.map(str::to_owned), call.status.code()));
    ///     calls.push(call.map_err(|error| error.reason()));
    /// })?;
    ///
    /// assert_eq!((decoded.form, decoded.event_count), (Form::Lines, 3));
    /// assert_eq!(calls[0], Ok((Some("key-1".to_owned()), 200)));
    /// assert_eq!(calls[1], Ok((Some("key-2".to_owned()), 404)));
    /// assert_eq!(calls[2], Err("line-not-json"));
    /// # Ok::<(), access_log::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// When the record as a whole cannot be read. A line that cannot be read is an event, not an
    /// error.
    pub fn decode(
        &mut self,
        data: &[u8],
        origin: Origin<'_>,
        mut visit: impl FnMut(ReadEvent<'_>),
    ) -> Result<Decoded, DecodeError> {
        let Self { limits, inflater, scratch, buffers } = self;
        let text = text_of(inflater, data)?;
        let text_bytes = text.len();
        let mut index = 0;
        let mut show = |content: &EventContent<'_>, event_id: &str, logged_at_ms: Option<i64>| {
            if index >= limits.max_events {
                return ControlFlow::Break(());
            }
            visit(read_event(content, index, event_id, logged_at_ms, origin, buffers));
            index += 1;
            ControlFlow::Continue(())
        };
        let read = if is_envelope(text) {
            let envelope = read_envelope(text, scratch, |event: &Event<'_, '_>| {
                show(&event.content, event.id, event.logged_at_ms)
            });
            envelope.map(|envelope| {
                let form = if envelope.is_control_message { Form::ControlMessage } else { Form::LogEvents };
                (form, LogStreamHash::new(&envelope.log_group, &envelope.log_stream))
            })
        } else {
            read_lines(text, |line| {
                let fields = read_line(line);
                show(&EventContent::Fields(fields.as_ref().map_err(Clone::clone)), "", None)
            })
            .map(|()| (Form::Lines, LogStreamHash::new("", "")))
        };
        match read {
            Ok((Form::Lines, _)) if index == 0 => Err(DecodeError::Empty),
            Ok((form, log_stream)) => Ok(Decoded { form, event_count: index, log_stream, text_bytes }),
            Err(EnvelopeError::Stopped) => Err(DecodeError::TooManyEvents { limit: limits.max_events }),
            Err(error) => Err(DecodeError::Envelope(error)),
        }
    }
}

/// Returns the text of a record, inflated if it is gzipped.
pub(crate) fn text_of<'a>(inflater: &'a mut Inflater, data: &'a [u8]) -> Result<&'a str, DecodeError> {
    if data.is_empty() {
        return Err(DecodeError::Empty);
    }
    let content = if is_gzip(data) { inflater.inflate(data).map_err(DecodeError::Inflate)? } else { data };
    simdutf8::compat::from_utf8(content)
        .map_err(|error| DecodeError::NotUtf8 { valid_up_to: error.valid_up_to() })
}

/// Calls `visit` for each line of a producer that writes to the stream itself, empty lines excepted.
pub(crate) fn read_lines<'a>(
    text: &'a str,
    mut visit: impl FnMut(&'a str) -> ControlFlow<()>,
) -> Result<(), EnvelopeError> {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if visit(line).is_break() {
            return Err(EnvelopeError::Stopped);
        }
    }
    Ok(())
}

/// Returns the id of an event that has none: its position on the stream.
pub(crate) fn position_on_stream(record_name: &str, index: u32) -> String {
    format!("{record_name}/{index}")
}

#[inline]
fn read_event<'s>(
    content: &EventContent<'s>,
    index: u32,
    event_id: &str,
    logged_at_ms: Option<i64>,
    origin: Origin<'_>,
    buffers: &'s mut Buffers,
) -> ReadEvent<'s> {
    let (request_id, requested_at_ms, call) = match content {
        EventContent::Record(record, request_id) => (*request_id, Some(record.requested_at_ms), Ok(*record)),
        EventContent::Fields(Ok(fields)) => {
            let identity = fields.identity(&mut buffers.request_id);
            let call = fields.to_record(&mut buffers.line);
            (identity.and_then(|(id, _)| id), identity.map(|(_, time)| time), call)
        }
        EventContent::Fields(Err(error)) => (None, None, Err(error.clone())),
    };
    let claimed_at_ms = requested_at_ms.or(logged_at_ms).unwrap_or(origin.arrived_at_ms);
    let id = match (request_id, event_id) {
        (Some(request_id), _) => CallId::new(request_id, claimed_at_ms),
        (None, "") => CallId::new(&position_on_stream(origin.record_name, index), claimed_at_ms),
        (None, event_id) => CallId::new(event_id, claimed_at_ms),
    };
    ReadEvent { index, id, claimed_at_ms, call }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope_writer::{EnvelopeHeader, gzip, log_event};

    const ORIGIN: Origin<'static> = Origin { record_name: "shard-0/1", arrived_at_ms: 5 };
    const LIMITS: Limits = Limits { max_inflated_bytes: 2_000, max_events: 3 };

    #[test]
    fn a_decoder_tells_its_own_limits() {
        assert_eq!(Decoder::new(LIMITS).limits(), LIMITS);
    }

    #[test]
    fn a_decoder_that_was_reset_has_its_limits_and_nothing_of_earlier_records() {
        let mut decoder = Decoder::new(LIMITS);
        let new = format!("{decoder:?}");
        let line = r#"{"id":"a","key":"k","time":"1795509270000","status":"200"}"#;
        let record = gzip(EnvelopeHeader::default().write(&log_event("1", 7, line)).as_bytes());
        decoder.decode(&record, ORIGIN, |_| {}).unwrap();
        assert_ne!(format!("{decoder:?}"), new, "it has learned the layout of the event");
        decoder.reset();
        assert_eq!(format!("{decoder:?}"), new);
    }

    #[test]
    fn a_record_without_a_line_is_empty() {
        for record in ["", "\n", " \r\n\t\n"] {
            let error = Decoder::new(LIMITS).decode(record.as_bytes(), ORIGIN, |_| {}).unwrap_err();
            assert_eq!((&error, error.reason()), (&DecodeError::Empty, "empty-record"), "{record:?}");
        }
        let no_events = EnvelopeHeader::default().write("");
        let decoded = Decoder::new(LIMITS).decode(no_events.as_bytes(), ORIGIN, |_| {}).unwrap();
        assert_eq!((decoded.form, decoded.event_count), (Form::LogEvents, 0));
    }
}
