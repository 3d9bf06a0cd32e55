//! Decodes stream records of every form.

use std::ops::ControlFlow;

use metering_core::call_id::CallId;
use metering_core::claims::layout::LogStreamHash;
use metering_core::usage_record::UsageRecord;

use crate::envelope::{EnvelopeError, Event, EventContent, Scratch, is_envelope, read_envelope, read_line};
use crate::inflate::{InflateError, Inflater, is_gzip};
use crate::line::{LineError, LineScratch};

/// What a decoder may use for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a gzipped record may inflate to.
    pub max_inflated_bytes: usize,
    /// The most events that a record may have: each takes some memory until
    /// its batch is counted.
    pub max_events: u32,
}

/// 32 MiB: a full record of 1 MiB at three times the ratio that access logs reach.
pub const DEFAULT_MAX_INFLATED_BYTES: usize = 32 << 20;
/// 131,072: more than any record that inflates to [`DEFAULT_MAX_INFLATED_BYTES`] has lines of 256 bytes.
pub const DEFAULT_MAX_EVENTS: u32 = 1 << 17;

impl Default for Limits {
    fn default() -> Self {
        Self { max_inflated_bytes: DEFAULT_MAX_INFLATED_BYTES, max_events: DEFAULT_MAX_EVENTS }
    }
}

/// Why nothing of a record could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record has no bytes.
    #[error("the record is empty")]
    Empty,
    /// The gzip data is unusable.
    #[error("the record could not be inflated")]
    Inflate(#[source] InflateError),
    /// The bytes are no text.
    #[error("the record is not UTF-8 at byte {valid_up_to}")]
    NotUtf8 {
        /// How many bytes before the first invalid one.
        valid_up_to: usize,
    },
    /// The envelope is unusable.
    #[error("the record is no CloudWatch Logs envelope")]
    Envelope(#[source] EnvelopeError),
    /// More events than fit into the memory of the function.
    #[error("the record has more than {limit} events")]
    TooManyEvents {
        /// The limit in force.
        limit: u32,
    },
}

impl DecodeError {
    /// A word for metrics and grouping.
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
    /// A check by CloudWatch Logs whether the stream can be reached.
    ControlMessage,
    /// Line-delimited JSON.
    Lines,
}

/// Where a record comes from: what an event without an id of its own is known by.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Name of the record, the same whenever it is delivered.
    pub record_name: &'a str,
    /// When the record reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
}

/// One event of a record, read.
#[derive(Debug)]
pub struct ReadEvent<'a> {
    /// Its place in the record, counted from 0.
    pub index: u32,
    /// The identity of its call.
    ///
    /// It is made of the request id and the request time. Without a request
    /// id, the id of the event stands for it; without that, the event's place
    /// on the stream. Without a request time, the time at which the event was
    /// logged stands for it.
    pub id: CallId,
    /// The time that went into the identity, in milliseconds since 1970.
    pub claimed_at_ms: i64,
    /// The call, or why the line is none.
    pub call: Result<UsageRecord<'a>, LineError>,
}

/// What a record turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Its form.
    pub form: Form,
    /// How many events it has.
    pub event_count: u32,
    /// Its log stream.
    pub log_stream: LogStreamHash,
}

/// Decodes records one after the other with buffers that are used again.
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
    /// A decoder with these limits.
    pub fn new(limits: Limits) -> Self {
        let inflater = Inflater::new(limits.max_inflated_bytes);
        Self { limits, inflater, scratch: Scratch::default(), buffers: Buffers::default() }
    }

    /// Forgets everything but the limits.
    pub fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Decodes a record and calls `visit` for each of its events.
    ///
    /// `visit` runs before the end of the record is known: on an error, and
    /// for a [`Form::ControlMessage`], discard what it did.
    ///
    /// # Errors
    /// When nothing of the record can be read.
    pub fn decode(
        &mut self,
        data: &[u8],
        origin: Origin<'_>,
        mut visit: impl FnMut(ReadEvent<'_>),
    ) -> Result<Decoded, DecodeError> {
        let Self { limits, inflater, scratch, buffers } = self;
        let text = text_of(inflater, data)?;
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
            Ok((form, log_stream)) => Ok(Decoded { form, event_count: index, log_stream }),
            Err(EnvelopeError::Stopped) => Err(DecodeError::TooManyEvents { limit: limits.max_events }),
            Err(error) => Err(DecodeError::Envelope(error)),
        }
    }
}

/// The text of a record, inflated where it is gzipped.
pub(crate) fn text_of<'a>(inflater: &'a mut Inflater, data: &'a [u8]) -> Result<&'a str, DecodeError> {
    if data.is_empty() {
        return Err(DecodeError::Empty);
    }
    let content = if is_gzip(data) { inflater.inflate(data).map_err(DecodeError::Inflate)? } else { data };
    simdutf8::compat::from_utf8(content)
        .map_err(|error| DecodeError::NotUtf8 { valid_up_to: error.valid_up_to() })
}

/// Shows the lines of a producer that writes to the stream itself.
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

/// The id of an event that brings none: its place on the stream.
pub(crate) fn place_on_stream(record_name: &str, index: u32) -> String {
    format!("{record_name}/{index}")
}

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
        (None, "") => CallId::new(&place_on_stream(origin.record_name, index), claimed_at_ms),
        (None, event_id) => CallId::new(event_id, claimed_at_ms),
    };
    ReadEvent { index, id, claimed_at_ms, call }
}
