//! The filter pattern language of CloudWatch Logs, which metric filters,
//! subscription filters and `FilterLogEvents` share.
//!
//! Source: CloudWatch Logs User Guide, "Filter pattern syntax for metric
//! filters, subscription filters, filter log events, and Live Tail" and
//! "Supported regular expressions (regex) syntax".
//!
//! A pattern is refused unless that guide describes it. Where the guide does not say what a pattern
//! matches, this implementation matches less:
//!
//! - A JSON condition on a member that is missing, `null`, an object or a list is false, whichever
//!   operator it has, including `!=`. So is one on `true` or `false`: use `IS TRUE` and `IS FALSE`.
//! - `<`, `<=`, `>` and `>=` compare numbers. For a JSON text they are false, even if the text is a
//!   number; `=` and `!=` compare it as a text.
//! - A number without quotes after `=` or `!=` is compared as a number with a JSON number, so `200`
//!   equals `200.0`. With a wildcard it is a text.
//! - `*` alone matches any text, including the empty one, and any number.
//! - A term without quotes matches a whole word: the characters before and after it are not letters,
//!   digits or underscores. A quoted phrase may begin and end inside a word.
//! - A phrase of spaces only matches everything, as in the guide's example.
//! - Terms with `?` are ignored if there are other terms, as the guide says.
//! - The last column of a space-delimited pattern matches the rest of the line, as in the guide's example
//!   `[w1=ERROR, w2]`. After `...` each column matches one field. A line with fewer fields does not
//!   match. Brackets and quotes around a field are not part of it.
//! - A backslash in a quoted text or phrase has to be followed by a quote or a backslash.

mod columns;
mod cursor;
mod error;
mod json;
mod regex;
mod terms;
mod text;
mod value;

use std::cell::OnceCell;

use serde_json::Value;

pub use error::PatternError;

/// Maximum length of a pattern, in characters. Source: CloudWatch Logs API Reference,
/// `PutSubscriptionFilter`.
const MAX_CHARACTERS: usize = 1_024;
/// Maximum number of regular expressions of a JSON or space-delimited pattern. Source: "Supported
/// regular expressions".
const MAX_REGEXES: usize = 2;

/// A log line. Its JSON is parsed once, however many patterns are matched against it.
#[derive(Debug)]
pub struct Line<'a> {
    text: &'a str,
    json: OnceCell<Option<Value>>,
}

impl<'a> Line<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, json: OnceCell::new() }
    }

    fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_str(self.text).ok()).as_ref()
    }
}

/// A parsed pattern.
#[derive(Debug, Clone)]
pub struct FilterPattern {
    text: String,
    kind: Kind,
    regexes: usize,
}

#[derive(Debug, Clone)]
enum Kind {
    Everything,
    Regex(::regex::Regex),
    Terms(terms::Terms),
    Json(json::Expression),
    Columns(columns::Columns),
}

impl FilterPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns an error if the documentation of CloudWatch Logs does not describe the pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let characters = text.chars().count();
        if characters > MAX_CHARACTERS {
            return Err(PatternError::new(format!(
                "it has {characters} characters; shorten it to {MAX_CHARACTERS}"
            )));
        }
        let pattern = text.trim();
        let (kind, regexes) = match pattern.as_bytes().first() {
            None => (Kind::Everything, 0),
            Some(b'{') => {
                json::parse(pattern).map(|(expression, regexes)| (Kind::Json(expression), regexes))?
            }
            Some(b'[') => {
                columns::parse(pattern).map(|(columns, regexes)| (Kind::Columns(columns), regexes))?
            }
            Some(b'%') => (Kind::Regex(standalone(pattern)?), 1),
            Some(_) => (Kind::Terms(terms::parse(pattern)?), 0),
        };
        let structured = matches!(kind, Kind::Json(_) | Kind::Columns(_));
        if structured && regexes > MAX_REGEXES {
            return Err(PatternError::new(format!(
                "it has {regexes} regular expressions; a JSON or space-delimited pattern may have {MAX_REGEXES}"
            )));
        }
        Ok(Self { text: text.to_owned(), kind, regexes })
    }

    /// Returns the text of the pattern.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns `true` if the pattern has a regular expression. The number of such patterns of a log
    /// group is limited.
    pub fn has_regex(&self) -> bool {
        self.regexes > 0
    }

    /// Returns `true` if a line matches.
    pub fn matches(&self, line: &Line<'_>) -> bool {
        match &self.kind {
            Kind::Everything => true,
            Kind::Regex(regex) => regex.is_match(line.text),
            Kind::Terms(terms) => terms.match_text(line.text),
            Kind::Json(expression) => line.json().is_some_and(|json| expression.matches(json)),
            Kind::Columns(columns) => columns.match_text(line.text),
        }
    }
}

/// Parses a pattern that is one regular expression between percent signs.
fn standalone(pattern: &str) -> Result<::regex::Regex, PatternError> {
    let inner = pattern.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    let inner = inner.filter(|inner| pattern.len() > 1 && !inner.contains('%'));
    let inner = inner.ok_or_else(|| {
        PatternError::new(
            "a pattern that begins with % is one regular expression that ends with its only other %",
        )
    })?;
    regex::translate(inner)
}

#[cfg(test)]
mod tests;
