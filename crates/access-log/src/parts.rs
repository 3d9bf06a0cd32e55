//! The extraction of single events of a record, as records that fit back into the stream.

use std::ops::ControlFlow;

use crate::decoder::{DecodeError, Decoder, Origin, position_on_stream, read_lines, text_of};
use crate::envelope::{Event, EventContent, is_envelope, read_envelope};
use crate::envelope_writer::{EnvelopeHeader, gzip, log_event};

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
        let mut wanted = Wanted { events, index: 0, raw: Vec::new() };
        let (log_group, log_stream) = if is_envelope(text) {
            let envelope = read_envelope(text, scratch, |event| {
                wanted.visit(|index| event_with_id(event, origin, index))
            });
            let envelope = envelope.map_err(DecodeError::Envelope)?;
            (envelope.log_group, envelope.log_stream)
        } else {
            let read = read_lines(text, |line| wanted.visit(|index| event_of_line(line, origin, index)));
            read.map_err(DecodeError::Envelope)?;
            Default::default()
        };
        Ok(records(&wanted.raw, &log_group, &log_stream))
    }
}

/// The visitor that collects the wanted events of a record.
struct Wanted<'e> {
    events: &'e [u32],
    index: u32,
    raw: Vec<String>,
}

impl Wanted<'_> {
    fn visit(&mut self, event: impl FnOnce(u32) -> String) -> ControlFlow<()> {
        if self.events.binary_search(&self.index).is_ok() {
            self.raw.push(event(self.index));
        }
        self.index += 1;
        ControlFlow::Continue(())
    }
}

/// Returns the JSON of an event. If neither the event nor its line has an id, the event gets one.
fn event_with_id(event: &Event<'_, '_>, origin: Origin<'_>, index: u32) -> String {
    let has_request_id = match &event.content {
        EventContent::Record(_, request_id) => request_id.is_some(),
        EventContent::Fields(Ok(fields)) => {
            fields.identity(&mut String::new()).is_some_and(|(request_id, _)| request_id.is_some())
        }
        EventContent::Fields(Err(_)) => false,
    };
    let members = event.raw.strip_prefix('{').filter(|_| event.id.is_empty() && !has_request_id);
    let Some(members) = members else { return event.raw.to_owned() };
    let id = position_on_stream(origin.record_name, index);
    let time = match event.logged_at_ms {
        Some(_) => String::new(),
        None => format!(r#""timestamp":{},"#, origin.arrived_at_ms),
    };
    // An event without any member is not a line either way, so an empty `id` may be added.
    let separator = if members.trim_start().starts_with('}') { r#""id":"""# } else { "" };
    format!(r#"{{{time}{separator}{},"id":"{id}"}}"#, members.trim_end().strip_suffix('}').unwrap_or(members))
}

fn event_of_line(line: &str, origin: Origin<'_>, index: u32) -> String {
    log_event(&position_on_stream(origin.record_name, index), origin.arrived_at_ms, line)
}

/// Packs events, in order, into records of at most [`MAX_PART_BYTES`].
fn records(events: &[String], log_group: &str, log_stream: &str) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut part: Vec<&str> = Vec::new();
    let mut bytes = 0;
    for event in events {
        if !part.is_empty() && bytes + event.len() > MAX_PART_BYTES {
            records.push(record(&part, log_group, log_stream));
            part.clear();
            bytes = 0;
        }
        bytes += event.len() + 1;
        part.push(event);
    }
    if !part.is_empty() {
        records.push(record(&part, log_group, log_stream));
    }
    records
}

fn record(events: &[&str], log_group: &str, log_stream: &str) -> Vec<u8> {
    let header = EnvelopeHeader { log_group, log_stream, ..EnvelopeHeader::default() };
    gzip(header.write(&events.join(",")).as_bytes())
}
