//! Packs the events of a file into stream records.

use std::borrow::Cow;

use access_log::envelope_writer::{EnvelopeHeader, gzip, log_event};
use access_log::{Decoder, Form, Limits, Origin};
use twox_hash::XxHash3_128;

use super::tally::{Counted, Tally};

/// Number of events in one record.
const EVENTS_PER_RECORD: usize = 200;
/// Size of the text in one record from which on the record is complete, in bytes.
const MAX_RECORD_TEXT_BYTES: usize = 700 << 10;
/// Maximum size of a message, in bytes. CloudWatch Logs accepts log events of at most 1 MB. Source:
/// CloudWatch Logs User Guide, "CloudWatch Logs quotas".
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Maximum size of a record, in bytes, below the limit of a stream: 1 MiB. Source: Kinesis API Reference,
/// `PutRecords`.
const MAX_RECORD_BYTES: usize = 1_000_000;

/// An event of a log.
#[derive(Debug, Default, Clone, Copy)]
pub struct Event<'a> {
    /// Id that CloudWatch Logs has assigned, if the file has it.
    pub id: Option<&'a str>,
    /// Time at which the event was logged, in milliseconds since 1970.
    pub logged_at_ms: Option<i64>,
    /// Line of the access log.
    pub message: &'a str,
}

/// Packs events into records, and tallies them.
///
/// An event without an id gets an id from its line and all lines before it. A file therefore has the same
/// events each time it is read, in any encoding, and after lines were appended.
pub struct Packer<T> {
    send: T,
    /// Tally of the lines that were read.
    pub tally: Tally,
    decoder: Decoder,
    chain: u64,
    text: String,
    lines: Vec<u64>,
    now_ms: i64,
    counted: Counted,
}

impl<T: FnMut(Vec<u8>) -> anyhow::Result<()>> Packer<T> {
    /// Creates a packer for a file that is read at `now_ms`. Records are passed to `send`.
    pub fn new(now_ms: i64, counted: Counted, send: T) -> Self {
        Self {
            send,
            tally: Tally::default(),
            decoder: Decoder::new(Limits::default()),
            chain: 0,
            text: String::new(),
            lines: Vec::new(),
            now_ms,
            counted,
        }
    }

    /// Adds an event in this line of the file.
    ///
    /// # Errors
    /// When a record cannot be sent.
    pub fn event(&mut self, event: Event<'_>, line: u64) -> anyhow::Result<()> {
        if event.message.len() > MAX_MESSAGE_BYTES {
            let length = event.message.len();
            self.tally.set_aside(line, format!("it has {length} bytes, more than any log event"));
            return Ok(());
        }
        self.tally.keep_sample(event.message);
        let id = match event.id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.next_id(event.message)?),
        };
        if !self.lines.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(&log_event(&id, event.logged_at_ms.unwrap_or(0), event.message));
        self.lines.push(line);
        if self.lines.len() == EVENTS_PER_RECORD || self.text.len() > MAX_RECORD_TEXT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Returns the id of an event without one: a hash of its line and of all lines before it.
    fn next_id(&mut self, message: &str) -> anyhow::Result<String> {
        let hash = XxHash3_128::oneshot_with_seed(self.chain, message.as_bytes());
        // The lower half is the seed for the next line.
        self.chain = u64::try_from(hash & u128::from(u64::MAX))?;
        Ok(format!("{hash:032x}"))
    }

    /// Adds the payload of a stream record. If the payload is lines, each line becomes an event.
    ///
    /// # Errors
    /// When a record cannot be sent.
    pub fn record(&mut self, data: Vec<u8>, line: u64) -> anyhow::Result<()> {
        self.flush()?;
        let origin = Origin { record_name: "", arrived_at_ms: self.now_ms };
        let (counted, now_ms, mut judged) = (&self.counted, self.now_ms, Tally::default());
        match self.decoder.decode(&data, origin, |event| judged.judge(&event, line, counted, now_ms)) {
            Ok(decoded) if decoded.form == Form::ControlMessage => Ok(()),
            Ok(decoded) if decoded.form == Form::LogEvents => {
                let events: Vec<u32> = (0..decoded.event_count).collect();
                self.tally.add(judged);
                if data.len() <= MAX_RECORD_BYTES {
                    return (self.send)(data);
                }
                self.decoder.parts(&data, origin, &events)?.into_iter().try_for_each(&mut self.send)
            }
            Ok(_) => self.add_lines(&data, line),
            Err(error) => {
                self.tally.unreadable(line, &data, &error);
                if data.len() <= MAX_RECORD_BYTES { (self.send)(data) } else { Ok(()) }
            }
        }
    }

    /// Adds the lines of a record that a producer has written.
    fn add_lines(&mut self, data: &[u8], line: u64) -> anyhow::Result<()> {
        use std::io::Read;
        let mut text = String::new();
        if access_log::is_gzip(data) {
            flate2::read::MultiGzDecoder::new(data).read_to_string(&mut text)?;
        } else {
            text = String::from_utf8_lossy(data).into_owned();
        }
        for message in text.lines().filter(|message| !message.trim().is_empty()) {
            self.event(Event { message, ..Event::default() }, line)?;
        }
        Ok(())
    }

    /// Sends the last record.
    ///
    /// # Errors
    /// When the record cannot be sent.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let header = EnvelopeHeader {
            owner: "replay",
            log_group: "replay",
            log_stream: "replay",
            ..EnvelopeHeader::default()
        };
        let record = header.write(&std::mem::take(&mut self.text)).into_bytes();
        let (tally, lines) = (&mut self.tally, std::mem::take(&mut self.lines));
        let (counted, now_ms) = (&self.counted, self.now_ms);
        let origin = Origin { record_name: "", arrived_at_ms: self.now_ms };
        self.decoder.decode(&record, origin, |event| {
            let line = usize::try_from(event.index).ok().and_then(|index| lines.get(index));
            tally.judge(&event, line.copied().unwrap_or_default(), counted, now_ms);
        })?;
        (self.send)(gzipped_if_large(record))
    }
}

fn gzipped_if_large(record: Vec<u8>) -> Vec<u8> {
    if record.len() < MAX_RECORD_BYTES / 2 { record } else { gzip(&record) }
}

#[cfg(test)]
mod tests {
    use metering_core::status_ranges::StatusRanges;

    use super::*;

    #[test]
    fn an_event_is_a_mebibyte_at_most_and_a_record_ends_with_its_text_or_its_events() {
        let mut sent = 0;
        let mut packer = Packer::new(0, Counted::new(35, StatusRanges::default()), |_| {
            sent += 1;
            Ok(())
        });
        let mut add = |message: &str| packer.event(Event { message, ..Event::default() }, 1).unwrap();
        add(&"x".repeat(MAX_MESSAGE_BYTES + 1));
        for _ in 0..=EVENTS_PER_RECORD {
            add("x");
        }
        // The last record has one event. This one completes it.
        add(&"x".repeat(MAX_RECORD_TEXT_BYTES));
        add(&"x".repeat(MAX_MESSAGE_BYTES));
        assert_eq!((packer.tally.set_aside, packer.tally.unreadable), (1, EVENTS_PER_RECORD as u64 + 3));
        drop(packer);
        assert_eq!(sent, 3);
    }

    #[test]
    fn a_record_of_a_file_is_sent_as_it_is_unless_it_is_too_large_for_the_stream() {
        let envelope = |bytes: usize| {
            let header = EnvelopeHeader::default();
            let event = |message: &str| log_event("1", 0, message);
            let rest = header.write(&[event("a"), event("")].join(",")).len();
            let events = [event("a"), event(&"x".repeat(bytes - rest))];
            header.write(&events.join(",")).into_bytes()
        };
        for (bytes, is_sent_as_it_is) in [(MAX_RECORD_BYTES, true), (MAX_RECORD_BYTES + 1, false)] {
            let (data, mut sent) = (envelope(bytes), Vec::new());
            assert_eq!(data.len(), bytes);
            let mut packer = Packer::new(0, Counted::new(35, StatusRanges::default()), |record| {
                sent.push(record);
                Ok(())
            });
            packer.record(data.clone(), 1).unwrap();
            drop(packer);
            assert_eq!(sent == [data], is_sent_as_it_is, "{bytes}");
            assert!(sent.iter().all(|record| record.len() <= MAX_RECORD_BYTES));
        }
    }
}
