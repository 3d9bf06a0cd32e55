//! The expressions of `fields`, `filter` and `stats`.

use std::cmp::Ordering;

use regex::bytes::Regex;

use super::functions::Function;
use super::value::Value;
use crate::cloudwatch_logs::operator::Operator;

#[derive(Debug)]
pub enum Expression {
    Constant(Value<'static>),
    /// A field or an earlier result, by its slot in the record.
    Slot(usize),
    /// The first operand, and operators of one precedence with theirs. They are applied from the left.
    Arithmetic(Box<Expression>, Vec<(char, Expression)>),
    Negative(Box<Expression>),
    Compare(Operator, Box<[Expression; 2]>),
    /// `like /regex/`: true if the text has a match.
    Matches(Box<Expression>, Regex),
    /// `like "text"`: true if the text contains another.
    Contains(Box<Expression>, String),
    In(Box<Expression>, Vec<Value<'static>>),
    /// `not like` and `not in`: true if the expression has a value and the condition is false.
    Unless(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Call(Function, Vec<Expression>),
    /// The timestamp of the event, rounded down to a multiple of a period in milliseconds.
    Bin(Box<Expression>, i64),
}

/// Compares two values. Values without an order, such as a number and a word, are unequal. A comparison
/// with a missing value is false.
fn compare(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    match left.compare(right) {
        Some(order) => operator.accepts(order),
        None => operator == Operator::NotEqual && !left.is_null() && !right.is_null(),
    }
}

impl Expression {
    /// Returns `true` if the result of the expression is a boolean.
    pub fn is_condition(&self) -> bool {
        match self {
            Self::Compare(..)
            | Self::Matches(..)
            | Self::Contains(..)
            | Self::In(..)
            | Self::Unless(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Not(_) => true,
            Self::Call(function, _) => function.is_condition(),
            _ => false,
        }
    }

    /// Evaluates the expression for a record.
    pub fn value<'a>(&'a self, record: &[Value<'a>]) -> Value<'a> {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Slot(slot) => record[*slot].clone(),
            Self::Arithmetic(first, rest) => {
                rest.iter().fold(first.value(record), |left, (operator, right)| {
                    arithmetic(*operator, &left, &right.value(record))
                })
            }
            Self::Negative(inner) => {
                inner.value(record).number().map_or(Value::Null, |number| Value::Number(-number))
            }
            Self::Call(function, arguments) => {
                let arguments: Vec<Value<'a>> =
                    arguments.iter().map(|argument| argument.value(record)).collect();
                function.call(arguments)
            }
            Self::Bin(time, period_ms) => match time.value(record) {
                Value::Time(time_ms) => Value::Time(time_ms.div_euclid(*period_ms) * period_ms),
                _ => Value::Null,
            },
            condition => Value::boolean(condition.is_true(record)),
        }
    }

    /// Evaluates the expression as a condition for a record.
    pub fn is_true<'a>(&'a self, record: &[Value<'a>]) -> bool {
        match self {
            Self::Compare(operator, sides) => {
                compare(*operator, &sides[0].value(record), &sides[1].value(record))
            }
            Self::Matches(inner, regex) => {
                inner.value(record).shown().is_some_and(|text| regex.is_match(text.as_bytes()))
            }
            Self::Contains(inner, part) => {
                inner.value(record).shown().is_some_and(|text| text.contains(part.as_str()))
            }
            Self::In(inner, list) => {
                let value = inner.value(record);
                list.iter().any(|listed| value.compare(listed).is_some_and(Ordering::is_eq))
            }
            Self::Unless(inner) => match &**inner {
                Self::Matches(value, _) | Self::Contains(value, _) | Self::In(value, _) => {
                    !value.value(record).is_null() && !inner.is_true(record)
                }
                _ => !inner.is_true(record),
            },
            Self::And(parts) => parts.iter().all(|part| part.is_true(record)),
            Self::Or(parts) => parts.iter().any(|part| part.is_true(record)),
            Self::Not(inner) => !inner.is_true(record),
            value => value.value(record).is_true(),
        }
    }
}

fn arithmetic(operator: char, left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    let (Some(left), Some(right)) = (left.number(), right.number()) else { return Value::Null };
    let result = match operator {
        '+' => left + right,
        '-' => left - right,
        '*' => left * right,
        '/' => left / right,
        '%' => left % right,
        _ => left.powf(right),
    };
    if result.is_finite() { Value::Number(result) } else { Value::Null }
}
