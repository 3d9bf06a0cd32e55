//! A cursor over the text of a pattern.

use super::error::PatternError;
use super::regex;
use super::text::{Text, number};

/// The unparsed rest of a pattern.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a str,
    /// Number of parsed regular expressions.
    pub regexes: usize,
}

/// The right operand of a comparison.
#[derive(Debug, Clone)]
pub enum Operand {
    Text(Text),
    Number(f64, String),
    Regex(::regex::Regex),
}

impl<'a> Cursor<'a> {
    pub fn new(rest: &'a str) -> Self {
        Self { rest, regexes: 0 }
    }

    pub fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn starts_with(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Consumes a text after optional spaces. Returns `false` if another text follows.
    pub fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Consumes a text without spaces before it. Returns `false` if another text follows.
    pub fn take_here(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub fn expect(&mut self, text: &str) -> Result<(), PatternError> {
        if self.take(text) { Ok(()) } else { Err(self.unexpected(&format!("{text:?}"))) }
    }

    /// Consumes characters while they belong to a class.
    pub fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    pub fn unexpected(&self, wanted: &str) -> PatternError {
        let found: String = self.rest.chars().take(20).collect();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
        PatternError::new(format!("expected {wanted} before {found}"))
    }

    /// Consumes a quoted text, which begins here.
    pub fn quoted(&mut self, quote: char) -> Result<String, PatternError> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((place, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) if escaped == quote || escaped == '\\' => text.push(escaped),
                    _ => {
                        return Err(PatternError::new(
                            "a backslash in quotes has to be followed by a quote or a backslash",
                        ));
                    }
                },
                _ if character == quote => {
                    self.rest = &self.rest[place + character.len_utf8()..];
                    return Ok(text);
                }
                _ => text.push(character),
            }
        }
        Err(PatternError::new(format!("the quote {quote} is not closed")))
    }

    /// Parses the right operand of a comparison: a text, with or without quotes, a number or a regular
    /// expression.
    pub fn operand(&mut self) -> Result<Operand, PatternError> {
        self.skip_blanks();
        if self.starts_with("\"") {
            return Ok(Operand::Text(Text::new(&self.quoted('"')?)));
        }
        if self.take_here("%") {
            let inner = self.take_while(|character| character != '%');
            if !self.take_here("%") {
                return Err(PatternError::new("the regular expression has no closing %"));
            }
            self.regexes += 1;
            return regex::translate(inner).map(Operand::Regex);
        }
        let word = self.take_while(|character| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '*' | '.' | '+' | '-')
        });
        if word.is_empty() {
            return Err(self.unexpected(
                "a value, in quotes if it has other characters than letters, digits, _ . and *,",
            ));
        }
        match number(word) {
            Some(number) => Ok(Operand::Number(number, word.to_owned())),
            None if word.contains(['+', '-']) => {
                Err(PatternError::new(format!("{word:?} is not a number; put it in quotes")))
            }
            None => Ok(Operand::Text(Text::new(word))),
        }
    }
}
