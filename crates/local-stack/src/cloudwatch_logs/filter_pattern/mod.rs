//! The filter pattern language of CloudWatch Logs, which metric filters,
//! subscription filters and `FilterLogEvents` share.
//!
//! Source: CloudWatch Logs User Guide, "Filter pattern syntax for metric
//! filters, subscription filters, filter log events, and Live Tail" and
//! "Supported regular expressions (regex) syntax".
//!
//! A pattern is refused unless that guide describes it. Where the guide leaves
//! open what a pattern matches, the reading is the one that matches less:
//!
//! - A JSON condition on a member that is missing, `null`, an object or a list
//!   does not hold, whichever operator it has, `!=` included. Nor does one on
//!   `true` or `false`, which `IS TRUE` and `IS FALSE` are for.
//! - `<`, `<=`, `>` and `>=` compare numbers. A JSON text that is a number is a
//!   text to them and never holds; `=` and `!=` compare it as text.
//! - A number without quotes after `=` or `!=` is compared as a number with a
//!   JSON number, so `200` equals `200.0`. With a wildcard it is a text.
//! - `*` alone stands for any text and any number, the empty text included.
//! - A term without quotes stands for a whole word: no letter, digit or
//!   underscore stands beside it. A quoted phrase may begin and end in a word.
//! - A phrase of blanks alone matches everything, as the guide's example does.
//! - Terms with `?` are ignored beside other terms; the guide says so.
//! - The last column of a space-delimited pattern takes the rest of the line,
//!   as in the guide's example `[w1=ERROR, w2]`. After `...` each column is one
//!   field. A line with fewer fields does not match. Brackets and quotes around
//!   a field do not belong to it.
//! - A backslash in a quoted text or phrase stands before a quote or a backslash.

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

/// The longest pattern, in characters. Source: CloudWatch Logs API Reference, `PutSubscriptionFilter`.
const MAX_CHARACTERS: usize = 1_024;
/// The most regular expressions of a JSON or space-delimited pattern. Source: "Supported regular expressions".
const MAX_REGEXES: usize = 2;

/// A log line, whose JSON is read once however many patterns look at it.
#[derive(Debug)]
pub struct Line<'a> {
    text: &'a str,
    json: OnceCell<Option<Value>>,
}

impl<'a> Line<'a> {
    /// A line that was not looked at yet.
    pub fn new(text: &'a str) -> Self {
        Self { text, json: OnceCell::new() }
    }

    fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_str(self.text).ok()).as_ref()
    }
}

/// A pattern, read.
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
    /// Reads a pattern.
    ///
    /// # Errors
    /// When CloudWatch Logs does not document the pattern.
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

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern has a regular expression: of those, a log group may have few.
    pub fn has_regex(&self) -> bool {
        self.regexes > 0
    }

    /// Whether a line matches.
    pub fn matches(&self, line: &Line<'_>) -> bool {
        match &self.kind {
            Kind::Everything => true,
            Kind::Regex(regex) => regex.is_match(line.text),
            Kind::Terms(terms) => terms.match_text(line.text),
            Kind::Json(expression) => line.json().is_some_and(|json| expression.holds(json)),
            Kind::Columns(columns) => columns.match_text(line.text),
        }
    }
}

/// A pattern that is one regular expression between percent signs.
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
