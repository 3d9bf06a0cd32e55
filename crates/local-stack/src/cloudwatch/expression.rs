//! Metric math: numbers, ids of queries, `+ - * /`, comparisons, `AND`, `OR`, `IF` and parentheses.
//!
//! Source: CloudWatch User Guide, "Using metric math".

use std::collections::{BTreeMap, BTreeSet};

/// Values by the start of their period, in milliseconds since 1970.
pub type Series = BTreeMap<i64, f64>;

/// An expression that is malformed or not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the local stack does not support the expression {0:?}; it supports numbers, ids of queries, + - * /, comparisons, AND, OR, IF and parentheses"
)]
pub struct UnsupportedExpression(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

/// The operators with their signs, from those that bind least. A sign that begins with another one comes before it.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("OR", Operator::Or), ("||", Operator::Or)],
    &[("AND", Operator::And), ("&&", Operator::And)],
    &[
        (">=", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        (">", Operator::Greater),
        ("<", Operator::Less),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Over)],
];

enum Node {
    Number(f64),
    Id(String),
    Operation(Operator, Box<Node>, Box<Node>),
    If(Box<[Node; 3]>),
}

/// Evaluates an expression for each period in which one of its metrics has a value. A metric without a
/// value in that period counts as 0. A period in which the expression divides by zero has no value.
///
/// Source: CloudWatch User Guide, "Using math expressions with CloudWatch
/// metrics": missing values are treated as 0 where another metric has a value,
/// and a data point that divides by zero is dropped.
///
/// # Errors
/// Returns an error if the expression is malformed or not supported, or if it names an unknown id.
pub fn evaluate(text: &str, metrics: &BTreeMap<String, Series>) -> Result<Series, UnsupportedExpression> {
    let unsupported = || UnsupportedExpression(text.to_owned());
    let mut parser = Parser { rest: text.trim() };
    let node = parser.expression().filter(|_| parser.rest.is_empty()).ok_or_else(unsupported)?;
    let mut ids = BTreeSet::new();
    node.collect_ids(&mut ids);
    if ids.iter().any(|id| !metrics.contains_key(id)) {
        return Err(unsupported());
    }
    let periods: BTreeSet<i64> = metrics
        .iter()
        .filter(|(id, _)| ids.contains(*id))
        .flat_map(|(_, series)| series.keys().copied())
        .collect();
    let values = periods.into_iter().filter_map(|period| {
        let value = node.value(period, metrics);
        value.is_finite().then_some((period, value))
    });
    Ok(values.collect())
}

impl Node {
    fn collect_ids(&self, ids: &mut BTreeSet<String>) {
        match self {
            Self::Number(_) => {}
            Self::Id(id) => {
                ids.insert(id.clone());
            }
            Self::Operation(_, left, right) => {
                left.collect_ids(ids);
                right.collect_ids(ids);
            }
            Self::If(parts) => parts.iter().for_each(|part| part.collect_ids(ids)),
        }
    }

    fn value(&self, period: i64, metrics: &BTreeMap<String, Series>) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Id(id) => metrics.get(id).and_then(|series| series.get(&period)).copied().unwrap_or(0.0),
            Self::Operation(operator, left, right) => {
                operator.value(left.value(period, metrics), right.value(period, metrics))
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if condition.value(period, metrics) == 0.0 { otherwise } else { then };
                chosen.value(period, metrics)
            }
        }
    }
}

impl Operator {
    /// Applies the operator. A comparison that holds is 1, and one that does not is 0.
    #[expect(clippy::float_cmp, reason = "metric math compares exactly")]
    fn value(self, left: f64, right: f64) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Self::Plus => left + right,
            Self::Minus => left - right,
            Self::Times => left * right,
            // NaN, so that the value stays undefined even if it is then multiplied by 0.
            Self::Over if right == 0.0 => f64::NAN,
            Self::Over => left / right,
            Self::Greater => truth(left > right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Less => truth(left < right),
            Self::LessOrEqual => truth(left <= right),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Or => truth(left != 0.0 || right != 0.0),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn expression(&mut self) -> Option<Node> {
        self.level(&LEVELS)
    }

    /// Parses operations of the first level, whose operands are of the others.
    fn level(&mut self, levels: &[&[(&str, Operator)]]) -> Option<Node> {
        let Some((operators, inner)) = levels.split_first() else { return self.atom() };
        let mut left = self.level(inner)?;
        while let Some(operator) = self.operator(operators) {
            left = Node::Operation(operator, Box::new(left), Box::new(self.level(inner)?));
        }
        Some(left)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        operators.iter().find(|(sign, _)| self.take(sign)).map(|(_, operator)| *operator)
    }

    fn atom(&mut self) -> Option<Node> {
        if self.take("(") {
            let inner = self.expression()?;
            return self.take(")").then_some(inner);
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match word.chars().next()? {
            first if first.is_ascii_digit() => word.parse().ok().map(Node::Number),
            _ if word == "IF" => self.condition(),
            _ => Some(Node::Id(word.to_owned())),
        }
    }

    fn condition(&mut self) -> Option<Node> {
        let mut part = |before: &str| if self.take(before) { self.expression() } else { None };
        let parts = [part("(")?, part(",")?, part(",")?];
        self.take(")").then(|| Node::If(Box::new(parts)))
    }

    /// Takes a sign, if it is next.
    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        if let Some(rest) = rest {
            self.rest = rest.trim_start();
        }
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_zero(text: &str) -> Result<Option<f64>, UnsupportedExpression> {
        let series = |value: f64| Series::from([(0, value)]);
        let metrics = BTreeMap::from([
            ("a".to_owned(), series(6.0)),
            ("b_2".to_owned(), series(2.0)),
            ("none".to_owned(), Series::new()),
            ("zero".to_owned(), series(0.0)),
        ]);
        evaluate(text, &metrics).map(|series| series.get(&0).copied())
    }

    #[test]
    fn expressions_are_evaluated_period_by_period() {
        assert_eq!(at_zero("100 * a / (a + b_2)"), Ok(Some(75.0)));
        assert_eq!(at_zero("a - b_2 - 1"), Ok(Some(3.0)));
        assert_eq!(at_zero("0.5*(a)"), Ok(Some(3.0)));
    }

    #[test]
    fn a_missing_value_is_zero_beside_another_and_nothing_is_divided_by_zero() {
        assert_eq!((at_zero("a + none"), at_zero("none - a")), (Ok(Some(6.0)), Ok(Some(-6.0))));
        assert_eq!((at_zero("none"), at_zero("none + 1")), (Ok(None), Ok(None)), "no metric has a value");
        assert_eq!((at_zero("a / zero"), at_zero("a / none")), (Ok(None), Ok(None)));
        assert_eq!((at_zero("zero / zero"), at_zero("a + b_2 / zero * 0")), (Ok(None), Ok(None)));
        // The share of calls without a key, as the alarm has it.
        assert_eq!(at_zero("100 * none / (none + a)"), Ok(Some(0.0)));
        assert_eq!(at_zero("100 * a / (a + none)"), Ok(Some(100.0)));
    }

    #[test]
    fn a_comparison_is_one_or_zero_and_if_chooses() {
        for (text, expected) in [
            ("a > 2 * b_2", 1.0),
            ("a > 3 * b_2", 0.0),
            ("a >= 3 * b_2", 1.0),
            ("a < b_2 OR b_2 <= 2", 1.0),
            ("a == 6 AND b_2 != 2", 0.0),
            ("a < 1 && a > 1 || a == 6", 1.0),
            ("IF(none > 0, a, b_2) + a", 8.0),
            ("IF(a > b_2, 0, 1)", 0.0),
        ] {
            assert_eq!(at_zero(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_unsupported_is_an_error() {
        for text in ["", "a +", "(a", "a b_2", "unknown", "FILL(a, 0)", "IF(a, 1)", "IF", "-a", "a^2", "a)"] {
            assert!(at_zero(text).is_err(), "{text}");
        }
    }
}
