//! Reads an event by comparing it with one that was read before.
//!
//! The events of a log stream are written from one format, so most of an
//! event's bytes are those of the event before it: names, quotes, commas. A
//! [`Layout`] remembers which bytes those are and where the values stand
//! between them. An event of the same layout is recognised in one pass that
//! the compiler turns into vector instructions: every fixed byte is the same,
//! and no value holds a quote or a backslash. Then its tokens are those of the
//! remembered event, and its values stand at known places. Anything else is
//! read by the general reader, which alone decides what is right.

use std::ops::Range;

use metering_core::usage_record::{CallStatus, UsageRecord};

use crate::json_cursor::{Cursor, JsonError, Value};
use crate::line::Fields;

/// How many layouts are remembered; values of other lengths make another layout.
const MAX_LAYOUTS: usize = 16;
/// How many layouts are learned per record, so that records without a common
/// format cost little more than reading them.
const MAX_LEARNED_PER_RECORD: usize = 32;
/// The longest event that is remembered, in bytes.
const MAX_EVENT_BYTES: usize = 4096;
/// The most digits that surely fit 64 bits.
const MAX_DIGITS: usize = 18;

/// The fixed bytes of an event and the places of its values.
#[derive(Debug)]
struct Layout {
    /// The fixed bytes; 0 where a value stands.
    fixed: Vec<u8>,
    /// 0xff for a fixed byte, 0 for a byte of a value.
    mask: Vec<u8>,
    /// Values that are numbers and so have to be digits.
    numbers: Vec<Range<usize>>,
    event_id: Range<usize>,
    api_key_id: Range<usize>,
    requested_at_ms: Range<usize>,
    latency_ms: Option<Range<usize>>,
    status: CallStatus,
}

/// An event that has a remembered layout.
#[derive(Debug)]
pub struct Recognised<'a> {
    /// Its id.
    pub event_id: &'a str,
    /// Its call.
    pub record: UsageRecord<'a>,
    /// Where it ends.
    pub end: usize,
}

/// The layouts that were seen last, the latest first.
#[derive(Debug, Default)]
pub struct Layouts {
    layouts: Vec<Layout>,
    learned: usize,
}

impl Layouts {
    /// Allows layouts to be learned from the next record.
    pub fn begin_record(&mut self) {
        self.learned = 0;
    }

    /// Reads the event that begins at `start`, if its layout is known.
    pub fn recognise<'a>(&mut self, text: &'a str, start: usize) -> Option<Recognised<'a>> {
        let position = self.layouts.iter().position(|layout| layout.matches(text.as_bytes(), start))?;
        if position > 0 {
            self.layouts.swap(position, position - 1);
        }
        self.layouts[position.saturating_sub(1)].values(text, start)
    }

    /// Remembers the layout of an event that the general reader has read in place.
    pub fn learn(&mut self, event: &str, event_id: &str, fields: &Fields<'_>) {
        if event.len() > MAX_EVENT_BYTES || self.learned == MAX_LEARNED_PER_RECORD {
            return;
        }
        self.learned += 1;
        if let Some(layout) = Layout::of(event, event_id, fields) {
            self.layouts.truncate(MAX_LAYOUTS - 1);
            self.layouts.insert(0, layout);
        }
    }
}

impl Layout {
    fn of(event: &str, event_id: &str, fields: &Fields<'_>) -> Option<Self> {
        let place = |part: &str| {
            let start = (part.as_ptr() as usize).checked_sub(event.as_ptr() as usize)?;
            (start + part.len() <= event.len()).then_some(start..start + part.len())
        };
        let status = fields.status()?;
        let status_place = place(status)?;
        let mut values = Vec::new();
        let mut numbers = Vec::new();
        collect_values(event, &mut values, &mut numbers).ok()?;
        // The status stays fixed: another status is another layout.
        values.retain(|value| *value != status_place);
        numbers.retain(|value| *value != status_place);
        // So do values that mean that there is none.
        values.retain(|value| !matches!(&event[value.clone()], "-" | ""));
        let mut layout = Self {
            fixed: event.as_bytes().to_vec(),
            mask: vec![0xff; event.len()],
            numbers,
            event_id: place(event_id)?,
            // A line without a key is read by the general reader.
            api_key_id: place(fields.api_key_id()?)?,
            requested_at_ms: place(fields.request_time_epoch()?)?,
            latency_ms: match fields.response_latency() {
                Some(latency) => Some(place(latency)?),
                None => None,
            },
            status: CallStatus::parse(status.as_bytes())?,
        };
        for value in values {
            layout.mask[value.clone()].fill(0);
            layout.fixed[value].fill(0);
        }
        Some(layout)
    }

    fn matches(&self, text: &[u8], start: usize) -> bool {
        let length = self.fixed.len();
        let Some(event) = text.get(start..start + length) else { return false };
        // Nearly every event of another length ends elsewhere.
        if event[length - 1] != self.fixed[length - 1] {
            return false;
        }
        let mut wrong = 0;
        for ((&byte, &fixed), &mask) in event.iter().zip(&self.fixed).zip(&self.mask) {
            let special = if byte == b'"' || byte == b'\\' { !mask } else { 0 };
            wrong |= ((byte & mask) ^ fixed) | special;
        }
        wrong == 0
    }

    fn values<'a>(&self, text: &'a str, start: usize) -> Option<Recognised<'a>> {
        let event = text.get(start..start + self.fixed.len())?;
        let is_number = |place: &Range<usize>| event.as_bytes()[place.clone()].iter().all(u8::is_ascii_digit);
        if !self.numbers.iter().all(is_number) {
            return None;
        }
        let api_key_id = event.get(self.api_key_id.clone()).filter(|key| *key != "-")?;
        let requested_at_ms = digits(&event.as_bytes()[self.requested_at_ms.clone()])?;
        let latency_ms = match &self.latency_ms {
            Some(place) => {
                digits(&event.as_bytes()[place.clone()]).filter(|ms| *ms <= i64::from(u32::MAX))?
            }
            None => 0,
        };
        let record = UsageRecord {
            api_key_id: Some(api_key_id),
            status: self.status,
            requested_at_ms,
            responded_at_ms: requested_at_ms + latency_ms,
        };
        Some(Recognised {
            event_id: event.get(self.event_id.clone())?,
            record,
            end: start + self.fixed.len(),
        })
    }
}

/// Reads digits and nothing else.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > MAX_DIGITS {
        return None;
    }
    text.iter().try_fold(0_i64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + i64::from(digit))
    })
}

/// Finds the places of all values of an event and of the line in it.
fn collect_values(
    event: &str,
    values: &mut Vec<Range<usize>>,
    numbers: &mut Vec<Range<usize>>,
) -> Result<(), JsonError> {
    let mut cursor = Cursor::<false>::new(event, 0);
    let mut first = true;
    cursor.expect(b'{', "'{'")?;
    while let Some(name) = cursor.member_name(first)? {
        first = false;
        cursor.peek()?;
        if name.raw == "message" {
            let mut line = Cursor::<true>::new(event, cursor.position() + 1);
            collect_line(&mut line, values, numbers)?;
            cursor = Cursor::new(event, line.position());
            cursor.expect(b'"', "the end of the line")?;
        } else {
            collect_value(&mut cursor, values, numbers)?;
        }
    }
    Ok(())
}

fn collect_line(
    cursor: &mut Cursor<'_, true>,
    values: &mut Vec<Range<usize>>,
    numbers: &mut Vec<Range<usize>>,
) -> Result<(), JsonError> {
    let mut first = true;
    cursor.expect(b'{', "'{'")?;
    while cursor.member_name(first)?.is_some() {
        first = false;
        collect_value(cursor, values, numbers)?;
    }
    Ok(())
}

fn collect_value<const ESCAPED: bool>(
    cursor: &mut Cursor<'_, ESCAPED>,
    values: &mut Vec<Range<usize>>,
    numbers: &mut Vec<Range<usize>>,
) -> Result<(), JsonError> {
    let quote = if ESCAPED { 2 } else { 1 };
    cursor.peek()?;
    let start = cursor.position();
    match cursor.value()? {
        Value::Text(text) if !text.has_escapes => values.push(start + quote..cursor.position() - quote),
        Value::Number(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            numbers.push(start..cursor.position());
            values.push(start..cursor.position());
        }
        // Whatever else it is stays fixed.
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str, time: &str, latency: &str) -> String {
        let line = format!(
            r#"{{\"apiKeyId\":\"{key}\",\"status\":\"200\",\"requestTimeEpoch\":\"{time}\",\"responseLatency\":{latency}}}"#
        );
        format!(r#"{{"id":"77","message":"{line}","timestamp":1764000000000}}"#)
    }

    fn learned(event: &str) -> Layouts {
        let start = event.find(r#"{\"#).unwrap();
        let fields = Fields::read(&mut Cursor::<true>::new(event, start)).unwrap();
        let mut layouts = Layouts::default();
        let id = &event[event.find("77").unwrap()..][..2];
        layouts.learn(event, id, &fields);
        layouts
    }

    #[test]
    fn an_event_of_the_same_layout_is_recognised_with_its_own_values() {
        let mut layouts = learned(&event("key-1", "1764000000000", "12"));
        let text = format!("[{}]", event("key-2", "1764000000777", "99").replace("77\"", "78\""));
        let found = layouts.recognise(&text, 1).expect("it is recognised");
        assert_eq!((found.event_id, found.end), ("78", text.len() - 1));
        let UsageRecord { api_key_id, status, requested_at_ms, responded_at_ms } = found.record;
        assert_eq!((api_key_id, status.code()), (Some("key-2"), 200));
        assert_eq!((requested_at_ms, responded_at_ms), (1_764_000_000_777, 1_764_000_000_876));
    }

    #[test]
    fn what_only_looks_alike_is_left_to_the_general_reader() {
        let mut layouts = learned(&event("key-1", "1764000000000", "12"));
        for other in [
            event("key-12", "1764000000000", "12"),
            event(r#"ke\\1"#, "1764000000000", "12"),
            event(r#"k","x"#, "1764000000000", "12"),
            event("key-1", "17640000000-0", "12"),
            event("key-1", "1764000000000", "1}"),
            event("key-1", "1764000000000", "12").replace("200", "404"),
            event("key-1", "1764000000000", "12").replace("apiKeyId", "apiKeyIx"),
        ] {
            assert!(layouts.recognise(&other, 0).is_none(), "{other}");
        }
        let cut = event("key-1", "1764000000000", "12");
        assert!(layouts.recognise(&cut[..cut.len() - 1], 0).is_none());
    }
}
