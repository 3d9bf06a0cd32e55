//! Comparisons of texts and numbers.

use super::cursor::{Cursor, Operand};
use super::error::PatternError;
use super::text::number;
use crate::cloudwatch_logs::operator::Operator;

/// Returns `true` if the operator compares texts as well as numbers.
fn compares_texts(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::NotEqual)
}

/// An operator with its right operand.
#[derive(Debug, Clone)]
pub struct Comparison {
    operator: Operator,
    operand: Operand,
}

impl Comparison {
    /// Parses an operator and its operand. Returns `None` if no operator follows.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Self>, PatternError> {
        let symbol = Operator::SYMBOLS.into_iter().find(|symbol| cursor.take(symbol));
        let Some(operator) = symbol.and_then(Operator::parse) else { return Ok(None) };
        let operand = cursor.operand()?;
        if !compares_texts(operator) && !matches!(operand, Operand::Number(..)) {
            return Err(PatternError::new("<, <=, > and >= need a number"));
        }
        Ok(Some(Self { operator, operand }))
    }

    /// Compares a number. If the operand is a text, compares the text of the number.
    pub fn accepts_number(&self, value: f64, text: &str) -> bool {
        match &self.operand {
            // Neither number is NaN, so they can be compared.
            Operand::Number(number, _) => {
                value.partial_cmp(number).is_some_and(|order| self.operator.accepts(order))
            }
            Operand::Text(wanted) if !wanted.has_wildcard() => self.is_equal(wanted.matches(text)),
            _ => self.accepts_text(text),
        }
    }

    /// Compares a text.
    pub fn accepts_text(&self, text: &str) -> bool {
        match &self.operand {
            Operand::Text(wanted) => self.is_equal(wanted.matches(text)),
            Operand::Regex(regex) => self.is_equal(regex.is_match(text)),
            Operand::Number(_, written) => compares_texts(self.operator) && self.is_equal(text == written),
        }
    }

    /// Compares a field that may be a number or a text.
    pub fn accepts_field(&self, text: &str) -> bool {
        match number(text) {
            Some(value) => self.accepts_number(value, text),
            None => self.accepts_text(text),
        }
    }

    fn is_equal(&self, equal: bool) -> bool {
        equal == (self.operator == Operator::Equal)
    }
}
