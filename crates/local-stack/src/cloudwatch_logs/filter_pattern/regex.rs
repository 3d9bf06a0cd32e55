//! The regular expressions between percent signs.
//!
//! They are translated element by element. A syntax that CloudWatch Logs refuses, or that only the
//! library `regex` has, is therefore refused.
//!
//! Source: CloudWatch Logs User Guide, "Supported regular expressions (regex)
//! syntax". The space is allowed because the guide's example
//! `%^starting|^shutting down%` has one. Not documented, and therefore refused: an
//! escape other than of an operator, `\d \D \s \S \w \W` or `\xhh`; an operator
//! inside brackets that is not escaped; a repetition of nothing or of a
//! repetition (`a+?`); an alternative that is empty.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

use super::error::PatternError;

const SYMBOLS: &str = ":_#=@/;,- ";
const OPERATORS: &str = "^$?[]{}|\\*+.";
/// Maximum of m and n in `{m,n}`. Larger numbers take too long to compile.
const MAX_REPETITIONS: u32 = 1_000;

/// Translates a regular expression.
pub fn translate(text: &str) -> Result<Regex, PatternError> {
    let mut translation =
        Translation { rest: text.chars().peekable(), output: String::new(), can_repeat: false };
    let mut is_empty_branch = true;
    while let Some(character) = translation.rest.next() {
        if character == '|' {
            if is_empty_branch {
                return Err(PatternError::new("an alternative of the regular expression is empty"));
            }
            is_empty_branch = true;
            translation.output.push('|');
            translation.can_repeat = false;
        } else {
            translation.one(character)?;
            is_empty_branch = false;
        }
    }
    if is_empty_branch {
        return Err(PatternError::new("the regular expression, or an alternative of it, is empty"));
    }
    Regex::new(&translation.output).map_err(|error| {
        PatternError::new(format!("the regular expression %{text}% cannot be used: {error}"))
    })
}

struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    output: String,
    /// `true` if a repetition may follow.
    can_repeat: bool,
}

impl Translation<'_> {
    fn one(&mut self, character: char) -> Result<(), PatternError> {
        match character {
            '^' | '$' => {
                self.output.push(character);
                self.can_repeat = false;
                return Ok(());
            }
            '*' | '+' | '?' => return self.repeat(&character.to_string()),
            '{' => {
                let repetition = self.counted()?;
                return self.repeat(&repetition);
            }
            '.' => self.output.push('.'),
            '[' => self.class()?,
            '\\' => match self.escape()? {
                Escape::Literal(literal) => push_literal(&mut self.output, literal),
                Escape::Class(set, is_negated) => {
                    let negation = if is_negated { "^" } else { "" };
                    let _ = write!(self.output, "[{negation}{set}]");
                }
            },
            ']' | '}' => {
                return Err(PatternError::new(format!(
                    "write \\{character} to match the character {character}"
                )));
            }
            _ => push_literal(&mut self.output, allowed(character)?),
        }
        self.can_repeat = true;
        Ok(())
    }

    fn repeat(&mut self, repetition: &str) -> Result<(), PatternError> {
        if !self.can_repeat {
            return Err(PatternError::new(format!("nothing precedes the repetition {repetition}")));
        }
        self.output.push_str(repetition);
        self.can_repeat = false;
        Ok(())
    }

    /// Parses the rest of `{m}` or `{m,n}`, in which m or n may be missing.
    fn counted(&mut self) -> Result<String, PatternError> {
        let mut inner = String::new();
        loop {
            match self.rest.next() {
                Some('}') => break,
                Some(character) => inner.push(character),
                None => return Err(PatternError::new("the { of a repetition is not closed")),
            }
        }
        let wrong = || {
            PatternError::new(format!(
                "{{{inner}}} is not a repetition such as {{2}}, {{2,}}, {{,5}} or {{2,5}}"
            ))
        };
        let number = |text: &str| -> Result<Option<u32>, PatternError> {
            if text.is_empty() {
                return Ok(None);
            }
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| is_number && *number <= MAX_REPETITIONS);
            number.map(Some).ok_or_else(wrong)
        };
        let (least, most) = if let Some((least, most)) = inner.split_once(',') {
            (number(least)?, number(most)?)
        } else {
            let exactly = number(&inner)?;
            (exactly, exactly)
        };
        match (least, most) {
            (None, None) => Err(wrong()),
            (Some(least), Some(most)) if least > most => Err(wrong()),
            (least, None) => Ok(format!("{{{},}}", least.unwrap_or(0))),
            (least, Some(most)) => Ok(format!("{{{},{most}}}", least.unwrap_or(0))),
        }
    }

    /// Parses the rest of a character class.
    fn class(&mut self) -> Result<(), PatternError> {
        self.output.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.output.push('^');
        }
        let mut is_empty = true;
        loop {
            let character = self.rest.next().ok_or_else(|| PatternError::new("the [ is not closed"))?;
            if character == ']' {
                break;
            }
            is_empty = false;
            let first = match self.class_member(character)? {
                Escape::Literal(literal) => literal,
                Escape::Class(set, false) => {
                    self.output.push_str(set);
                    continue;
                }
                Escape::Class(set, true) => {
                    let _ = write!(self.output, "[^{set}]");
                    continue;
                }
            };
            push_literal(&mut self.output, first);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']') {
                self.rest.next();
                self.range_end(first)?;
            }
        }
        if is_empty {
            return Err(PatternError::new("a character class is empty"));
        }
        self.output.push(']');
        Ok(())
    }

    fn range_end(&mut self, first: char) -> Result<(), PatternError> {
        let last = self.rest.next().map(|last| self.class_member(last));
        let Some(Escape::Literal(last)) = last.transpose()? else {
            return Err(PatternError::new("the end of a range has to be a character"));
        };
        if last < first {
            return Err(PatternError::new(format!("the range {first}-{last} ends before it begins")));
        }
        self.output.push('-');
        push_literal(&mut self.output, last);
        Ok(())
    }

    fn class_member(&mut self, character: char) -> Result<Escape, PatternError> {
        match character {
            '\\' => self.escape(),
            _ if OPERATORS.contains(character) => Err(PatternError::new(format!(
                "write \\{character} to match the character {character} inside brackets"
            ))),
            _ => allowed(character).map(Escape::Literal),
        }
    }

    /// Parses the rest of an escape, after the backslash.
    fn escape(&mut self) -> Result<Escape, PatternError> {
        let character =
            self.rest.next().ok_or_else(|| PatternError::new("nothing follows the last backslash"))?;
        Ok(match character {
            'd' | 'D' => Escape::Class("0-9", character == 'D'),
            's' | 'S' => Escape::Class(r"\t \n", character == 'S'),
            'w' | 'W' => Escape::Class("a-zA-Z_0-9", character == 'W'),
            'x' => Escape::Literal(self.hexadecimal()?),
            _ if OPERATORS.contains(character) => Escape::Literal(character),
            _ => {
                return Err(PatternError::new(format!(
                    "\\{character} is not an escape of a filter pattern; write \\xhh with two hexadecimal digits"
                )));
            }
        })
    }

    fn hexadecimal(&mut self) -> Result<char, PatternError> {
        let digits: String = self.rest.by_ref().take(2).collect();
        let is_hexadecimal =
            digits.len() == 2 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        let code = u8::from_str_radix(&digits, 16).ok().filter(|code| is_hexadecimal && code.is_ascii());
        code.map(char::from).ok_or_else(|| {
            PatternError::new(format!("\\x{digits} is not an ASCII character with two digits of 0-9 and A-F"))
        })
    }
}

enum Escape {
    Literal(char),
    /// A set of characters; `true` if it means all other characters.
    Class(&'static str, bool),
}

fn allowed(character: char) -> Result<char, PatternError> {
    if character.is_ascii_alphanumeric() || SYMBOLS.contains(character) {
        return Ok(character);
    }
    let instead = if character.is_ascii() {
        format!("; write \\x{:02X} for it", u32::from(character))
    } else {
        String::new()
    };
    Err(PatternError::new(format!("a regular expression cannot have the character {character:?}{instead}")))
}

fn push_literal(output: &mut String, character: char) {
    let _ = write!(output, r"\x{:02X}", u32::from(character));
}
