//! The reader of the envelope that a CloudWatch Logs subscription puts around log events.
//!
//! Source: CloudWatch Logs User Guide, "Log group-level subscription filters": `messageType` is
//! `DATA_MESSAGE`, or `CONTROL_MESSAGE` for a check that the destination can be reached.

use std::borrow::Cow;
use std::ops::ControlFlow;

use metering_core::usage_record::UsageRecord;

use crate::json_cursor::{Cursor, JsonError, RawText, Value, unescape_into};
use crate::layout::Layouts;
use crate::line::{Fields, LineError, check_length};

/// The `messageType` of log events.
pub(crate) const DATA_MESSAGE: &str = "DATA_MESSAGE";
/// The `messageType` of a check that the destination can be reached.
pub(crate) const CONTROL_MESSAGE: &str = "CONTROL_MESSAGE";

/// A record that looks like an envelope and is not a valid one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The envelope is not valid JSON.
    #[error("the CloudWatch Logs envelope is not valid JSON")]
    NotJson(#[from] JsonError),
    /// `messageType` is missing or not one of the two.
    #[error("the messageType {value:?} is neither {DATA_MESSAGE} nor {CONTROL_MESSAGE}")]
    UnknownMessageType {
        /// The first 40 characters of the value; empty if it is missing.
        value: String,
    },
    /// The visitor of the events has stopped the reading.
    #[error("the envelope was not read to its end")]
    Stopped,
    /// The envelope is a data message without `logEvents`.
    #[error("the envelope is a {DATA_MESSAGE} without logEvents")]
    NoEvents,
}

/// The members of an envelope beside its events.
#[derive(Debug, Default)]
pub struct Envelope<'a> {
    /// `true` for a check by CloudWatch Logs that the destination can be reached.
    pub is_control_message: bool,
    /// The name of the log group.
    pub log_group: Cow<'a, str>,
    /// The name of the log stream.
    pub log_stream: Cow<'a, str>,
}

/// One log event.
pub struct Event<'a, 'b> {
    /// The JSON of the event.
    pub raw: &'a str,
    /// The id, as it is escaped in the JSON; empty if the event has none.
    pub id: &'a str,
    /// Time of the log event, in milliseconds since 1970. It is `None` for
    /// [`EventContent::Record`], whose request time is known.
    pub logged_at_ms: Option<i64>,
    /// The content of the message.
    pub content: EventContent<'b>,
}

/// The content of a log event's message.
pub enum EventContent<'b> {
    /// The call, and its request id if the line has one. It was read by a known layout.
    Record(UsageRecord<'b>, Option<&'b str>),
    /// The fields of the line, or the reason why the message is not an access-log line.
    Fields(Result<&'b Fields<'b>, LineError>),
}

/// Buffers and learned layouts, reused from record to record.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Buffer for a line that has to be unescaped.
    line: String,
    layouts: Layouts,
}

/// Returns `true` if a record is an envelope and not an access-log line: it has a member that only
/// envelopes have.
pub fn is_envelope(text: &str) -> bool {
    let mut cursor = Cursor::<false>::new(text, 0);
    let mut has_envelope_member = || -> Result<bool, JsonError> {
        cursor.expect(b'{', "'{'")?;
        let mut first = true;
        while let Some(name) = cursor.member_name(first)? {
            if matches!(name.raw, "messageType" | "logEvents") {
                return Ok(true);
            }
            first = false;
            cursor.value()?;
        }
        Ok(false)
    };
    has_envelope_member().unwrap_or(false)
}

/// Reads an envelope and calls `visit` for each of its events.
///
/// Events are visited before the whole envelope is read. On an error, the caller must discard them.
pub fn read_envelope<'a>(
    text: &'a str,
    scratch: &mut Scratch,
    mut visit: impl FnMut(&Event<'a, '_>) -> ControlFlow<()>,
) -> Result<Envelope<'a>, EnvelopeError> {
    let mut cursor = Cursor::<false>::new(text, 0);
    let mut envelope = Envelope::default();
    scratch.layouts.begin_record();
    let (mut message_type, mut has_events) = ("", false);
    cursor.expect(b'{', "'{'")?;
    let mut first = true;
    while let Some(name) = cursor.member_name(first)? {
        first = false;
        if name.raw == "logEvents" && cursor.peek()? == b'[' {
            has_events = true;
            if read_events(text, &mut cursor, scratch, &mut visit)?.is_break() {
                return Err(EnvelopeError::Stopped);
            }
            continue;
        }
        if let Value::Text(value) = cursor.value()? {
            match name.raw {
                "messageType" => message_type = value.raw,
                "logGroup" => envelope.log_group = unescaped(value),
                "logStream" => envelope.log_stream = unescaped(value),
                _ => {}
            }
        }
    }
    match message_type {
        CONTROL_MESSAGE => envelope.is_control_message = true,
        DATA_MESSAGE if has_events => {}
        DATA_MESSAGE => return Err(EnvelopeError::NoEvents),
        other => return Err(EnvelopeError::UnknownMessageType { value: other.chars().take(40).collect() }),
    }
    cursor.expect_end("the end of the record")?;
    Ok(envelope)
}

/// Unescapes a JSON string. Log streams are identified by their names, and two writers may escape
/// the same name differently. A string with an invalid escape is returned unchanged.
fn unescaped(value: RawText<'_>) -> Cow<'_, str> {
    let mut text = String::new();
    if value.has_escapes && unescape_into(value.raw, &mut text).is_ok() {
        Cow::Owned(text)
    } else {
        Cow::Borrowed(value.raw)
    }
}

fn read_events<'a>(
    text: &'a str,
    cursor: &mut Cursor<'a, false>,
    scratch: &mut Scratch,
    visit: &mut impl FnMut(&Event<'a, '_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, JsonError> {
    cursor.expect(b'[', "'['")?;
    if cursor.accept(b']')? {
        return Ok(ControlFlow::Continue(()));
    }
    loop {
        cursor.peek()?;
        let flow = match scratch.layouts.recognise(text, cursor.position()) {
            Some(event) => {
                let raw = &text[cursor.position()..event.end];
                *cursor = Cursor::new(text, event.end);
                let content = EventContent::Record(event.record, event.request_id);
                visit(&Event { raw, id: event.event_id, logged_at_ms: None, content })
            }
            None => read_event(text, cursor, scratch, visit)?,
        };
        if flow.is_break() {
            return Ok(flow);
        }
        if !cursor.accept(b',')? {
            return cursor.expect(b']', "',' or ']'").map(|()| flow);
        }
    }
}

/// Reads one event without a known layout, and passes it to `visit`.
fn read_event<'a>(
    text: &'a str,
    cursor: &mut Cursor<'a, false>,
    scratch: &mut Scratch,
    visit: &mut impl FnMut(&Event<'a, '_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, JsonError> {
    let start = cursor.position();
    let (mut id, mut logged_at_ms, mut message, mut message_bytes) = ("", None, None, 0);
    cursor.expect(b'{', "'{'")?;
    let mut first = true;
    while let Some(name) = cursor.member_name(first)? {
        first = false;
        if name.raw == "message" && cursor.peek()? == b'"' {
            let begin = cursor.position();
            message = Some(read_message(text, cursor)?);
            message_bytes = cursor.position() - begin - "\"\"".len();
            continue;
        }
        match (name.raw, cursor.value()?) {
            ("id", Value::Text(value)) => id = value.raw,
            ("timestamp", Value::Number(value)) => logged_at_ms = value.parse().ok(),
            _ => {}
        }
    }
    let raw = &text[start..cursor.position()];
    let fields = match (check_length(message_bytes), message) {
        (Err(error), _) => Err(error),
        (Ok(()), Some(Ok(fields))) => {
            scratch.layouts.learn(raw, id, &fields);
            Ok(fields)
        }
        (Ok(()), Some(Err(raw_line))) => read_unescaped(raw_line, &mut scratch.line),
        (Ok(()), None) => {
            Err(LineError::NotJson(JsonError::Expected { expected: "a \"message\"", position: 0 }))
        }
    };
    let content = EventContent::Fields(fields.as_ref().map_err(Clone::clone));
    Ok(visit(&Event { raw, id, logged_at_ms, content }))
}

/// Reads the line of an event in place, without unescaping it. The inner error is the raw line, if
/// it has to be unescaped first.
fn read_message<'a>(
    text: &'a str,
    cursor: &mut Cursor<'a, false>,
) -> Result<Result<Fields<'a>, RawText<'a>>, JsonError> {
    let mut inside = Cursor::<true>::new(text, cursor.position() + 1);
    if let Ok(fields) = Fields::read(&mut inside)
        && matches!(inside.peek(), Ok(b'"'))
    {
        *cursor = Cursor::new(text, inside.position() + 1);
        return Ok(Ok(fields));
    }
    cursor.string().map(Err)
}

fn read_unescaped<'b>(raw_line: RawText<'_>, line: &'b mut String) -> Result<Fields<'b>, LineError> {
    line.clear();
    unescape_into(raw_line.raw, line)?;
    read_line(line)
}

/// Reads a line that is not inside a JSON string.
pub fn read_line(line: &str) -> Result<Fields<'_>, LineError> {
    check_length(line.len())?;
    let mut cursor = Cursor::<false>::new(line, 0);
    let fields = Fields::read(&mut cursor)?;
    cursor.expect_end("the end of the line")?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope_writer::{EnvelopeHeader, log_event};

    fn read(text: &str) -> Result<Envelope<'_>, EnvelopeError> {
        read_envelope(text, &mut Scratch::default(), |_| ControlFlow::Continue(()))
    }

    #[test]
    fn the_names_of_log_group_and_log_stream_are_unescaped() {
        let names = |text: &str| {
            let envelope = read(text).unwrap();
            [envelope.log_group.into_owned(), envelope.log_stream.into_owned()]
        };
        let plain = EnvelopeHeader { log_group: "/aws/api", log_stream: "a/b", ..EnvelopeHeader::default() };
        assert_eq!(names(&plain.write("")), ["/aws/api", "a/b"]);
        let escaped = EnvelopeHeader { log_group: "a\\b", log_stream: "c\nd", ..EnvelopeHeader::default() };
        assert_eq!(names(&escaped.write("")), ["a\\b", "c\nd"]);
        let invalid = plain.write("").replace("a/b", r"a\xb");
        assert_eq!(names(&invalid), ["/aws/api", r"a\xb"], "an invalid escape is kept");
    }

    #[test]
    fn a_data_message_has_events() {
        assert_eq!(read(r#"{"messageType":"DATA_MESSAGE"}"#).unwrap_err(), EnvelopeError::NoEvents);
        assert_eq!(
            read(r#"{"messageType":"DATA_MESSAGE","logEvents":7}"#).unwrap_err(),
            EnvelopeError::NoEvents
        );
        assert!(!read(r#"{"messageType":"DATA_MESSAGE","logEvents":[]}"#).unwrap().is_control_message);
        assert!(read(r#"{"messageType":"CONTROL_MESSAGE"}"#).unwrap().is_control_message);
    }

    #[test]
    fn the_second_event_of_a_format_is_read_by_the_layout_of_the_first() {
        let line = r#"{"id":"a","key":"k","time":"1795509270000","status":"200"}"#;
        let events = [log_event("1", 7, line), log_event("2", 8, line)].join(",");
        let mut are_records = Vec::new();
        read_envelope(&EnvelopeHeader::default().write(&events), &mut Scratch::default(), |event| {
            are_records.push(matches!(event.content, EventContent::Record(..)));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(are_records, [false, true]);
    }
}
