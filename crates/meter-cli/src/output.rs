//! Printing of JSON documents, times, counts and errors.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;

pub use metering_core::window::time_text;
use serde::Serialize;

use crate::closed_output::stdout;

/// Prints a document as one line of JSON.
pub fn print_json(document: &impl Serialize) -> anyhow::Result<()> {
    write_json(&mut stdout(), document)
}

/// Writes a document as one line of JSON.
pub fn write_json(output: &mut impl Write, document: &impl Serialize) -> anyhow::Result<()> {
    Ok(writeln!(output, "{}", serde_json::to_string(document)?)?)
}

/// Formats a number with its noun: `1 record`, `2 records`, `2 batches`.
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    if number == N::from(1) {
        return format!("1 {noun}");
    }
    let ending = if noun.ends_with("ch") { "es" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Escapes control characters, which a terminal would interpret. Line breaks and tabs stay.
pub fn printable(text: &str) -> String {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

/// Escapes control characters, line breaks and tabs, which would break the line of a table.
pub fn printable_line(text: &str) -> String {
    escaped(text, |_| false)
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !stays(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Formats the error with which a command ends: the error, and its causes in the lines below. A backtrace is
/// left out, because these errors are for operators.
pub fn failure(error: &anyhow::Error) -> String {
    let mut text = format!("Error: {error}");
    for (place, cause) in error.chain().skip(1).enumerate() {
        text += if place == 0 { "\n\nCaused by:\n    " } else { "\n    " };
        text += &cause.to_string();
    }
    text
}

/// Formats an error with its chain of causes, as `error: cause: cause of the cause`.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    anyhow::Chain::new(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_agrees_with_its_number() {
        assert_eq!([count(0_u64, "record"), count(1_u64, "record")], ["0 records", "1 record"]);
        assert_eq!([count(1_usize, "batch"), count(2_usize, "batch")], ["1 batch", "2 batches"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31m\n\tb"), "a\\u{1b}[31m\n\tb");
        assert_eq!(printable_line("a\u{1b}[31m\n\tb ü"), "a\\u{1b}[31m\\n\\tb ü");
    }

    #[test]
    fn an_error_is_followed_by_its_causes() {
        let error = anyhow::anyhow!("inner").context("middle").context("outer");
        assert_eq!(with_causes(error.as_ref()), "outer: middle: inner");
        assert_eq!(failure(&error), "Error: outer\n\nCaused by:\n    middle\n    inner");
        assert_eq!(failure(&anyhow::anyhow!("alone")), "Error: alone");
    }
}
