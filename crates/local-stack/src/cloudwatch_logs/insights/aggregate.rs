//! The command `stats`: aggregations of groups.

use std::collections::{HashMap, HashSet};

use super::expression::Expression;
use super::sort::natural_order;
use super::value::Value;

/// A `stats` command.
#[derive(Debug, Default)]
pub struct Stats {
    /// Aggregations, with the names of their columns.
    pub aggregates: Vec<(String, Aggregate)>,
    /// Expressions to group by, with the names of their columns.
    pub groups: Vec<(String, Expression)>,
}

/// An aggregation of the values of an expression.
#[derive(Debug)]
pub struct Aggregate {
    pub aggregation: Aggregation,
    /// The aggregated expression. `None` counts events.
    pub argument: Option<Expression>,
}

/// The function of an aggregation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    Count,
    CountDistinct,
    Sum,
    Average,
    Minimum,
    Maximum,
}

impl Aggregation {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "count_distinct" => Self::CountDistinct,
            "sum" => Self::Sum,
            "avg" => Self::Average,
            "min" => Self::Minimum,
            "max" => Self::Maximum,
            _ => return None,
        })
    }
}

impl Stats {
    /// Returns the names of the columns: the groups, then the aggregations.
    pub fn names(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|(name, _)| name);
        groups.chain(self.aggregates.iter().map(|(name, _)| name)).cloned().collect()
    }
}

/// The groups of the records that were added.
#[derive(Debug, Default)]
pub struct Groups {
    /// Index of the row of each group, by the encoded key.
    places: HashMap<Vec<u8>, usize>,
    rows: Vec<(Vec<Value<'static>>, Vec<Accumulator>)>,
    /// Buffer for the key of a record.
    key: Vec<u8>,
}

impl Groups {
    pub fn add<'a>(&mut self, stats: &'a Stats, record: &[Value<'a>]) {
        self.key.clear();
        let mut values = Vec::with_capacity(stats.groups.len());
        for (_, expression) in &stats.groups {
            let value = expression.value(record);
            write_key(&value, &mut self.key);
            values.push(value);
        }
        let place = if let Some(place) = self.places.get(&self.key) {
            *place
        } else {
            let accumulators =
                stats.aggregates.iter().map(|(_, aggregate)| Accumulator::new(aggregate.aggregation));
            self.rows.push((values.into_iter().map(Value::into_owned).collect(), accumulators.collect()));
            self.places.insert(self.key.clone(), self.rows.len() - 1);
            self.rows.len() - 1
        };
        for ((_, aggregate), accumulator) in stats.aggregates.iter().zip(&mut self.rows[place].1) {
            accumulator.add(aggregate.argument.as_ref().map(|argument| argument.value(record)));
        }
    }

    /// Returns the rows: the values of the groups, then the aggregations.
    pub fn rows(self) -> impl Iterator<Item = Vec<Value<'static>>> {
        self.rows.into_iter().map(|(mut group, accumulators)| {
            group.extend(accumulators.into_iter().map(Accumulator::result));
            group
        })
    }
}

/// Encodes a value. Two encoded values are equal only if their shown texts are equal.
fn write_key(value: &Value<'_>, key: &mut Vec<u8>) {
    match value.shown() {
        Some(text) => {
            key.extend_from_slice(&text.len().to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        }
        None => key.extend_from_slice(&usize::MAX.to_le_bytes()),
    }
}

#[derive(Debug)]
enum Accumulator {
    Count(u64),
    Distinct(HashSet<String>),
    Sum(f64, bool),
    Average(f64, u64),
    Extreme(Value<'static>, bool),
}

impl Accumulator {
    fn new(aggregation: Aggregation) -> Self {
        match aggregation {
            Aggregation::Count => Self::Count(0),
            Aggregation::CountDistinct => Self::Distinct(HashSet::new()),
            Aggregation::Sum => Self::Sum(0.0, false),
            Aggregation::Average => Self::Average(0.0, 0),
            Aggregation::Minimum => Self::Extreme(Value::Null, false),
            Aggregation::Maximum => Self::Extreme(Value::Null, true),
        }
    }

    /// Adds a value. Missing values are ignored.
    fn add(&mut self, value: Option<Value<'_>>) {
        match self {
            Self::Count(count) => *count += u64::from(value.is_none_or(|value| !value.is_null())),
            Self::Distinct(seen) => {
                if let Some(text) = value.as_ref().and_then(Value::shown)
                    && !seen.contains(&*text)
                {
                    seen.insert(text.into_owned());
                }
            }
            Self::Sum(sum, has_any) => {
                if let Some(number) = value.and_then(|value| value.number()) {
                    *sum += number;
                    *has_any = true;
                }
            }
            Self::Average(sum, count) => {
                if let Some(number) = value.and_then(|value| value.number()) {
                    *sum += number;
                    *count += 1;
                }
            }
            Self::Extreme(extreme, is_maximum) => {
                let Some(value) = value.filter(|value| !value.is_null()) else { return };
                let order = natural_order(&value, extreme);
                let is_further = if *is_maximum { order.is_gt() } else { order.is_lt() };
                if extreme.is_null() || is_further {
                    *extreme = value.into_owned();
                }
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    fn result(self) -> Value<'static> {
        match self {
            Self::Count(count) => Value::Number(count as f64),
            Self::Distinct(seen) => Value::Number(seen.len() as f64),
            Self::Sum(_, false) | Self::Average(_, 0) => Value::Null,
            Self::Sum(sum, true) => Value::Number(sum),
            Self::Average(sum, count) => Value::Number(sum / count as f64),
            Self::Extreme(extreme, _) => extreme,
        }
    }
}
