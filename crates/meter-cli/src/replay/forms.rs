//! The forms in which access logs are stored, and the events in each piece of a file. The form of an object
//! is recognized by the names of its members.

use std::io::Cursor;

use access_log::decode_base64;
use metering_aws::given_up::GivenUpBatch;
use serde_json::Value;

use super::insights;
use super::packing::Event;
use super::prefix::{self, Line};
use super::sink::{Sink, member};
use crate::input::marks::{self, STATUS};
use crate::input::pieces::{Kind, Piece, Pieces, marks_of_object};

/// Maximum size of a stream record, in bytes: 10 MiB. Source: Kinesis Developer Guide, "Quotas and limits".
const MAX_RECORD_BYTES: usize = 10 << 20;

/// The handling of objects of a form.
enum Handling {
    /// The function adds the events.
    Events(ReadEvents),
    /// The object is not part of an access log, for this reason.
    SetAside(&'static str),
}

use Handling::{Events, SetAside};

type ReadEvents = fn(&Value, u64, &mut dyn Sink) -> anyhow::Result<()>;

/// A form of objects.
struct Form {
    /// Marks of which an object has at least one, or is in an array with the mark.
    has: u32,
    /// Further marks of which an object has at least one.
    and: u32,
    handling: Handling,
}

const ANY: u32 = u32::MAX;

/// The forms of objects. The first matching form applies.
const FORMS: [Form; 9] = [
    Form { has: marks::AWSLOGS, and: ANY, handling: Events(logs_event) },
    Form { has: marks::KINESIS_BATCH_INFO, and: ANY, handling: Events(given_up) },
    Form { has: marks::KINESIS, and: ANY, handling: Events(kinesis_record) },
    Form { has: marks::RECORDS, and: marks::DATA, handling: Events(kinesis_record) },
    Form { has: marks::DATA, and: marks::SEQUENCE, handling: Events(kinesis_record) },
    Form { has: marks::MESSAGE, and: marks::EVENT_FIELD | marks::EVENTS, handling: Events(log_event) },
    Form { has: marks::INSIGHTS_MESSAGE, and: ANY, handling: Events(insights::row_object) },
    Form {
        has: marks::KEY_SECRET,
        and: ANY,
        handling: SetAside("it is an API key and not a call; `meter keys import` reads files of keys"),
    },
    Form {
        has: marks::ITEM | marks::ITEMS,
        and: ANY,
        handling: SetAside(
            "it is an item of a table or a list and not a line of a log; pass the access log instead",
        ),
    },
];

/// Adds the events of a piece of a file.
///
/// # Errors
/// When the sink fails.
pub fn read(piece: &Piece<'_>, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let line = piece.line;
    match piece.kind {
        Kind::Object => object(piece, sink),
        Kind::Array => match serde_json::from_slice(piece.bytes) {
            Ok(array) => insights::row_array(&array, line, sink),
            Err(_) => message(piece.bytes, line, sink),
        },
        Kind::Text => match serde_json::from_slice::<String>(piece.bytes) {
            Ok(text) => string(text.trim(), line, sink),
            Err(_) => message(piece.bytes, line, sink),
        },
        Kind::Line => text_line(&String::from_utf8_lossy(piece.bytes), line, sink),
    }
}

fn object(piece: &Piece<'_>, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let marks = piece.marks | piece.container;
    if piece.marks & STATUS == 0 && marks != 0 {
        if piece.marks & marks::MESSAGE_TYPE != 0 {
            return sink.record(piece.bytes.to_vec(), piece.line);
        }
        let form = FORMS.iter().find(|form| marks & form.has != 0 && marks & form.and != 0);
        if let Some(form) = form
            && let Ok(value) = serde_json::from_slice(piece.bytes)
        {
            return match form.handling {
                Events(read) => read(&value, piece.line, sink),
                SetAside(why) => {
                    sink.set_aside(piece.line, why.to_owned());
                    Ok(())
                }
            };
        }
    }
    message(piece.bytes, piece.line, sink)
}

fn message(bytes: &[u8], line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    sink.event(Event { message: &String::from_utf8_lossy(bytes), ..Event::default() }, line)
}

/// Reads a JSON string: a line of the log, or a document such as the payload of an invocation record.
fn string(text: &str, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    match marks_of_object(text) {
        Some(marks) if marks != 0 && marks & STATUS == 0 => {
            let mut pieces = Pieces::new(Box::new(Cursor::new(text.as_bytes().to_vec())));
            while let Some(piece) = pieces.next_piece()? {
                object(&Piece { line, ..piece }, sink)?;
            }
            Ok(())
        }
        _ => text_line(text, line, sink),
    }
}

/// Beginnings of the base64 of a record: of gzip, and of a JSON object without white space.
const BASE64_RECORDS: [&str; 2] = ["H4sI", "eyJ"];

/// Reads a line that is not JSON, or the text of an event. The AWS CLI prints the data of records in base64, with
/// tabs between them, for `--query 'Records[].Data' --output text`.
fn text_line(text: &str, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let is_record = |word: &str| BASE64_RECORDS.iter().any(|beginning| word.starts_with(beginning));
    if !text.is_empty() && text.split_whitespace().all(is_record) {
        return text.split_whitespace().try_for_each(|data| encoded(data, line, sink));
    }
    let message = match prefix::parse(text) {
        Line::Ignored => return Ok(()),
        Line::Message(message) => message,
        Line::Other => text,
    };
    sink.event(Event { message, ..Event::default() }, line)
}

/// Reads an event of `FilterLogEvents` or `GetLogEvents`, complete or reduced by `--query`.
fn log_event(event: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let text = |names: &[&str]| member(event, names).and_then(Value::as_str);
    let Some(message) = text(&["message", "Message"]) else {
        return sink.event(Event { message: &event.to_string(), ..Event::default() }, line);
    };
    let id = text(&["eventId", "EventId", "id"]);
    let logged_at_ms = member(event, &["timestamp", "Timestamp"]).and_then(Value::as_i64);
    sink.event(Event { id, logged_at_ms, message: message.trim() }, line)
}

/// Reads the event with which CloudWatch Logs invokes a function.
fn logs_event(event: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    data(&event["awslogs"]["data"], line, sink)
}

/// Reads a record of a Kinesis event, of `GetRecords`, or of a request of Firehose.
fn kinesis_record(record: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    match record.get("kinesis") {
        Some(kinesis) => data(&kinesis["data"], line, sink),
        None => data(member(record, &["Data", "data"]).unwrap_or(&Value::Null), line, sink),
    }
}

fn data(data: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    if let Some(data) = data.as_str() {
        return encoded(data, line, sink);
    }
    sink.set_aside(line, "it is a record without data".to_owned());
    Ok(())
}

fn encoded(data: &str, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    match decode_base64(data, MAX_RECORD_BYTES) {
        Ok(data) => sink.record(data, line),
        Err(error) => {
            sink.set_aside(line, format!("its data cannot be decoded: {error}"));
            Ok(())
        }
    }
}

/// Reads an invocation record, which Lambda writes to the on-failure bucket.
fn given_up(document: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    match GivenUpBatch::read(document.to_string().as_bytes()) {
        Ok(batch) => {
            for record in batch.records {
                match record {
                    Ok(record) => sink.record(record.data, line)?,
                    Err(damaged) => sink.set_aside(line, damaged.to_string()),
                }
            }
        }
        Err(error) => sink.set_aside(line, format!("it is an invocation record of Lambda, and {error}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use access_log::envelope_writer::gzip;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::tally::Counted;
    use super::*;
    use crate::replay::packing::Packer;
    use metering_core::status_ranges::StatusRanges;

    #[test]
    fn a_record_in_a_file_has_ten_mebibytes_and_not_one_byte_more() {
        for (bytes, set_aside) in [(MAX_RECORD_BYTES, 0), (MAX_RECORD_BYTES + 1, 1)] {
            let mut packer = Packer::new(0, Counted::new(35, StatusRanges::default()), |_| Ok(()));
            let mut data = gzip(b"");
            data.resize(bytes, 0);
            encoded(&STANDARD.encode(data), 1, &mut packer).unwrap();
            assert_eq!((packer.tally.set_aside, packer.tally.unreadable), (set_aside, 1 - set_aside));
        }
    }
}
