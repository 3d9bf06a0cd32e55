//! Layouts: a decoder that has learned layouts reads events as one that has not, to the bit.
//!
//! An input is a template, which is the JSON of a log event, and then a line feed and either changes
//! of the template or further events, one on each line.

use crate::readings::{self, LIMITS, Reading, read};

/// Number of bytes that describe a change of the template: its place and the byte to set.
const CHANGE_BYTES: usize = 3;
/// Number of changes in one event.
const CHANGES: usize = 3;

/// Checks a template, and events that are changed from it or follow it.
pub fn check(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (template, rest) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(template) = std::str::from_utf8(template) else { return };
    let events: Vec<String> = match std::str::from_utf8(rest) {
        Ok(rest) if rest.starts_with('{') => rest.lines().map(str::to_owned).collect(),
        _ => rest.chunks(CHANGE_BYTES * CHANGES).filter_map(|chunk| changed(template, chunk)).collect(),
    };
    let all: Vec<&str> = std::iter::once(template).chain(events.iter().map(String::as_str)).collect();
    if all.len() <= LIMITS.max_events as usize {
        compare(&all);
    }
}

/// Returns the template with bytes changed; `None` if the result is not UTF-8.
fn changed(template: &str, changes: &[u8]) -> Option<String> {
    let mut bytes = template.as_bytes().to_vec();
    for change in changes.as_chunks::<CHANGE_BYTES>().0 {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let place = place.checked_rem(bytes.len())?;
        bytes[place] = change[2];
    }
    String::from_utf8(bytes).ok()
}

fn envelope(events: &[&str]) -> String {
    format!(
        r#"{{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{}]}}"#,
        events.join(",")
    )
}

fn compare(events: &[&str]) {
    // Each event alone, by a decoder that has learned nothing.
    let alone = |event: &&str| -> Option<Reading> {
        let (_, mut readings) = read(&mut readings::decoder(), envelope(&[event]).as_bytes()).ok()?;
        readings.pop().filter(|_| readings.is_empty())
    };
    let mut readable: Vec<&str> = Vec::new();
    let mut expected: Vec<Reading> = Vec::new();
    for event in events {
        // Without an id, an event is identified by its index, which differs here.
        let reading = alone(event).filter(|_| !is_identified_by_place(event));
        if let Some(reading) = reading {
            readable.push(event);
            expected.push(reading);
        }
    }
    if readable.is_empty() {
        return;
    }
    let text = envelope(&readable);
    let mut decoder = readings::decoder();
    for pass in 0..2 {
        let (_, found) = read(&mut decoder, text.as_bytes())
            .unwrap_or_else(|error| panic!("events that are read alone are read together: {error:?}"));
        assert_eq!(found, expected, "pass {pass}: the layouts read what the general reader reads");
    }
}

/// Returns `true` if an event is identified by its place on the stream.
fn is_identified_by_place(event: &str) -> bool {
    let at = |index: &str| {
        let origin = access_log::Origin { record_name: index, ..readings::ORIGIN };
        let mut id = None;
        let read =
            readings::decoder().decode(envelope(&[event]).as_bytes(), origin, |event| id = Some(event.id));
        read.ok().and(id)
    };
    at("one") != at("two")
}
