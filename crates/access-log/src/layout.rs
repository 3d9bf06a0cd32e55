//! The fast path of the decoder: reads an event by comparison with an earlier one.
//!
//! The events of a log stream are written from one format. Most bytes of an event are therefore
//! the same as in the event before: names, quotes and commas. A [`Layout`] has these fixed bytes,
//! and the ranges of the values between them.
//!
//! An event has the layout if every fixed byte is equal and no value contains a quote or a
//! backslash. Then its tokens are those of the learned event, and its values are in the same
//! ranges. The comparison is one pass, which the compiler vectorises. All other events are read by
//! the general reader, which is the reference.

use std::ops::Range;

use metering_core::usage_record::{CallStatus, MAX_RESPONSE_BYTES, UsageRecord};

use crate::json_cursor::{Cursor, JsonError, Value};
use crate::line::Fields;
use crate::request_time::epoch_to_ms;

/// Maximum number of learned layouts. Values of other lengths have another layout.
const MAX_LAYOUTS: usize = 16;
/// Maximum number of layouts that are learned from one record. It bounds the cost of records
/// without a common format.
const MAX_LEARNED_PER_RECORD: usize = 32;
/// Maximum length of a learned event, in bytes.
const MAX_EVENT_BYTES: usize = 4096;
/// Number of bytes that are compared at once. Shorter events are not learned.
const LANES: usize = 32;
/// Maximum number of digits that always fit into 64 bits.
const MAX_DIGITS: usize = 18;

/// The fixed bytes of an event and the byte ranges of its values.
#[derive(Debug)]
struct Layout {
    /// The fixed bytes, and 0 for each byte of a value.
    fixed: Vec<u8>,
    /// 0xff for a fixed byte, 0 for a byte of a value.
    mask: Vec<u8>,
    /// Ranges of the values that are JSON numbers, and must be digits.
    numbers: Vec<Range<usize>>,
    event_id: Range<usize>,
    request_id: Option<Range<usize>>,
    api_key_id: Range<usize>,
    customer_id: Option<Range<usize>>,
    request_time_epoch: Range<usize>,
    latency_ms: Option<Range<usize>>,
    response_bytes: Option<Range<usize>>,
    method: Option<Range<usize>>,
    route: Option<Range<usize>>,
    api_id: Option<Range<usize>>,
    stage: Option<Range<usize>>,
    status: CallStatus,
}

/// An event that has a learned layout.
#[derive(Debug)]
pub struct Recognised<'a> {
    /// The id of the log event.
    pub event_id: &'a str,
    /// The request id of the call, if the line has one.
    pub request_id: Option<&'a str>,
    /// The call in the event's line.
    pub record: UsageRecord<'a>,
    /// Byte position after the event.
    pub end: usize,
}

/// The learned layouts. A layout moves forward each time an event has it.
#[derive(Debug, Default)]
pub struct Layouts {
    #[expect(clippy::vec_box, reason = "a layout has hundreds of bytes, and often changes its place")]
    layouts: Vec<Box<Layout>>,
    learned: usize,
}

impl Layouts {
    /// Begins a record, from which layouts may be learned.
    pub fn begin_record(&mut self) {
        self.learned = 0;
    }

    /// Reads the event that begins at the byte `start`; `None` if it has no learned layout.
    pub fn recognise<'a>(&mut self, text: &'a str, start: usize) -> Option<Recognised<'a>> {
        let position = self.layouts.iter().position(|layout| layout.matches(text.as_bytes(), start))?;
        if position > 0 {
            self.layouts.swap(position, position - 1);
        }
        self.layouts[position.saturating_sub(1)].values(text, start)
    }

    /// Learns the layout of an event that the general reader has read in place.
    pub fn learn(&mut self, event: &str, event_id: &str, fields: &Fields<'_>) {
        if !(LANES..=MAX_EVENT_BYTES).contains(&event.len()) || self.learned == MAX_LEARNED_PER_RECORD {
            return;
        }
        self.learned += 1;
        if let Some(layout) = Layout::new(event, event_id, fields) {
            self.layouts.truncate(MAX_LAYOUTS - 1);
            self.layouts.insert(0, Box::new(layout));
        }
    }
}

impl Layout {
    /// Learns a layout; `None` if the general reader has to read such events.
    fn new(event: &str, event_id: &str, fields: &Fields<'_>) -> Option<Self> {
        let place = |part: &str| {
            let start = (part.as_ptr() as usize).checked_sub(event.as_ptr() as usize)?;
            (start + part.len() <= event.len()).then_some(start..start + part.len())
        };
        // A missing part has no range, which is not an error.
        let place_of = |part: Option<&str>| part.map_or(Some(None), |part| place(part).map(Some));
        let status = fields.status()?;
        let status_place = place(status)?;
        let [customer_id, method, route, api_id, stage] = fields.properties()?;
        let epoch = fields.request_time_epoch().filter(|epoch| digits(epoch.as_bytes()).is_some())?;
        let mut values = Vec::new();
        let mut numbers = Vec::new();
        collect_values(event, &mut values, &mut numbers).ok()?;
        // The status stays fixed: another status is another layout.
        values.retain(|value| *value != status_place);
        numbers.retain(|value| *value != status_place);
        // So do the values `-` and the empty text, which stand for a missing value.
        values.retain(|value| !matches!(&event[value.clone()], "-" | ""));
        let mut layout = Self {
            fixed: event.as_bytes().to_vec(),
            mask: vec![0xff; event.len()],
            numbers,
            event_id: place(event_id)?,
            request_id: match fields.request_id() {
                // An id that has to be unescaped is read by the general reader.
                None if fields.has_request_id() => return None,
                id => place_of(id)?,
            },
            // A line without a key is read by the general reader.
            api_key_id: place(fields.api_key_id()?)?,
            customer_id: place_of(customer_id)?,
            request_time_epoch: place(epoch)?,
            latency_ms: place_of(fields.response_latency())?,
            response_bytes: place_of(fields.response_length())?,
            method: place_of(method)?,
            route: place_of(route)?,
            api_id: place_of(api_id)?,
            stage: place_of(stage)?,
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
        // It rejects nearly every event of another length.
        if event[length - 1] != self.fixed[length - 1] {
            return false;
        }
        // Whole lanes, and a last one that overlaps them, so that no byte is compared alone.
        let mut wrong = [0; LANES];
        let (lanes, _) = event.as_chunks();
        for ((event, fixed), mask) in lanes.iter().zip(self.fixed.as_chunks().0).zip(self.mask.as_chunks().0)
        {
            compare(event, fixed, mask, &mut wrong);
        }
        if let (Some(event), Some(fixed), Some(mask)) =
            (event.last_chunk(), self.fixed.last_chunk(), self.mask.last_chunk())
        {
            compare(event, fixed, mask, &mut wrong);
        }
        wrong == [0; LANES]
    }

    fn values<'a>(&self, text: &'a str, start: usize) -> Option<Recognised<'a>> {
        let event = text.get(start..start + self.fixed.len())?;
        // Without a branch per byte, this is a vector comparison.
        let not_a_digit = |bad: bool, byte: &u8| bad | (byte.wrapping_sub(b'0') > 9);
        let is_number =
            |place: &Range<usize>| !event.as_bytes()[place.clone()].iter().fold(false, not_a_digit);
        if !self.numbers.iter().all(is_number) {
            return None;
        }
        let api_key_id = event.get(self.api_key_id.clone()).filter(|key| *key != "-")?;
        // An event in which the value is missing has another layout.
        let text = |place: &Option<Range<usize>>| match place {
            Some(place) => event.get(place.clone()).filter(|text| *text != "-").map(Some),
            None => Some(None),
        };
        let request_id = text(&self.request_id)?;
        let requested_at_ms = epoch_to_ms(digits(&event.as_bytes()[self.request_time_epoch.clone()])?);
        let latency_ms = match &self.latency_ms {
            Some(place) => {
                digits(&event.as_bytes()[place.clone()]).filter(|ms| *ms <= i64::from(u32::MAX))?
            }
            None => 0,
        };
        let response_bytes = match &self.response_bytes {
            Some(place) => response_bytes(&event.as_bytes()[place.clone()])?,
            None => 0,
        };
        let record = UsageRecord {
            api_key_id: Some(api_key_id),
            customer_id: text(&self.customer_id)?,
            status: self.status,
            method: text(&self.method)?,
            route: text(&self.route)?,
            api_id: text(&self.api_id)?,
            stage: text(&self.stage)?,
            requested_at_ms,
            responded_at_ms: requested_at_ms + latency_ms,
            response_bytes,
        };
        Some(Recognised {
            event_id: event.get(self.event_id.clone())?,
            request_id,
            record,
            end: start + self.fixed.len(),
        })
    }
}

/// Sets the bits of `wrong` for each byte that differs from a fixed byte, and for each quote or
/// backslash in a value.
fn compare(event: &[u8; LANES], fixed: &[u8; LANES], mask: &[u8; LANES], wrong: &mut [u8; LANES]) {
    for lane in 0..LANES {
        let byte = event[lane];
        let is_special = u8::from(byte == b'"') | u8::from(byte == b'\\');
        let special = is_special.wrapping_neg() & !mask[lane];
        wrong[lane] |= ((byte & mask[lane]) ^ fixed[lane]) | special;
    }
}

/// Parses 1 to [`MAX_DIGITS`] decimal digits; `None` for any other text.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > MAX_DIGITS {
        return None;
    }
    let (head, mut rest) = match text.split_first_chunk() {
        Some((first_eight, rest)) => (eight_digits(*first_eight)?, rest),
        None => (0, text),
    };
    let mut value = head;
    while let Some((byte, following)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
        rest = following;
    }
    Some(value)
}

/// Parses the length of a response; `None` if it is not a number, or above [`MAX_RESPONSE_BYTES`].
fn response_bytes(text: &[u8]) -> Option<u64> {
    u64::try_from(digits(text)?).ok().filter(|bytes| *bytes <= MAX_RESPONSE_BYTES)
}

/// Parses eight digits at once. Within one word, it combines adjacent digits, then pairs, then
/// groups of four.
///
/// Source: D. Lemire, "Quickly parsing eight digits", 2018.
fn eight_digits(text: [u8; 8]) -> Option<i64> {
    const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(text);
    let high_nibbles = 0xf0 * EACH_BYTE;
    let is_digits = word & high_nibbles == 0x30 * EACH_BYTE
        && word.wrapping_add(0x06 * EACH_BYTE) & high_nibbles == 0x30 * EACH_BYTE;
    if !is_digits {
        return None;
    }
    let pairs = ((word & (0x0f * EACH_BYTE)).wrapping_mul((10 << 8) + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul((100 << 16) + 1) >> 16) & 0x0000_ffff_0000_ffff;
    i64::try_from(fours.wrapping_mul((10_000 << 32) + 1) >> 32).ok()
}

/// Collects the ranges of all values of an event and of the line in it. `numbers` are those that
/// are JSON numbers.
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
        // All other values stay fixed.
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_read_as_the_standard_library_reads_them(text in "[0-9]{0,20}|[0-9]{0,9}[/:;? +-][0-9]{0,9}") {
            let expected = (text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok());
            prop_assert_eq!(digits(text.as_bytes()), expected.flatten());
        }
    }

    fn event(key: &str, time: &str, latency: &str) -> String {
        let line = format!(
            r#"{{\"key\":\"{key}\",\"customerId\":\"acme\",\"status\":\"200\",\"time\":\"{time}\",\"ms\":{latency},\"method\":\"GET\",\"route\":\"/{}\"}}"#,
            if key == "key-2" { "c" } else { "b" },
        );
        format!(r#"{{"id":"77","message":"{line}","timestamp":1764000000000}}"#)
    }

    fn learned(event: &str) -> Layouts {
        let start = event.find("{\\").unwrap();
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
        let found = layouts.recognise(&text, 1).expect("it has the learned layout");
        assert_eq!((found.event_id, found.end), ("78", text.len() - 1));
        let UsageRecord { api_key_id, customer_id, status, method, route, .. } = found.record;
        let UsageRecord { requested_at_ms, responded_at_ms, .. } = found.record;
        assert_eq!((api_key_id, customer_id, status.code()), (Some("key-2"), Some("acme"), 200));
        assert_eq!((method, route), (Some("GET"), Some("/c")), "the values of this event");
        assert_eq!((requested_at_ms, responded_at_ms), (1_764_000_000_777, 1_764_000_000_876));
    }

    #[test]
    fn a_response_length_is_recognised_and_what_is_none_is_left_to_the_general_reader() {
        let event = |length: &str| {
            let length = format!(r#"\"bytes\":\"{length}\",\"method\""#);
            event("key-1", "1764000000000", "12").replace(r#"\"method\""#, &length)
        };
        let read = |learned_length: &str, length: &str| {
            let (mut layouts, event) = (learned(&event(learned_length)), event(length));
            layouts.recognise(&event, 0).map(|found| found.record.response_bytes)
        };
        assert_eq!(read("1834", "0077"), Some(77));
        assert_eq!(read("1834", "12.5"), None);
        assert_eq!(read("1099511627776", "1099511627776"), Some(1 << 40));
        assert_eq!(read("1099511627776", "1099511627777"), None, "it is too long");
    }

    /// Has the layouts learn an event.
    fn learn(layouts: &mut Layouts, event: &str) {
        let start = event.find("{\\").unwrap();
        let fields = Fields::read(&mut Cursor::<true>::new(event, start)).unwrap();
        layouts.learn(event, &event[event.find("77").unwrap()..][..2], &fields);
    }

    #[test]
    fn layouts_are_few_in_all_and_learned_from_each_record() {
        let mut layouts = Layouts::default();
        for digits in 1..=MAX_LEARNED_PER_RECORD + 1 {
            learn(&mut layouts, &event(&"k".repeat(digits), "1764000000000", "12"));
        }
        assert_eq!((layouts.layouts.len(), layouts.learned), (MAX_LAYOUTS, MAX_LEARNED_PER_RECORD));
        let last = event(&"k".repeat(MAX_LEARNED_PER_RECORD), "1764000000000", "12");
        assert!(layouts.recognise(&last, 0).is_some());
        let one_more = event(&"k".repeat(MAX_LEARNED_PER_RECORD + 1), "1764000000000", "12");
        assert!(layouts.recognise(&one_more, 0).is_none(), "the general reader reads it");
        layouts.begin_record();
        learn(&mut layouts, &one_more);
        assert!(layouts.recognise(&one_more, 0).is_some(), "the next record has layouts of its own");
    }

    #[test]
    fn values_that_are_neither_plain_text_nor_digits_stay_fixed() {
        for (value, other) in [(r#""a\/b""#, r#""a\/c""#), ("-1.5", "-1.6"), ("true", "null")] {
            let members = format!("{{\"x\":{value},");
            let event = event("key-1", "1764000000000", "12").replacen('{', &members, 1);
            let mut layouts = learned(&event);
            assert!(layouts.recognise(&event, 0).is_some(), "{event}");
            assert!(layouts.recognise(&event.replace(value, other), 0).is_none(), "{event}");
        }
    }

    #[test]
    fn a_longer_event_than_the_longest_is_left_to_the_general_reader() {
        let padding = MAX_EVENT_BYTES - event("", "1764000000000", "12").len();
        for (bytes, is_learned) in [(padding, true), (padding + 1, false)] {
            let (mut layouts, event) = (Layouts::default(), event(&"k".repeat(bytes), "1764000000000", "12"));
            learn(&mut layouts, &event);
            assert_eq!(layouts.recognise(&event, 0).is_some(), is_learned, "{}", event.len());
        }
    }

    #[test]
    fn what_only_looks_alike_is_left_to_the_general_reader() {
        let mut layouts = learned(&event("key-1", "1764000000000", "12"));
        for other in [
            event("key-12", "1764000000000", "12"),
            event(r"ke\\1", "1764000000000", "12"),
            event(r#"k","x"#, "1764000000000", "12"),
            event("key-1", "17640000000-0", "12"),
            event("key-1", "1764000000000", "1}"),
            event("key-1", "1764000000000", "12").replace("200", "404"),
            event("key-1", "1764000000000", "12").replace("key\\\"", "kex\\\""),
            event("key-1", "1764000000000", "12").replace("00}", "0}}"),
            event("key-1", "1764000000000", "12").replace("00}", "}}}"),
        ] {
            assert!(layouts.recognise(&other, 0).is_none(), "{other}");
        }
        let cut = event("key-1", "1764000000000", "12");
        assert!(layouts.recognise(&cut[..cut.len() - 1], 0).is_none());
    }
}
