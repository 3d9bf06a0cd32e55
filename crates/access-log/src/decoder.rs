//! Decodes stream records of every form.

use metering_core::usage_record::{ImplausibleCall, RecordIdentity, UsageRecord};

use crate::envelope::{
    Envelope, EnvelopeError, EventContent, Scratch, is_envelope, read_envelope, read_line,
};
use crate::inflate::{InflateError, Inflater, is_gzip};
use crate::line::{Fields, LineError};

/// The longest log group, log stream or event id that enters an identity, in
/// bytes; CloudWatch Logs allows 512 for the names.
const MAX_IDENTITY_PART_BYTES: usize = 512;

/// What a decoder may use for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a gzipped record may inflate to.
    pub max_inflated_bytes: usize,
}

/// 32 MiB: a full record of 1 MiB at three times the ratio that access logs reach.
pub const DEFAULT_MAX_INFLATED_BYTES: usize = 32 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self { max_inflated_bytes: DEFAULT_MAX_INFLATED_BYTES }
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
        }
    }
}

/// Why a single event of a readable record cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no access-log line.
    #[error(transparent)]
    Line(LineError),
    /// It is one, but its values cannot be right.
    #[error(transparent)]
    Implausible(ImplausibleCall),
}

impl EventError {
    /// A word for metrics and grouping.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Line(error) => error.reason(),
            Self::Implausible(ImplausibleCall::TooOld { .. }) => "too-old",
            Self::Implausible(ImplausibleCall::InTheFuture { .. }) => "in-the-future",
            Self::Implausible(ImplausibleCall::KeyIdTooLong { .. }) => "bad-key-id",
            Self::Implausible(ImplausibleCall::NoWindow(_)) => "bad-request-time",
        }
    }
}

/// An event that cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEvent {
    /// Its place in the record, counted from 0.
    pub index: usize,
    /// Its JSON, or its line.
    pub raw: String,
    /// What is wrong with it.
    pub error: EventError,
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

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Its form.
    pub form: Form,
    /// How many events it has, good and bad.
    pub event_count: usize,
    /// What it is recognised by; `None` where its events bear no ids.
    pub identity: Option<RecordIdentity>,
    /// The events that cannot be counted.
    pub bad_events: Vec<BadEvent>,
    log_group: String,
    log_stream: String,
}

impl Decoded {
    /// The bad events as a record of their own, which can be put on the
    /// stream again; `original` where all events are bad.
    pub fn bad_events_payload(&self, original: &[u8]) -> Vec<u8> {
        if self.bad_events.len() == self.event_count {
            return original.to_vec();
        }
        let raw: Vec<&str> = self.bad_events.iter().map(|event| event.raw.as_str()).collect();
        match self.form {
            Form::Lines => raw.join("\n").into_bytes(),
            Form::LogEvents | Form::ControlMessage => format!(
                r#"{{"messageType":"DATA_MESSAGE","logGroup":"{}","logStream":"{}","logEvents":[{}]}}"#,
                self.log_group,
                self.log_stream,
                raw.join(",")
            )
            .into_bytes(),
        }
    }
}

/// Decodes records one after the other with buffers that are used again.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    inflater: Inflater,
    scratch: Scratch,
    key_id: String,
}

impl Decoder {
    /// A decoder with these limits.
    pub fn new(limits: Limits) -> Self {
        let inflater = Inflater::new(limits.max_inflated_bytes);
        Self { limits, inflater, scratch: Scratch::default(), key_id: String::new() }
    }

    /// Forgets everything but the limits.
    pub fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Decodes a record and calls `count` for each of its usage records.
    ///
    /// An event that is no access-log line, or that `count` refuses, is told
    /// in [`Decoded::bad_events`] and does not keep the others from being
    /// counted. `count` runs before the end of the record is known: on an
    /// error, and for a [`Form::ControlMessage`], discard what it counted.
    ///
    /// # Errors
    /// When nothing of the record can be read.
    pub fn decode<F>(&mut self, data: &[u8], mut count: F) -> Result<Decoded, DecodeError>
    where
        F: FnMut(&UsageRecord<'_>) -> Result<(), ImplausibleCall>,
    {
        if data.is_empty() {
            return Err(DecodeError::Empty);
        }
        let content =
            if is_gzip(data) { self.inflater.inflate(data).map_err(DecodeError::Inflate)? } else { data };
        let text = simdutf8::compat::from_utf8(content)
            .map_err(|error| DecodeError::NotUtf8 { valid_up_to: error.valid_up_to() })?;
        let (scratch, key_id) = (&mut self.scratch, &mut self.key_id);
        let mut count = |content: &EventContent<'_>| match content {
            EventContent::Record(record) => count(record).map_err(EventError::Implausible),
            EventContent::Fields(Ok(fields)) => {
                let record = fields.to_record(key_id).map_err(EventError::Line)?;
                count(&record).map_err(EventError::Implausible)
            }
            EventContent::Fields(Err(error)) => Err(EventError::Line(error.clone())),
        };
        if is_envelope(text) {
            decode_envelope(text, scratch, &mut count).map_err(DecodeError::Envelope)
        } else {
            decode_lines(text, &mut count)
        }
    }
}

fn decode_envelope(
    text: &str,
    scratch: &mut Scratch,
    count: &mut impl FnMut(&EventContent<'_>) -> Result<(), EventError>,
) -> Result<Decoded, EnvelopeError> {
    let mut bad_events = Vec::new();
    let mut index = 0;
    let envelope = read_envelope(text, scratch, |event| {
        let counted = count(&event.content);
        if let Err(error) = counted {
            bad_events.push(BadEvent { index, raw: event.raw.to_owned(), error });
        }
        index += 1;
    })?;
    if envelope.is_control_message {
        bad_events.clear();
    }
    Ok(Decoded {
        form: if envelope.is_control_message { Form::ControlMessage } else { Form::LogEvents },
        event_count: envelope.event_count,
        identity: envelope_identity(&envelope),
        bad_events,
        log_group: envelope.log_group.to_owned(),
        log_stream: envelope.log_stream.to_owned(),
    })
}

fn envelope_identity(envelope: &Envelope<'_>) -> Option<RecordIdentity> {
    identity(
        format!("{}/{}", envelope.log_group, envelope.log_stream),
        envelope.first_event_id,
        envelope.last_event_id,
        envelope.event_count,
    )
}

fn identity(
    origin: String,
    first_event_id: &str,
    last_event_id: &str,
    event_count: usize,
) -> Option<RecordIdentity> {
    let usable = |part: &str| !part.is_empty() && part.len() <= MAX_IDENTITY_PART_BYTES;
    if event_count == 0
        || !usable(first_event_id)
        || !usable(last_event_id)
        || origin.len() > 2 * MAX_IDENTITY_PART_BYTES
    {
        return None;
    }
    Some(RecordIdentity {
        origin,
        first_event_id: first_event_id.to_owned(),
        last_event_id: last_event_id.to_owned(),
        event_count,
    })
}

/// Lines of a producer that writes to the stream itself. Where they tell
/// `extendedRequestId`, a record sent twice is recognised by it.
fn decode_lines(
    text: &str,
    count: &mut impl FnMut(&EventContent<'_>) -> Result<(), EventError>,
) -> Result<Decoded, DecodeError> {
    let mut bad_events = Vec::new();
    let (mut event_count, mut first_id, mut last_id) = (0, "", "");
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields = read_line(line);
        let id = fields.as_ref().ok().and_then(Fields::extended_request_id).unwrap_or("");
        if event_count == 0 {
            first_id = id;
        }
        last_id = id;
        let counted = count(&EventContent::Fields(fields.as_ref().map_err(Clone::clone)));
        if let Err(error) = counted {
            bad_events.push(BadEvent { index: event_count, raw: line.to_owned(), error });
        }
        event_count += 1;
    }
    if event_count == 0 {
        return Err(DecodeError::Empty);
    }
    Ok(Decoded {
        form: Form::Lines,
        event_count,
        identity: identity("lines".to_owned(), first_id, last_id, event_count),
        bad_events,
        log_group: String::new(),
        log_stream: String::new(),
    })
}
