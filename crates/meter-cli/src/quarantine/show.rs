//! `meter quarantine show`: records with their payloads.

use std::fmt::Write;

use access_log::decoder::DEFAULT_MAX_INFLATED_BYTES;
use access_log::{Inflater, is_gzip};
use anyhow::Context;
use metering_aws::quarantine_queue::{Fate, KeptRecord};
use serde_json::Value;

use super::{
    QuarantinedRecordWithData, RECEIVING, Selection, UNREADABLE, queue, report_other_messages,
    require_selected,
};
use crate::output::{print_json, printable, time_text};
use crate::target::Target;

/// Prints the selected records.
pub async fn run(target: &Target, selection: Selection, json: bool) -> anyhow::Result<()> {
    let (mut shown, mut printed) = (0, Ok(()));
    let queue = queue(target).await?;
    let odd = queue
        .pass(RECEIVING, async |record| {
            if selection.has(&record) {
                shown += 1;
                if json {
                    if printed.is_ok() {
                        printed = print_json(&QuarantinedRecordWithData::new(&record));
                    }
                } else {
                    print(&record);
                }
            }
            Fate::Leave
        })
        .await
        .context(UNREADABLE)?;
    report_other_messages(&odd);
    printed?;
    require_selected(&selection, shown)
}

fn print(record: &KeptRecord) {
    let KeptRecord { record: name, arrived_at_ms, reason, detail, digest, payload, .. } = record;
    println!("record   {}", name.sequence_number);
    println!("shard    {}", name.shard);
    println!("arrived  {}", time_text(*arrived_at_ms));
    println!("reason   {reason}: {}", printable(detail));
    println!("payload  {} bytes, SHA-256 {digest}", payload.len());
    println!("{}", readable(payload));
}

/// Formats a payload as text, with one event per line.
fn readable(payload: &[u8]) -> String {
    let mut inflater = Inflater::new(DEFAULT_MAX_INFLATED_BYTES);
    let (content, note) = match is_gzip(payload).then(|| inflater.inflate(payload)) {
        None => (payload, None),
        Some(Ok(inflated)) => (inflated, None),
        Some(Err(error)) => (payload, Some(format!("({error}; the compressed bytes follow)\n"))),
    };
    let text = match serde_json::from_slice::<Value>(content) {
        Ok(envelope) if envelope["logEvents"].is_array() => events(envelope),
        _ => printable(&String::from_utf8_lossy(content)),
    };
    note.unwrap_or_default() + &text
}

/// Formats the members of an envelope, then its events.
fn events(mut envelope: Value) -> String {
    let events = envelope["logEvents"].take();
    if let Some(members) = envelope.as_object_mut() {
        members.remove("logEvents");
    }
    let mut text = envelope.to_string();
    for event in events.as_array().into_iter().flatten() {
        let _ = write!(text, "\n{event}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gzip(data: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn an_envelope_is_shown_one_event_a_line() {
        let envelope = json!({"logGroup": "g", "logEvents": [{"id": "1", "message": "a\nb"}, {"id": "2"}]});
        let shown = readable(&gzip(envelope.to_string().as_bytes()));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines, [r#"{"logGroup":"g"}"#, r#"{"id":"1","message":"a\nb"}"#, r#"{"id":"2"}"#]);
    }

    #[test]
    fn other_payloads_are_shown_without_reaching_the_terminal() {
        assert_eq!(readable(b"GET /\n\x1b[2J\xff"), "GET /\n\\u{1b}[2J\u{fffd}");
        let whole = gzip(&vec![b'x'; 1_000]);
        let shown = readable(&whole[..whole.len() - 5]);
        assert!(shown.starts_with("(the gzip data"), "{shown}");
    }
}
