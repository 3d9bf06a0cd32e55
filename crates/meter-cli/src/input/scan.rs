//! Finds the end of a JSON value in text that arrives in parts, and detects invalid JSON at once.
//!
//! Bare tokens are not validated. A line whose latency is an unquoted `-` is one value, and the decoder of
//! access-log lines reports the problem.

use memchr::memchr3;

use super::marks::{CONTAINER, STATUS, mark_of};

/// Maximum depth of nesting.
const MAX_DEPTH: usize = 128;

/// The result of a step of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The value is incomplete; more text is needed.
    More,
    /// The value ends before this offset.
    End(usize),
    /// The object has an array whose elements are separate pieces. The first element begins at this offset.
    Elements(usize),
    /// The text is not JSON from this offset on.
    Broken(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Opening,
    Comma,
    Colon,
    Text,
    Closing,
    Bare,
}

/// A scan of one value.
#[derive(Debug)]
pub struct Scan {
    offset: usize,
    open: Vec<u8>,
    last: Last,
    /// Start of the string at the present offset, if there is one.
    string_start: Option<usize>,
    /// `true` if that string is the name of a member of the outermost object.
    is_name: bool,
    /// Mark of the present member.
    mark: u32,
    finds_elements: bool,
    /// Marks of the members of the outermost object.
    pub marks: u32,
}

impl Scan {
    /// Starts a scan of the value at the beginning of the text. With `finds_elements`, the scan stops at an
    /// array whose elements are separate pieces.
    pub fn new(finds_elements: bool) -> Self {
        Self {
            offset: 0,
            open: Vec::new(),
            last: Last::Colon,
            string_start: None,
            is_name: false,
            mark: 0,
            finds_elements,
            marks: 0,
        }
    }

    /// Starts a scan after an array in an object, up to the end of the object.
    pub fn after_array() -> Self {
        Self { open: vec![b'{'], last: Last::Closing, ..Self::new(false) }
    }

    /// Continues the scan. The text begins where it began before, and may be longer.
    pub fn advance(&mut self, text: &[u8]) -> Step {
        loop {
            if let Some(start) = self.string_start {
                match self.rest_of_string(text, start) {
                    Some(Step::More) => return Step::More,
                    Some(step) => return step,
                    None => {}
                }
            }
            let Some(&byte) = text.get(self.offset) else { return Step::More };
            let step = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => None,
                b'"' => self.begin_string(),
                b'{' | b'[' => self.open(byte),
                b'}' | b']' => self.close(byte),
                b',' => self.separate(Last::Comma),
                b':' => self.separate(Last::Colon),
                _ => self.bare(),
            };
            if let Some(step) = step {
                return step;
            }
            self.offset += 1;
        }
    }

    fn broken(&self) -> Step {
        Step::Broken(self.offset)
    }

    fn may_begin_value(&self) -> bool {
        match self.last {
            Last::Colon => true,
            Last::Opening | Last::Comma => self.open.last() == Some(&b'['),
            Last::Text | Last::Closing | Last::Bare => false,
        }
    }

    fn begin_string(&mut self) -> Option<Step> {
        let is_name = self.open.last() == Some(&b'{') && matches!(self.last, Last::Opening | Last::Comma);
        if !is_name && !self.may_begin_value() {
            return Some(self.broken());
        }
        self.is_name = is_name && self.open.len() == 1;
        self.string_start = Some(self.offset + 1);
        None
    }

    /// Continues within a string; `None` after the end of the string.
    fn rest_of_string(&mut self, text: &[u8], start: usize) -> Option<Step> {
        loop {
            let rest = text.get(self.offset..).unwrap_or_default();
            let Some(found) = memchr3(b'"', b'\\', b'\n', rest) else {
                self.offset = text.len();
                return Some(Step::More);
            };
            match rest[found] {
                b'"' => {
                    let end = self.offset + found;
                    if self.is_name {
                        self.mark = mark_of(&text[start..end]);
                        self.marks |= self.mark;
                    }
                    self.string_start = None;
                    self.last = Last::Text;
                    self.offset = end + 1;
                    if self.open.is_empty() {
                        return Some(Step::End(self.offset));
                    }
                    return None;
                }
                // A JSON string cannot contain a line break.
                b'\n' => return Some(Step::Broken(self.offset + found)),
                _ if found + 1 >= rest.len() => {
                    self.offset += found;
                    return Some(Step::More);
                }
                _ => self.offset += found + 2,
            }
        }
    }

    fn open(&mut self, byte: u8) -> Option<Step> {
        if !self.may_begin_value() || self.open.len() == MAX_DEPTH {
            return Some(self.broken());
        }
        let is_elements = byte == b'[' && self.open.len() == 1 && self.mark & CONTAINER != 0;
        if is_elements && self.finds_elements && self.marks & STATUS == 0 {
            return Some(Step::Elements(self.offset + 1));
        }
        self.open.push(byte);
        self.last = Last::Opening;
        None
    }

    fn close(&mut self, byte: u8) -> Option<Step> {
        let opening = if byte == b'}' { b'{' } else { b'[' };
        if self.open.pop() != Some(opening) {
            return Some(self.broken());
        }
        self.last = Last::Closing;
        self.open.is_empty().then_some(Step::End(self.offset + 1))
    }

    fn separate(&mut self, separator: Last) -> Option<Step> {
        if matches!(self.last, Last::Text | Last::Closing | Last::Bare) {
            self.last = separator;
            return None;
        }
        Some(self.broken())
    }

    fn bare(&mut self) -> Option<Step> {
        if self.last != Last::Bare && !self.may_begin_value() {
            return Some(self.broken());
        }
        self.last = Last::Bare;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_at_the_same_offset_in_whatever_parts_it_arrives() {
        for value in [
            r#"{"a":"}","b":[1,{"c":null}],"d":-,"e":"\"{"}"#,
            "{\n  \"a\": [\n    \"x\"\n  ]\n}",
            "{}",
            r#"["a",{"b":1},-2.5e3]"#,
            r#""a text with \" and \\""#,
        ] {
            let text = format!("{value} {{");
            for first in 0..value.len() {
                let mut scan = Scan::new(true);
                assert_eq!(scan.advance(&text.as_bytes()[..first]), Step::More, "{value} {first}");
                assert_eq!(scan.advance(text.as_bytes()), Step::End(value.len()), "{value} {first}");
            }
        }
    }

    #[test]
    fn invalid_values_are_detected_at_once() {
        for (text, offset) in [
            (r#"{"a":"b"c","d":1}"#, 8),
            ("{\"a\":\"cut\n{\"a\":1}", 9),
            ("{\"a\":1,\n{\"a\":2}", 8),
            ("{\"a\":\n{\"a\":2}\n{\"a\":3}", 14),
            ("{\"a\":1\n{\"a\":2}", 7),
            (r#"{"a":[1}"#, 7),
            ("{a:1}", 1),
        ] {
            assert_eq!(Scan::new(false).advance(text.as_bytes()), Step::Broken(offset), "{text}");
        }
    }

    #[test]
    fn a_value_is_nested_128_levels_deep_and_not_one_more() {
        let value = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let deepest = value(MAX_DEPTH);
        assert_eq!(Scan::new(false).advance(deepest.as_bytes()), Step::End(deepest.len()));
        assert_eq!(Scan::new(false).advance(value(MAX_DEPTH + 1).as_bytes()), Step::Broken(MAX_DEPTH));
    }

    #[test]
    fn elements_of_containers_are_found() {
        let text = r#"{"searchedLogStreams":[],"events":[{"#;
        assert_eq!(Scan::new(true).advance(text.as_bytes()), Step::Elements(35));
        assert_eq!(Scan::after_array().advance(br#","nextToken":"x","a":[{}]} "#), Step::End(26));
        // A line of the log may have a member of that name.
        assert_eq!(Scan::new(true).advance(br#"{"status":"200","events":[]}"#), Step::End(28));
    }
}
