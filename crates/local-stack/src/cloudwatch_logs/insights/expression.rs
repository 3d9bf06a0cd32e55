//! Expressions: what `fields`, `filter` and `stats` compute.

use std::cmp::Ordering;

use regex::bytes::Regex;

use super::functions::Function;
use super::value::Value;
use crate::cloudwatch_logs::operator::Operator;

/// An expression.
#[derive(Debug)]
pub enum Expression {
    Constant(Value<'static>),
    /// A field or a value that was computed before, by its place in the record.
    Slot(usize),
    Arithmetic(char, Box<[Expression; 2]>),
    Negative(Box<Expression>),
    Compare(Operator, Box<[Expression; 2]>),
    /// Whether a text has a match of a regular expression.
    Matches(Box<Expression>, Regex),
    /// Whether a text has another in it.
    Contains(Box<Expression>, String),
    In(Box<Expression>, Vec<Value<'static>>),
    /// Holds where the expression has a value and the condition does not hold:
    /// `not like` and `not in`.
    Unless(Box<Expression>),
    And(Box<[Expression; 2]>),
    Or(Box<[Expression; 2]>),
    Not(Box<Expression>),
    Call(Function, Vec<Expression>),
    /// The time of the event, cut to a period in milliseconds.
    Bin(Box<Expression>, i64),
}

/// Values that do not compare, such as a number and a word, are not equal;
/// with a value that is missing no comparison holds.
fn holds(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    match left.compare(right) {
        Some(order) => operator.accepts(order),
        None => operator == Operator::NotEqual && !left.is_null() && !right.is_null(),
    }
}

impl Expression {
    /// Whether the expression says true or false.
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

    /// The value for a record.
    pub fn value<'a>(&'a self, record: &[Value<'a>]) -> Value<'a> {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Slot(slot) => record[*slot].clone(),
            Self::Arithmetic(operator, sides) => {
                arithmetic(*operator, &sides[0].value(record), &sides[1].value(record))
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
            condition => Value::truth(condition.holds(record)),
        }
    }

    /// Whether a condition holds for a record.
    pub fn holds<'a>(&'a self, record: &[Value<'a>]) -> bool {
        match self {
            Self::Compare(operator, sides) => {
                holds(*operator, &sides[0].value(record), &sides[1].value(record))
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
                    !value.value(record).is_null() && !inner.holds(record)
                }
                _ => !inner.holds(record),
            },
            Self::And(sides) => sides[0].holds(record) && sides[1].holds(record),
            Self::Or(sides) => sides[0].holds(record) || sides[1].holds(record),
            Self::Not(inner) => !inner.holds(record),
            value => value.value(record).holds(),
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
