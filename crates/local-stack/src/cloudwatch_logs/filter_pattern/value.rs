//! Comparing texts and numbers.

use super::PatternError;
use super::cursor::{Cursor, Operand, number};
use crate::cloudwatch_logs::operator::Operator;

/// A text with `*` as wildcard.
#[derive(Debug, Clone)]
pub struct Text {
    parts: Vec<String>,
}

impl Text {
    pub fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    pub fn has_wildcard(&self) -> bool {
        self.parts.len() > 1
    }

    pub fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else { return text == first };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(place) = rest.find(part.as_str()) else { return false };
            rest = &rest[place + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

fn is_of_texts(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::NotEqual)
}

/// An operator with what it compares with.
#[derive(Debug, Clone)]
pub struct Comparison {
    operator: Operator,
    operand: Operand,
}

impl Comparison {
    /// Takes an operator and its operand.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, PatternError> {
        let symbol = Operator::SYMBOLS.into_iter().find(|symbol| cursor.take(symbol));
        let Some(operator) = symbol.and_then(Operator::of) else { return Ok(None) };
        let operand = cursor.operand()?;
        if !is_of_texts(operator) && !matches!(operand, Operand::Number(..)) {
            return Err(PatternError::new("<, <=, > and >= compare with a number"));
        }
        Ok(Some(Self { operator, operand }))
    }

    /// Compares a number, and its text where the operand is one.
    pub fn holds_for_number(&self, value: f64, text: &str) -> bool {
        match &self.operand {
            // A number that is written is a number, so the two always compare.
            Operand::Number(number, _) => {
                value.partial_cmp(number).is_some_and(|order| self.operator.holds(order))
            }
            Operand::Text(wanted) if !wanted.has_wildcard() => self.is_equal(wanted.matches(text)),
            _ => self.holds_for_text(text),
        }
    }

    /// Compares a text as a text.
    pub fn holds_for_text(&self, text: &str) -> bool {
        match &self.operand {
            Operand::Text(wanted) => self.is_equal(wanted.matches(text)),
            Operand::Regex(regex) => self.is_equal(regex.is_match(text)),
            Operand::Number(_, written) => is_of_texts(self.operator) && self.is_equal(text == written),
        }
    }

    /// Compares a field that may be a number or a text.
    pub fn holds_for_field(&self, text: &str) -> bool {
        match number(text) {
            Some(value) => self.holds_for_number(value, text),
            None => self.holds_for_text(text),
        }
    }

    fn is_equal(&self, equal: bool) -> bool {
        equal == (self.operator == Operator::Equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wildcard_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("2*", "200", true),
            ("2*", "2", true),
            ("2*", "302", false),
            ("*", "", true),
            ("*.html*", "GET /index.html HTTP/1.0", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "x", false),
        ] {
            assert_eq!(Text::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        /// The same as a regular expression in which `*` is `.*`.
        #[test]
        fn wildcards_match_as_their_regular_expression(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let regex = ::regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
            prop_assert_eq!(Text::new(&pattern).matches(&text), regex.is_match(&text));
        }
    }
}
