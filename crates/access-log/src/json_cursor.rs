//! A cursor over JSON text, which returns slices and allocates nothing.
//!
//! Access-log lines arrive as JSON inside a JSON string, so their quotes are escaped. With
//! `ESCAPED`, the cursor reads such text in place: a string begins and ends with `\"`. Any other
//! escape is the error [`JsonError::NeedsUnescaping`]. The caller then unescapes the whole line and
//! reads it with a plain cursor.

use memchr::memchr2;

/// Maximum depth of nested objects and arrays.
const MAX_DEPTH: usize = 64;

/// A text that is not JSON, with the position of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text has something else where this was expected.
    #[error("expected {expected} at byte {position}")]
    Expected {
        /// The token that would be valid.
        expected: &'static str,
        /// Zero-based position of the byte.
        position: usize,
    },
    /// The text ends before the value does.
    #[error("the JSON ends too early")]
    Truncated,
    /// The values are nested too deeply.
    #[error("values are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The text has an escape that this cursor does not read in place.
    #[error("the line has to be unescaped first")]
    NeedsUnescaping,
}

/// A string as it is written in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawText<'a> {
    /// The characters between the quotes.
    pub raw: &'a str,
    /// `true` if the characters include a backslash and have to be unescaped.
    pub has_escapes: bool,
}

/// A value that is not an object or an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string, not unescaped.
    Text(RawText<'a>),
    /// A number, as it is written. Its syntax is not checked.
    Number(&'a str),
    /// `null`.
    Null,
    /// `true` or `false`, or an object or array that was skipped.
    Other,
}

/// A position in a JSON text.
#[derive(Debug, Clone)]
pub struct Cursor<'a, const ESCAPED: bool> {
    text: &'a str,
    position: usize,
}

impl<'a, const ESCAPED: bool> Cursor<'a, ESCAPED> {
    /// Creates a cursor at a byte position of the text.
    pub fn new(text: &'a str, position: usize) -> Self {
        Self { text, position }
    }

    /// Returns the byte position that the cursor has reached.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Skips white space and returns the next byte, without moving past it.
    pub fn peek(&mut self) -> Result<u8, JsonError> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.position) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.position += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(JsonError::Truncated),
            }
        }
    }

    /// Moves past `byte`, which must be next.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek()? == byte {
            self.position += 1;
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    /// Moves past `byte` if it is next, and returns `true` if it was.
    pub fn accept(&mut self, byte: u8) -> Result<bool, JsonError> {
        let found = self.peek()? == byte;
        self.position += usize::from(found);
        Ok(found)
    }

    /// Checks that only white space follows.
    pub fn expect_end(&mut self, expected: &'static str) -> Result<(), JsonError> {
        match self.peek() {
            Err(JsonError::Truncated) => Ok(()),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// Reads a string, with its quotes.
    pub fn string(&mut self) -> Result<RawText<'a>, JsonError> {
        if ESCAPED {
            self.expect(b'\\', "a string")?;
            if self.text.as_bytes().get(self.position) != Some(&b'"') {
                return Err(JsonError::NeedsUnescaping);
            }
            self.position += 1;
            return self.rest_of_escaped_string();
        }
        self.expect(b'"', "a string")?;
        self.rest_of_string()
    }

    /// Reads the rest of a string after its opening quote.
    fn rest_of_string(&mut self) -> Result<RawText<'a>, JsonError> {
        let start = self.position;
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.position..).ok_or(JsonError::Truncated)?;
            let offset = memchr2(b'"', b'\\', rest).ok_or(JsonError::Truncated)?;
            self.position += offset;
            if rest[offset] == b'"' {
                let raw = &self.text[start..self.position];
                self.position += 1;
                return Ok(RawText { raw, has_escapes });
            }
            has_escapes = true;
            self.position += 2;
        }
    }

    fn rest_of_escaped_string(&mut self) -> Result<RawText<'a>, JsonError> {
        let start = self.position;
        let rest = &self.text.as_bytes()[start..];
        let offset = memchr2(b'"', b'\\', rest).ok_or(JsonError::Truncated)?;
        if rest[offset] == b'"' || rest.get(offset + 1) != Some(&b'"') {
            return Err(JsonError::NeedsUnescaping);
        }
        self.position = start + offset + 2;
        Ok(RawText { raw: &self.text[start..start + offset], has_escapes: false })
    }

    /// Reads the name of the next member of an object and the colon after it; `None` at the end of
    /// the object. `first` is `true` for the first member.
    pub fn member_name(&mut self, first: bool) -> Result<Option<RawText<'a>>, JsonError> {
        if self.accept(b'}')? {
            return Ok(None);
        }
        if !first {
            self.expect(b',', "',' or '}'")?;
        }
        let name = self.string()?;
        self.expect(b':', "':'")?;
        Ok(Some(name))
    }

    /// Reads a value. An object or array is skipped and returned as [`Value::Other`].
    pub fn value(&mut self) -> Result<Value<'a>, JsonError> {
        match self.peek()? {
            b'"' | b'\\' => Ok(Value::Text(self.string()?)),
            b'-' | b'0'..=b'9' => Ok(Value::Number(self.number())),
            b'n' => self.literal("null").map(|()| Value::Null),
            b't' => self.literal("true").map(|()| Value::Other),
            b'f' => self.literal("false").map(|()| Value::Other),
            b'{' | b'[' => self.skip_nested().map(|()| Value::Other),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn number(&mut self) -> &'a str {
        let bytes = &self.text.as_bytes()[self.position..];
        let length = bytes
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(bytes.len());
        let start = self.position;
        self.position += length;
        &self.text[start..self.position]
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), JsonError> {
        if self.text.as_bytes()[self.position..].starts_with(literal.as_bytes()) {
            self.position += literal.len();
            Ok(())
        } else {
            Err(self.unexpected("a value"))
        }
    }

    /// Skips an object or array, and checks that its brackets match.
    fn skip_nested(&mut self) -> Result<(), JsonError> {
        let mut closers = [0_u8; MAX_DEPTH];
        let mut depth = 0;
        loop {
            match self.peek()? {
                open @ (b'{' | b'[') => {
                    *closers.get_mut(depth).ok_or(JsonError::TooDeep)? =
                        if open == b'{' { b'}' } else { b']' };
                    depth += 1;
                    self.position += 1;
                }
                close @ (b'}' | b']') => {
                    depth -= 1;
                    if closers[depth] != close {
                        return Err(self.unexpected("the bracket that closes the innermost value"));
                    }
                    self.position += 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                b',' | b':' => self.position += 1,
                _ => {
                    self.value()?;
                }
            }
        }
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        if ESCAPED && self.text.as_bytes().get(self.position) == Some(&b'\\') {
            return JsonError::NeedsUnescaping;
        }
        JsonError::Expected { expected, position: self.position }
    }
}

/// Unescapes a raw string and appends it to `output`.
///
/// # Errors
/// When an escape is not one of JSON.
///
/// Source: RFC 8259, section 7.
pub fn unescape_into(raw: &str, output: &mut String) -> Result<(), JsonError> {
    let mut rest = raw;
    while let Some(offset) = memchr::memchr(b'\\', rest.as_bytes()) {
        output.push_str(&rest[..offset]);
        rest = &rest[offset + 1..];
        let escape = rest.bytes().next().ok_or(JsonError::Truncated)?;
        let character = match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (character, length) = unicode_escape(&rest[1..])?;
                output.push(character);
                rest = &rest[1 + length..];
                continue;
            }
            _ => {
                return Err(JsonError::Expected {
                    expected: "a JSON escape",
                    position: raw.len() - rest.len(),
                });
            }
        };
        output.push(character);
        rest = &rest[1..];
    }
    output.push_str(rest);
    Ok(())
}

/// Reads the hexadecimal digits after `\u`, and a second escape if the first is the high half of a
/// surrogate pair. A lone half becomes U+FFFD, as in JavaScript's `toWellFormed`, so that the call
/// can still be counted.
fn unicode_escape(text: &str) -> Result<(char, usize), JsonError> {
    let malformed = JsonError::Expected { expected: "four hexadecimal digits", position: 0 };
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let high = unit(text).ok_or(malformed)?;
    if (0xd800..0xdc00).contains(&high)
        && let Some(low) = text[4..].strip_prefix("\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10));
    }
    Ok((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(raw: &str) -> Result<String, JsonError> {
        let mut text = String::new();
        unescape_into(raw, &mut text).map(|()| text)
    }

    #[test]
    fn each_escape_of_json_is_read_as_serde_json_reads_it() {
        for raw in [
            r#"\"\\\/\b\f\n\r\t"#,
            r"a\u00e9b\u20acc",
            r"\ud800\udc00",
            r"\udbff\udfff",
            r"x\ud83d\ude00y",
            r"\ud83d\ude00\ud83d\ude01",
        ] {
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            assert_eq!(unescaped(raw).unwrap(), expected, "{raw}");
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_is_replaced_and_what_follows_is_kept() {
        assert_eq!(unescaped(r"\ud800x").unwrap(), "\u{fffd}x");
        assert_eq!(unescaped(r"\ud800\u0041").unwrap(), "\u{fffd}A");
        assert_eq!(unescaped(r"\udc00").unwrap(), "\u{fffd}");
    }

    #[test]
    fn an_error_has_the_position_of_the_escape() {
        let error = JsonError::Expected { expected: "a JSON escape", position: 4 };
        assert_eq!(unescaped(r"abc\x").unwrap_err(), error);
        assert_eq!(unescaped("abc\\").unwrap_err(), JsonError::Truncated);
    }

    #[test]
    fn only_white_space_may_follow_the_end() {
        assert_eq!(Cursor::<false>::new("{} \t\r\n", 2).expect_end("the end"), Ok(()));
        let error = JsonError::Expected { expected: "the end", position: 3 };
        assert_eq!(Cursor::<false>::new("{} }", 2).expect_end("the end"), Err(error));
    }

    #[test]
    fn an_escape_inside_of_a_line_is_left_to_the_general_reader_and_another_byte_is_an_error() {
        let error = Cursor::<true>::new(r"\n", 0).expect(b'{', "an object").unwrap_err();
        assert_eq!(error, JsonError::NeedsUnescaping);
        let expected = JsonError::Expected { expected: "an object", position: 0 };
        assert_eq!(Cursor::<true>::new("x", 0).expect(b'{', "an object").unwrap_err(), expected);
        assert_eq!(Cursor::<false>::new(r"\n", 0).expect(b'{', "an object").unwrap_err(), expected);
    }

    #[test]
    fn a_text_of_a_line_is_read_in_place_up_to_its_escaped_quote() {
        let text = |json: &'static str| Cursor::<true>::new(json, 0).string().map(|text| text.raw);
        assert_eq!(text(r#"\"ab\"\"c\""#), Ok("ab"));
        for other in [r#"\"a\nb\""#, r#"\"a"b\""#, r#"\"a""b\""#, r#"\"a\\\"b\""#, r"\n"] {
            assert_eq!(text(other), Err(JsonError::NeedsUnescaping), "{other}");
        }
        assert_eq!(text(r#"\"ab"#), Err(JsonError::Truncated));
    }
}
