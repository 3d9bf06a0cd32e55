//! Comparing texts and numbers.

use super::cursor::{Cursor, Operand};
use super::error::PatternError;
use super::text::number;
use crate::cloudwatch_logs::operator::Operator;

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
        let Some(operator) = symbol.and_then(Operator::parse) else { return Ok(None) };
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
                value.partial_cmp(number).is_some_and(|order| self.operator.accepts(order))
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
