//! Cuts text into JSON values and lines.
//!
//! Values can be one per line, pretty-printed, concatenated, in an array, or in a member of a document such
//! as `events`. Text that is not JSON is cut into lines. The present piece is in memory,
//! and the beginning of a document, in which the end of the document is looked for.

use std::io::{BufRead, Result};

use super::marks::{CONTAINER, is_call};
use super::scan::{Scan, Step};

/// Maximum size of a line that is not JSON, in bytes. A longer line is cut.
pub const MAX_LINE_BYTES: usize = 256 << 10;
/// Maximum size of a JSON value, in bytes, and of the text that is read to find its end. A longer value is
/// read as lines. An invocation record has a batch of up to 6 MB as text.
const MAX_VALUE_BYTES: usize = 256 << 20;
/// Number of bytes that are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The kind of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    /// A JSON array that is an element of another array.
    Array,
    /// A JSON string.
    Text,
    /// A line that is not JSON, or several lines if a value is incomplete.
    Line,
}

/// A piece of the text: a JSON value or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    pub kind: Kind,
    /// Bytes without surrounding white space.
    pub bytes: &'a [u8],
    /// First line of the piece, counted from 1.
    pub line: u64,
    /// Marks of the members, if the piece is an object.
    pub marks: u32,
    /// Mark of the array of which the piece is an element; `0` if there is none.
    pub container: u32,
}

/// An array around the present position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Container {
    mark: u32,
    /// `true` if the array is a member of an object.
    is_member: bool,
}

/// A reader of pieces.
pub struct Pieces {
    reader: Box<dyn BufRead>,
    buffer: Vec<u8>,
    /// Offset of the first byte in the buffer that was not returned yet.
    at: usize,
    is_at_end: bool,
    line: u64,
    containers: Vec<Container>,
    is_cut: bool,
    max_value_bytes: usize,
}

/// The kind and extent of the next piece.
struct Found {
    kind: Kind,
    length: usize,
    marks: u32,
}

impl Pieces {
    /// Creates a reader of the pieces of a text.
    pub fn new(reader: Box<dyn BufRead>) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            at: 0,
            is_at_end: false,
            line: 1,
            containers: Vec::new(),
            is_cut: false,
            max_value_bytes: MAX_VALUE_BYTES,
        }
    }

    /// Returns `true` if the text has ended within an array.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Reads the next piece; `None` at the end of the text.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>> {
        loop {
            let Some(byte) = self.skip_between()? else { return Ok(None) };
            if byte == b']' && self.leave()? {
                continue;
            }
            if byte == b'[' && self.containers.is_empty() && self.enters_array()? {
                self.enter(1, Container { mark: 0, is_member: false });
                continue;
            }
            if let Some(found) = self.find(byte)? {
                return Ok(Some(self.take_piece(&found)));
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Reads more text into the buffer. Returns `false` at the end of the text.
    fn fill(&mut self) -> Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.at > self.buffer.len() / 2 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let chunk = self.reader.fill_buf()?;
        let length = chunk.len().min(CHUNK_BYTES);
        self.buffer.extend_from_slice(&chunk[..length]);
        self.reader.consume(length);
        self.is_at_end = length == 0;
        Ok(length > 0)
    }

    /// Returns the byte at this offset from the present position; `None` after the end of the text.
    fn byte_at(&mut self, offset: usize) -> Result<Option<u8>> {
        while self.rest().len() <= offset {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.rest()[offset]))
    }

    fn consume(&mut self, length: usize) {
        let passed = &self.buffer[self.at..self.at + length];
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at += length;
    }

    /// Skips separators between values, and returns the next byte.
    fn skip_between(&mut self) -> Result<Option<u8>> {
        loop {
            let rest = self.rest();
            // RFC 7464 has a record separator before each text. Concatenated files may have a byte order mark
            // in the middle. Printed files have form feeds.
            let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0c | b',' | 0x1e);
            let length = rest.iter().position(|byte| !is_between(byte)).unwrap_or(rest.len());
            self.consume(length);
            match (self.byte_at(0)?, self.byte_at(1)?, self.byte_at(2)?) {
                (Some(0xef), Some(0xbb), Some(0xbf)) => self.consume(3),
                // More separators were read.
                (Some(byte), ..) if is_between(&byte) => {}
                (Some(byte), ..) => return Ok(Some(byte)),
                (None, ..) => {
                    self.is_cut |= !self.containers.is_empty();
                    return Ok(None);
                }
            }
        }
    }

    fn enter(&mut self, length: usize, container: Container) {
        self.consume(length);
        self.containers.push(container);
    }

    /// Returns `true` if the bracket at the present position opens an array of values that can be pieces.
    fn enters_array(&mut self) -> Result<bool> {
        let mut length = 1;
        loop {
            match self.byte_at(length)? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => length += 1,
                byte => return Ok(matches!(byte, Some(b'{' | b'[' | b'"' | b']'))),
            }
        }
    }

    /// Leaves the array that ends at the present position, and the object of which it is a member. Returns
    /// `false` if there is no array.
    fn leave(&mut self) -> Result<bool> {
        let Some(container) = self.containers.pop() else { return Ok(false) };
        self.consume(1);
        if container.is_member {
            let mut scan = Scan::after_array();
            match self.advance(&mut scan)? {
                Step::End(length) => self.consume(length),
                // The rest of the object is read as further pieces.
                _ => self.is_cut |= self.is_at_end,
            }
        }
        Ok(true)
    }

    fn advance(&mut self, scan: &mut Scan) -> Result<Step> {
        loop {
            let step = scan.advance(self.rest());
            if step != Step::More || self.rest().len() > self.max_value_bytes || !self.fill()? {
                return Ok(step);
            }
        }
    }

    /// Finds the extent of the piece at the present position; `None` if an array was entered.
    fn find(&mut self, byte: u8) -> Result<Option<Found>> {
        let kind = match byte {
            b'{' => Kind::Object,
            b'[' if !self.containers.is_empty() => Kind::Array,
            b'"' => Kind::Text,
            _ => return self.find_line().map(Some),
        };
        let mut scan = Scan::new(kind == Kind::Object);
        match self.advance(&mut scan)? {
            Step::End(length) if self.ends_well(kind, length)? => {
                Ok(Some(Found { kind, length, marks: scan.marks }))
            }
            Step::Elements(length) => {
                if let Some(call) = self.find_call()? {
                    return Ok(Some(call));
                }
                let mark = scan.marks & CONTAINER;
                self.enter(length, Container { mark, is_member: true });
                Ok(None)
            }
            Step::End(_) => self.find_line().map(Some),
            Step::Broken(offset) => self.find_broken(offset).map(Some),
            Step::More => self.find_broken(self.rest().len()).map(Some),
        }
    }

    /// Finds the extent of a line that has an array of its own, with the name of an export's; `None` if the
    /// object is not a line.
    fn find_call(&mut self) -> Result<Option<Found>> {
        let mut scan = Scan::new(false);
        match self.advance(&mut scan)? {
            Step::End(length) if is_call(scan.marks) && self.ends_well(Kind::Object, length)? => {
                Ok(Some(Found { kind: Kind::Object, length, marks: scan.marks }))
            }
            _ => Ok(None),
        }
    }

    /// Returns `true` if the text after a value can follow it. Otherwise the line only begins with a value.
    fn ends_well(&mut self, kind: Kind, length: usize) -> Result<bool> {
        let is_listed = !self.containers.is_empty();
        let mut offset = length;
        loop {
            match self.byte_at(offset)? {
                Some(b' ' | b'\t' | b'\r') => offset += 1,
                // A row of CSV may begin with a quoted cell.
                Some(b',' | b'"' | b'{' | b'[') if kind == Kind::Text && !is_listed => return Ok(false),
                Some(b']') => return Ok(is_listed),
                Some(byte) => return Ok(matches!(byte, b'\n' | b',' | b'{' | b'[' | b'"' | 0x1e | 0xef)),
                None => return Ok(true),
            }
        }
    }

    /// Finds the extent of the rest of the line. The line ends all arrays around it.
    fn find_line(&mut self) -> Result<Found> {
        self.containers.clear();
        let mut length = self.line_end(0)?;
        if let Some(end) = self.end_of_printed_object(length)? {
            length = self.line_end(end)?;
        }
        Ok(Found { kind: Kind::Line, length: length.max(1), marks: 0 })
    }

    /// Returns the end of an object that begins at the end of the line and is pretty-printed on the following
    /// lines.
    fn end_of_printed_object(&mut self, line_end: usize) -> Result<Option<usize>> {
        let line = self.rest()[..line_end].trim_ascii_end();
        let (start, mut scan) = (line.len().saturating_sub(1), Scan::new(false));
        if !line.ends_with(b"{") {
            return Ok(None);
        }
        loop {
            let step = scan.advance(&self.rest()[start..]);
            let is_long = self.rest().len() > start + MAX_LINE_BYTES;
            match step {
                Step::End(length) => return Ok(Some(start + length)),
                Step::More if !is_long && self.fill()? => {}
                _ => return Ok(None),
            }
        }
    }

    /// Returns the end of the line at an offset.
    fn line_end(&mut self, from: usize) -> Result<usize> {
        let mut searched = from;
        loop {
            let rest = self.rest();
            if let Some(found) = memchr::memchr(b'\n', &rest[searched.min(rest.len())..]) {
                return Ok((searched + found).min(from + MAX_LINE_BYTES));
            }
            searched = rest.len().max(from);
            if searched >= from + MAX_LINE_BYTES || !self.fill()? {
                return Ok(self.rest().len().min(from + MAX_LINE_BYTES));
            }
        }
    }

    /// Finds the extent of a value that is invalid from an offset on: to the end of its line, or to the next
    /// value on the line. If the value has several lines, it extends to the next line that begins a value.
    fn find_broken(&mut self, offset: usize) -> Result<Found> {
        let offset = offset.min(MAX_LINE_BYTES);
        let line_end = self.line_end(0)?;
        if line_end >= offset {
            let from = offset.saturating_sub(1);
            let next = memchr::memmem::find(&self.rest()[from..line_end], b"}{\"");
            let length = next.map_or(line_end, |next| from + next + 1);
            return Ok(Found { kind: Kind::Line, length: length.max(1), marks: 0 });
        }
        let mut length = line_end;
        while length < MAX_LINE_BYTES {
            let next_line = length + 1;
            let end = self.line_end(next_line)?;
            let line = &self.rest()[next_line.min(end)..end];
            if end <= next_line && self.is_at_end || line.trim_ascii_start().starts_with(b"{") {
                break;
            }
            length = end;
        }
        Ok(Found { kind: Kind::Line, length: length.min(self.rest().len()), marks: 0 })
    }

    fn take_piece(&mut self, found: &Found) -> Piece<'_> {
        let (start, line) = (self.at, self.line);
        self.consume(found.length);
        let container = self.containers.last().map_or(0, |container| container.mark);
        let bytes = self.buffer[start..self.at].trim_ascii();
        Piece { kind: found.kind, bytes, line, marks: found.marks, container }
    }
}

/// Returns the marks of the members of a text that is a single object; `None` if it is not an object.
pub fn marks_of_object(text: &str) -> Option<u32> {
    let mut scan = Scan::new(false);
    let is_object = text.starts_with('{') && scan.advance(text.as_bytes()) == Step::End(text.len());
    is_object.then_some(scan.marks)
}

/// Splits a line at its first object: the text before the object, the object, and the text after it.
pub fn split_object(line: &str) -> Option<(&str, &str, &str)> {
    let start = line.find('{')?;
    let Step::End(length) = Scan::new(false).advance(&line.as_bytes()[start..]) else { return None };
    let (before, rest) = line.split_at(start);
    let (object, behind) = rest.split_at(length);
    Some((before, object, behind))
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    /// Returns the pieces of a text. Checks that they do not depend on the size of the read buffer.
    fn pieces(text: &str) -> Vec<(Kind, String, u64)> {
        let cut = |chunk: usize| {
            let reader =
                BufReader::with_capacity(chunk, Cursor::new(text.as_bytes().to_vec()).chain(&b""[..]));
            let mut pieces = Pieces::new(Box::new(reader));
            let mut found = Vec::new();
            while let Some(piece) = pieces.next_piece().unwrap() {
                found.push((piece.kind, String::from_utf8(piece.bytes.to_vec()).unwrap(), piece.line));
            }
            found
        };
        let whole = cut(1 << 20);
        for chunk in [1, 2, 7] {
            assert_eq!(cut(chunk), whole, "{text}");
        }
        whole
    }

    fn texts(text: &str) -> Vec<String> {
        pieces(text).into_iter().map(|(_, text, _)| text).collect()
    }

    const A: &str = r#"{"k":"a","x":{"y":[1]}}"#;
    const B: &str = r#"{"k":"b"}"#;

    /// A form feed begins a page of a printed file.
    #[test]
    fn a_line_of_form_feeds_is_no_piece() {
        let expected = [(Kind::Object, "{}".to_owned(), 1), (Kind::Object, "{}".to_owned(), 3)];
        assert_eq!(pieces("{}\n\x0c\n\x0c{}\n\x0c"), expected);
        assert_eq!(texts("\x0c\x0c\n\x0ca\x0c\n"), ["a"]);
    }

    #[test]
    fn values_are_found_however_they_are_put_together() {
        let pretty = "{\n  \"k\": \"a\",\n  \"x\": [\n    {\"y\": 1}\n  ]\n}";
        for (text, expected) in [
            (format!("{A}\n{B}\n"), vec![A, B]),
            (format!("\r\n\r\n{A}\r\n{B}"), vec![A, B]),
            (format!("{A}{B}{A}"), vec![A, B, A]),
            (format!("{A}\t{B}\t{A}\n{B}"), vec![A, B, A, B]),
            (format!("{A},\n{B},\n"), vec![A, B]),
            (format!("\u{1e}{A}\n\u{1e}{B}\n"), vec![A, B]),
            (format!("{A}\n\u{feff}{B}\n"), vec![A, B]),
            (format!("[{A},{B}]"), vec![A, B]),
            (format!("[\n  {A},\n  {B}\n]\n{A}"), vec![A, B, A]),
            (format!("{pretty}\n{pretty}"), vec![pretty, pretty]),
            (format!("[\n{pretty},\n{pretty}]"), vec![pretty, pretty]),
            (format!("{{\"events\":[{A},{B}],\"nextToken\":\"x\"}}\n{{\"events\":[{A}]}}"), vec![A, B, A]),
            (format!("{{\n \"events\": [\n{A}\n],\n \"searchedLogStreams\": []\n}}\n{B}"), vec![A, B]),
            ("[]{}".to_owned(), vec!["{}"]),
            ("{\"events\":[]}".to_owned(), vec![]),
            (format!("x\t{pretty}\t1\n{A}"), vec![&format!("x\t{pretty}\t1"), A]),
            ("[[1,\"a\"],[2,\"b\"]]".to_owned(), vec!["[1,\"a\"]", "[2,\"b\"]"]),
            ("\"a\\\"{\"\n\"b\"\n".to_owned(), vec!["\"a\\\"{\"", "\"b\""]),
        ] {
            assert_eq!(texts(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_broken_value_takes_no_other_with_it() {
        for (broken, pieces_of_it) in [
            ("{\"k\":\"a\"b\",\"status\":\"200\"}", 1),
            ("{\"k\":\"cut", 1),
            ("{\"k\":\"cut\",", 1),
            ("{\"k\":", 1),
            ("{\"k\":1}}", 1),
            ("{k:1}", 1),
            ("{\n  \"k\": \"a\"b\",\n  \"l\": 1\n}", 1),
            ("GET /parts/{id} 200", 1),
            ("[INFO] {", 1),
            ("[1,2]", 1),
            ("\"key-acme\",\"200\"", 1),
            ("{\"k\":1} behind", 1),
        ] {
            let text = format!("{A}\n{broken}\n{B}\n{A}");
            let found = texts(&text);
            assert_eq!(found.len(), 3 + pieces_of_it, "{found:?}");
            assert_eq!((found[0].as_str(), found[1].as_str()), (A, broken));
            assert_eq!(found[2..], [B, A], "{found:?}");
        }
        assert_eq!(texts(&format!("{A}{{\"k\":\"a\"b\"}}{B}")), [A, "{\"k\":\"a\"b\"}", B]);
        assert_eq!(texts(&format!("[{A},\n{{\"k\":\"a\"b\"}},\n{B}]{A}")), [A, "{\"k\":\"a\"b\"},", B, A]);
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let lines = |text: &str| pieces(text).into_iter().map(|(_, _, line)| line).collect::<Vec<_>>();
        assert_eq!(lines(&format!("\r\n{A}\r\n\r\nplain\r\n{B}")), [2, 4, 5]);
        assert_eq!(lines(&format!("{{\"events\":[\n{A},\n\n{B}]}}\n{A}")), [2, 4, 5]);
    }

    #[test]
    fn a_cut_document_is_noticed_and_a_long_line_is_cut() {
        let read = |text: String| {
            let mut pieces = Pieces::new(Box::new(Cursor::new(text.into_bytes())));
            let mut lengths = Vec::new();
            while let Some(piece) = pieces.next_piece().unwrap() {
                lengths.push(piece.bytes.len());
            }
            (lengths, pieces.is_cut())
        };
        assert_eq!(read(format!("{{\"events\":[{A},{B}")), (vec![A.len(), B.len()], true));
        assert_eq!(read(format!("{{\"events\":[{A},{B}],")), (vec![A.len(), B.len()], true));
        assert_eq!(read("x".repeat(MAX_LINE_BYTES + 5)), (vec![MAX_LINE_BYTES, 5], false));
        let deep = "[".repeat(1_000);
        assert_eq!(read(format!("{{\"a\":{deep}}}\n{A}")), (vec![deep.len() + 6, A.len()], false));
    }

    #[test]
    fn a_value_that_is_too_long_is_read_as_lines() {
        let text = format!("{{\"a\":\"{}\"}}\n{A}", "x".repeat(3 * CHUNK_BYTES));
        let kinds = |max_value_bytes: usize| {
            // A chunk at a time, as from a file.
            let reader =
                std::io::BufReader::with_capacity(CHUNK_BYTES, Cursor::new(text.clone().into_bytes()));
            let mut pieces = Pieces { max_value_bytes, ..Pieces::new(Box::new(reader)) };
            let mut kinds = Vec::new();
            while let Some(piece) = pieces.next_piece().unwrap() {
                kinds.push(piece.kind);
            }
            kinds
        };
        assert_eq!(kinds(4 * CHUNK_BYTES), [Kind::Object, Kind::Object]);
        let cut = kinds(CHUNK_BYTES);
        assert_eq!((cut[0], cut.last()), (Kind::Line, Some(&Kind::Object)), "{cut:?}");
    }

    #[test]
    fn an_object_within_a_line_is_found() {
        assert_eq!(
            split_object("EVENTS\ta\t{\"a\":\"}\"}\t1"),
            Some(("EVENTS\ta\t", "{\"a\":\"}\"}", "\t1"))
        );
        assert_eq!(split_object("no object"), None);
        assert_eq!(split_object("cut {\"a\":"), None);
    }
}
