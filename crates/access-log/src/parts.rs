//! The extraction of single events of a record, as records that fit back into the stream.

use std::borrow::Cow;
use std::io::Write;
use std::ops::ControlFlow;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::decoder::{DecodeError, Decoder, Origin, position_on_stream, read_lines, text_of};
use crate::envelope::{Event, EventContent, is_envelope, read_envelope};
use crate::envelope_writer::{EnvelopeHeader, LOG_EVENT_END, log_event_beginning};

/// Maximum length of the text in one part, in bytes. Gzipped, it is below the 1 MiB of a stream
/// record, even if it hardly compresses.
///
/// Source: Kinesis Data Streams quotas, "maximum size of a data blob".
const MAX_PART_BYTES: usize = 900 * 1024;

impl Decoder {
    /// Extracts events of a record into new records: gzipped envelopes, each of which fits into the
    /// stream. The calls keep their identities.
    ///
    /// `events` are indices in the record, counted from 0, ascending.
    ///
    /// # Errors
    /// When the record as a whole cannot be read.
    pub fn parts(
        &mut self,
        data: &[u8],
        origin: Origin<'_>,
        events: &[u32],
    ) -> Result<Vec<Vec<u8>>, DecodeError> {
        let Self { inflater, scratch, .. } = self;
        let text = text_of(inflater, data)?;
        let mut next = 0;
        let mut wanted_index = || {
            let index = next;
            next += 1;
            events.binary_search(&index).ok().map(|_| index)
        };
        if !is_envelope(text) {
            let mut parts = Parts::new("", "");
            let read = read_lines(text, |line| {
                if let Some(index) = wanted_index() {
                    parts.add_line(line, origin, index);
                }
                ControlFlow::Continue(())
            });
            return read.map(|()| parts.finish()).map_err(DecodeError::Envelope);
        }
        // The names may follow the events.
        let names = read_envelope(text, scratch, |_| ControlFlow::Continue(()));
        let names = names.map_err(DecodeError::Envelope)?;
        let mut parts = Parts::new(&names.log_group, &names.log_stream);
        let read = read_envelope(text, scratch, |event| {
            if let Some(index) = wanted_index() {
                parts.add_event(&event_with_id(event, origin, index));
            }
            ControlFlow::Continue(())
        });
        read.map(|_| parts.finish()).map_err(DecodeError::Envelope)
    }
}

/// Returns the JSON of an event. If neither the event nor its line has an id, the event gets one.
fn event_with_id<'a>(event: &Event<'a, '_>, origin: Origin<'_>, index: u32) -> Cow<'a, str> {
    let has_request_id = match &event.content {
        EventContent::Record(_, request_id) => request_id.is_some(),
        EventContent::Fields(Ok(fields)) => {
            fields.identity(&mut String::new()).is_some_and(|(request_id, _)| request_id.is_some())
        }
        EventContent::Fields(Err(_)) => false,
    };
    let members = event.raw.strip_prefix('{').filter(|_| event.id.is_empty() && !has_request_id);
    let Some(members) = members else { return Cow::Borrowed(event.raw) };
    let id = position_on_stream(origin.record_name, index);
    let time = match event.logged_at_ms {
        Some(_) => String::new(),
        None => format!(r#""timestamp":{},"#, origin.arrived_at_ms),
    };
    // An event without any member is not a line either way, so an empty `id` may be added.
    let separator = if members.trim_start().starts_with('}') { r#""id":"""# } else { "" };
    let members = members.trim_end().strip_suffix('}').unwrap_or(members);
    Cow::Owned(format!(r#"{{{time}{separator}{members},"id":"{id}"}}"#))
}

/// Events packed, in order, into records of at most [`MAX_PART_BYTES`] of text.
///
/// Events are compressed as they come. An event may be as long as a record, of which no copy is made.
struct Parts {
    /// The envelope's text before its events.
    beginning: String,
    finished: Vec<Vec<u8>>,
    /// The part to which events are added, and the length of its events.
    present: Option<(GzEncoder<Vec<u8>>, usize)>,
}

impl Parts {
    fn new(log_group: &str, log_stream: &str) -> Self {
        let header = EnvelopeHeader { log_group, log_stream, ..EnvelopeHeader::default() };
        Self { beginning: header.beginning(), finished: Vec::new(), present: None }
    }

    fn add_event(&mut self, event: &str) {
        let part = self.part_for(event.len());
        // Writing into memory does not fail.
        let _ = part.write_all(event.as_bytes());
    }

    fn add_line(&mut self, line: &str, origin: Origin<'_>, index: u32) {
        let id = position_on_stream(origin.record_name, index);
        let beginning = log_event_beginning(&id, origin.arrived_at_ms);
        // Quotes are escaped. Other characters that are escaped are rare.
        let bytes = beginning.len() + line.len() + memchr::memchr_iter(b'"', line.as_bytes()).count() + 3;
        let part = self.part_for(bytes);
        let _ = part.write_all(beginning.as_bytes());
        let _ = serde_json::to_writer(&mut *part, line);
        let _ = part.write_all(LOG_EVENT_END.as_bytes());
    }

    /// Returns the part with room for this number of bytes, ready for the next event.
    fn part_for(&mut self, bytes: usize) -> &mut GzEncoder<Vec<u8>> {
        if self.present.as_ref().is_some_and(|(_, before)| before + bytes > MAX_PART_BYTES) {
            self.end_part();
        }
        let is_first = self.present.is_none();
        let (part, before) =
            self.present.get_or_insert_with(|| (GzEncoder::new(Vec::new(), Compression::default()), 0));
        let _ = part.write_all(if is_first { self.beginning.as_bytes() } else { b"," });
        *before += bytes + 1;
        part
    }

    fn end_part(&mut self) {
        let Some((mut part, _)) = self.present.take() else { return };
        let _ = part.write_all(EnvelopeHeader::END.as_bytes());
        self.finished.extend(part.finish());
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.end_part();
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope_writer::log_event;

    const ORIGIN: Origin<'static> = Origin { record_name: "shard-0/1", arrived_at_ms: 5 };

    /// A way to add a line to the parts.
    type Add = fn(&mut Parts, &str);

    #[test]
    fn events_that_fill_a_part_to_its_last_byte_are_in_one_part_and_a_byte_more_makes_two() {
        let event = |line: &str| log_event("shard-0/1/0", ORIGIN.arrived_at_ms, line);
        let first = r#"{"key":"k","status":"200"}"#;
        let room = MAX_PART_BYTES - event(first).len() - ",".len() - event("").len();
        let ways: [Add; 2] = [
            |parts, line| parts.add_line(line, ORIGIN, 0),
            |parts, line| parts.add_event(&log_event("shard-0/1/0", ORIGIN.arrived_at_ms, line)),
        ];
        for add in ways {
            for (bytes, count) in [(room, 1), (room + 1, 2)] {
                let mut parts = Parts::new("", "");
                add(&mut parts, first);
                add(&mut parts, &"x".repeat(bytes));
                assert_eq!(parts.finish().len(), count);
            }
        }
    }
}
