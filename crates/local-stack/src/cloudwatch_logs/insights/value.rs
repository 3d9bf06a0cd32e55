//! The values of fields and expressions, and their comparison.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;

#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A missing field, or an undefined result.
    Null,
    Text(Cow<'a, str>),
    /// A number. Booleans are 1 and 0.
    Number(f64),
    /// A time in milliseconds since 1970.
    Time(i64),
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn boolean(value: bool) -> Self {
        Self::Number(if value { 1.0 } else { 0.0 })
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns `true` if a condition with this value is true.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Number(number) if *number != 0.0)
    }

    /// Returns the value as a number. A text that is a number can be used in arithmetic.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Null => None,
            Self::Text(text) => number(text),
            Self::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "present times in milliseconds are below 2^53")]
            Self::Time(time_ms) => Some(*time_ms as f64),
        }
    }

    /// Returns the text in an answer, or `None` for null.
    pub fn shown(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(number.to_string().into()),
            Self::Time(time_ms) => Some(shown_time(*time_ms).into()),
        }
    }

    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Value::Number(number),
            Self::Time(time_ms) => Value::Time(time_ms),
        }
    }

    /// Compares two values: two texts as texts, and a number with a text as numbers. Returns `None` if they
    /// have no order.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Null, _) | (_, Self::Null) => None,
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}

/// Formats a time as `2026-11-24 08:34:30.123`.
fn shown_time(time_ms: i64) -> String {
    Timestamp::from_millisecond(time_ms)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string())
        .unwrap_or_default()
}

/// Parses a number with an optional sign, fraction and exponent.
pub fn number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let first = *bytes.first()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let is_number = bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if is_number { text.parse().ok() } else { None }
}
