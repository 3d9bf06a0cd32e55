//! Rewrites an access-log line into strict JSON, and with that states what the meter reads beyond
//! JSON.
//!
//! A line may be the record of a call that has to be billed, so the meter reads some lines that
//! `serde_json` refuses:
//!
//! - A number is any run of digits, signs, dots and `e`, such as `007` or the bare dash of a missing
//!   value.
//! - A string may contain control characters.
//! - A lone half of a surrogate pair is U+FFFD.
//! - An escape that JSON does not know is an error only in a value that is read, or in a name.
//! - In nested objects and arrays only the brackets, strings and literals are checked.

/// Stands before the text of a number in a rewritten line.
pub const NUMBER: char = '\u{10fffe}';
/// Stands for an unknown escape in a rewritten line.
pub const UNKNOWN_ESCAPE: char = '\u{10fffd}';

/// Maximum depth of values in a line. It is stricter than `serde_json`.
const MAX_DEPTH: usize = 64;

/// Returns the line as strict JSON: numbers are strings that begin with [`NUMBER`], unknown escapes
/// are [`UNKNOWN_ESCAPE`], and nested values are `[]`. `None` if a nested value, a string or a
/// literal is malformed.
pub fn strict(line: &str) -> Option<String> {
    let mut output = String::new();
    let mut rest = line;
    let mut is_inside = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => rest = string(rest, &mut output)?,
            '{' | '[' if is_inside => {
                rest = nested(rest)?;
                output.push_str("[]");
            }
            // A name is a string, so a number may only follow a colon.
            '-' | '0'..='9' if !output.trim_end().ends_with(':') => return None,
            '-' | '0'..='9' => {
                let (number, after) = rest.split_at(number_length(rest));
                output.extend(['"', NUMBER]);
                output.push_str(number);
                output.push('"');
                rest = after;
            }
            other => {
                is_inside |= other == '{';
                output.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    Some(output)
}

fn number_length(text: &str) -> usize {
    text.find(|character| !matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(text.len())
}

/// Copies a string, and returns the text after it.
fn string<'a>(text: &'a str, output: &mut String) -> Option<&'a str> {
    output.push('"');
    let mut rest = &text[1..];
    loop {
        let first = rest.chars().next()?;
        match first {
            '"' => {
                output.push('"');
                return Some(&rest[1..]);
            }
            '\\' => {
                rest = escape(&rest[1..], output)?;
                continue;
            }
            '\0'..'\u{20}' => output.extend(["\\u00", &hexadecimal(first)]),
            _ => output.push(first),
        }
        rest = &rest[first.len_utf8()..];
    }
}

/// Returns the two hexadecimal digits of a control character.
fn hexadecimal(control: char) -> String {
    format!("{:02x}", u32::from(control))
}

/// Copies the escape after a backslash, and returns the text after it.
fn escape<'a>(text: &'a str, output: &mut String) -> Option<&'a str> {
    let first = text.chars().next()?;
    let after = &text[first.len_utf8()..];
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    match (first, unit(after)) {
        ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't', _) => {
            output.extend(['\\', first]);
            Some(after)
        }
        ('u', Some(high)) => {
            let low = after[4..].strip_prefix("\\u").and_then(unit);
            let pair = [Some(high), low].into_iter().flatten();
            match char::decode_utf16(pair).next() {
                Some(Ok(_)) if (0xd800..0xe000).contains(&high) => {
                    output.extend(["\\u", &after[..10]]);
                    Some(&after[10..])
                }
                Some(Ok(_)) => {
                    output.extend(["\\u", &after[..4]]);
                    Some(&after[4..])
                }
                _ => {
                    output.push(char::REPLACEMENT_CHARACTER);
                    Some(&after[4..])
                }
            }
        }
        _ => {
            output.push(UNKNOWN_ESCAPE);
            Some(after)
        }
    }
}

/// Returns the text after a nested value.
fn nested(text: &str) -> Option<&str> {
    let mut closers = Vec::new();
    let mut rest = text;
    loop {
        let first = rest.chars().next()?;
        match first {
            '{' | '[' => closers.push(if first == '{' { '}' } else { ']' }),
            '}' | ']' if closers.pop() != Some(first) => return None,
            '"' => {
                rest = string(rest, &mut String::new())?;
                continue;
            }
            '-' | '0'..='9' => {
                rest = &rest[number_length(rest)..];
                continue;
            }
            't' | 'f' | 'n' => {
                rest = ["true", "false", "null"].iter().find_map(|literal| rest.strip_prefix(literal))?;
                continue;
            }
            '}' | ']' | ',' | ':' | ' ' | '\t' | '\n' | '\r' => {}
            _ => return None,
        }
        if closers.len() > MAX_DEPTH {
            return None;
        }
        rest = &rest[first.len_utf8()..];
        if closers.is_empty() {
            return Some(rest);
        }
    }
}
