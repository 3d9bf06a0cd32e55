//! The forms in which people have access logs.

use std::io::{BufRead, BufReader, Read};

use access_log::decode_base64;
use anyhow::{Context, bail};
use flate2::bufread::MultiGzDecoder;
use metering_aws::given_up::GivenUpBatch;
use serde_json::{Value, json};

/// How many lines go into one record.
const LINES_PER_RECORD: usize = 200;
/// The longest line that is read, in bytes; longer ones are cut and so end in quarantine.
const MAX_LINE_BYTES: u64 = 256 * 1024;
/// The most text that goes into one record, in bytes.
const MAX_RECORD_TEXT_BYTES: usize = 700 * 1024;
/// The largest document (an event, or the output of an AWS command) that is read.
const MAX_DOCUMENT_BYTES: u64 = 1 << 30;
/// The largest stream record. Source: Kinesis API Reference.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// Reads stream records out of a file, whatever its form.
pub struct RecordReader {
    source: Source,
}

enum Source {
    /// Records that were found in a document.
    Records(std::vec::IntoIter<Vec<u8>>),
    /// Lines that are put into records.
    Lines { reader: Box<dyn BufRead>, identity: String, next_line: u64 },
}

impl RecordReader {
    /// Finds out the form of a file. `identity` goes into the ids of its lines.
    pub fn open(mut file: impl BufRead + 'static, identity: &str) -> anyhow::Result<Self> {
        let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let mut reader: Box<dyn BufRead> =
            if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        let mut first_line = Vec::new();
        (&mut reader)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut first_line)
            .context("the file cannot be inflated")?;
        let mut reader: Box<dyn BufRead> =
            Box::new(BufReader::new(std::io::Cursor::new(first_line.clone()).chain(reader)));
        if starts_document(&first_line) {
            let mut text = Vec::new();
            (&mut reader).take(MAX_DOCUMENT_BYTES).read_to_end(&mut text)?;
            if let Ok(document) = serde_json::from_slice::<Value>(&text) {
                return Ok(Self {
                    source: Source::Records(document_records(&document, identity)?.into_iter()),
                });
            }
            reader = Box::new(std::io::Cursor::new(text));
        }
        Ok(Self { source: Source::Lines { reader, identity: identity.to_owned(), next_line: 0 } })
    }

    /// The next record, ready for the stream.
    pub fn next_record(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        match &mut self.source {
            Source::Records(records) => Ok(records.next()),
            Source::Lines { reader, identity, next_line } => {
                let (mut messages, mut bytes) = (Vec::new(), 0);
                while messages.len() < LINES_PER_RECORD && bytes < MAX_RECORD_TEXT_BYTES {
                    let Some(line) = read_line(reader)? else { break };
                    bytes += line.len();
                    messages.push(line);
                }
                if messages.is_empty() {
                    return Ok(None);
                }
                let first = *next_line;
                *next_line += messages.len() as u64;
                Ok(Some(envelope(&messages, identity, first)))
            }
        }
    }
}

/// Whether a first line belongs to one JSON document and not to JSON lines.
fn starts_document(first_line: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(first_line) {
        Ok(Value::Object(line)) => ["Records", "events", "awslogs", "messageType", "KinesisBatchInfo"]
            .iter()
            .any(|name| line.contains_key(*name)),
        Ok(Value::Array(_)) => true,
        Ok(_) => false,
        Err(_) => first_line.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'[')),
    }
}

/// The next line that is not blank, without the timestamp of a CloudWatch Logs export.
fn read_line(reader: &mut Box<dyn BufRead>) -> anyhow::Result<Option<String>> {
    loop {
        let mut line = Vec::new();
        if reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut line).context("the file cannot be read on")?
            == 0
        {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if !line.is_empty() {
            return Ok(Some(without_export_timestamp(line).to_owned()));
        }
    }
}

/// `2026-11-24T08:34:30.123Z {...}`, as an export to S3 writes it.
fn without_export_timestamp(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, message))
            if time.ends_with('Z') && metering_core::window::parse_request_time(time).is_ok() =>
        {
            message
        }
        _ => line,
    }
}

fn envelope(messages: &[String], identity: &str, first_line: u64) -> Vec<u8> {
    let events: Vec<Value> = messages
        .iter()
        .zip(first_line..)
        .map(|(message, line)| json!({"id": format!("{line:056}"), "timestamp": 0, "message": message}))
        .collect();
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "replay", "logGroup": "replay", "logStream": identity,
        "subscriptionFilters": [], "logEvents": events,
    });
    gzip_if_large(envelope.to_string().into_bytes())
}

fn gzip_if_large(text: Vec<u8>) -> Vec<u8> {
    use std::io::Write;
    if text.len() < MAX_RECORD_BYTES / 2 {
        return text;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    match encoder.write_all(&text).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed,
        Err(_) => text,
    }
}

/// The records in a document.
fn document_records(document: &Value, identity: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    if document["KinesisBatchInfo"].is_object() {
        let batch = GivenUpBatch::read(document.to_string().as_bytes())?;
        return batch.records.into_iter().map(|record| Ok(record?.data)).collect();
    }
    if let Some(records) = document["Records"].as_array() {
        return records.iter().enumerate().map(|(position, record)| kinesis_data(position, record)).collect();
    }
    if let Some(data) = document["awslogs"]["data"].as_str() {
        return Ok(vec![decode_base64(data, MAX_RECORD_BYTES).context("the awslogs data")?]);
    }
    if document["messageType"].is_string() {
        return Ok(vec![document.to_string().into_bytes()]);
    }
    let messages: Vec<String> = match (document["events"].as_array(), document.as_array()) {
        (Some(events), _) => events.iter().map(message_of_event).collect(),
        (None, Some(lines)) => lines.iter().map(Value::to_string).collect(),
        // One call, perhaps written over several lines.
        (None, None) => vec![document.to_string()],
    };
    let chunks = messages.chunks(LINES_PER_RECORD).zip((0..).step_by(LINES_PER_RECORD));
    Ok(chunks.map(|(chunk, first)| envelope(chunk, identity, first)).collect())
}

fn message_of_event(event: &Value) -> String {
    event["message"].as_str().map_or_else(|| event.to_string(), str::to_owned)
}

fn kinesis_data(position: usize, record: &Value) -> anyhow::Result<Vec<u8>> {
    let Some(data) = record["kinesis"]["data"].as_str() else {
        bail!("record {position} of the event has no kinesis.data; expected a saved Kinesis event");
    };
    decode_base64(data, MAX_RECORD_BYTES)
        .with_context(|| format!("the data of record {position} of the event"))
}
