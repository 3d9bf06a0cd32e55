//! The part of the CloudWatch Logs Insights language that the meter uses:
//! `filter`, `stats count(*) ... by`, `sort` and `limit`.
//!
//! Source: CloudWatch Logs User Guide, "CloudWatch Logs Insights language query syntax".

use std::cmp::Ordering;
use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

/// What Insights returns where a query names no limit.
const DEFAULT_LIMIT: usize = 10_000;

/// A query that cannot be understood here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the local stack does not understand {0:?}; it knows filter, stats count(*) by, sort and limit")]
pub struct NotUnderstood(String);

/// A row of an answer: fields and their values, in the order of the query.
pub type Row = Vec<(String, String)>;

/// A query, understood.
#[derive(Debug, Default)]
pub struct Query {
    conditions: Vec<Condition>,
    count_as: String,
    groups: Vec<Group>,
    sort: Option<(String, bool)>,
    limit: Option<usize>,
}

#[derive(Debug)]
enum Condition {
    Matches(String, Regex),
    Compares(String, Operator, String),
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A field, or the whole number of times that a number goes into it.
#[derive(Debug)]
struct Group {
    field: String,
    divisor: Option<f64>,
    name: String,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// When a part of it is not understood.
    pub fn parse(text: &str) -> Result<Self, NotUnderstood> {
        let mut query = Self::default();
        for command in split(text, "|") {
            let command = command.trim();
            let not_understood = || NotUnderstood(command.to_owned());
            let (name, rest) = command.split_once(' ').ok_or_else(not_understood)?;
            match name {
                "filter" => {
                    for condition in split(rest, " and ") {
                        query.conditions.push(Condition::parse(condition.trim()).ok_or_else(not_understood)?);
                    }
                }
                "stats" => query.read_stats(rest).ok_or_else(not_understood)?,
                "sort" => {
                    let (field, order) = rest.split_once(' ').unwrap_or((rest, "asc"));
                    query.sort = Some((field.to_owned(), order.trim() == "desc"));
                }
                "limit" => query.limit = Some(rest.trim().parse().map_err(|_| not_understood())?),
                _ => return Err(not_understood()),
            }
        }
        if query.groups.is_empty() { Err(NotUnderstood(text.to_owned())) } else { Ok(query) }
    }

    fn read_stats(&mut self, rest: &str) -> Option<()> {
        let (count, groups) = rest.split_once(" by ")?;
        count.trim().strip_prefix("count(*) as ")?.clone_into(&mut self.count_as);
        for group in groups.split(',') {
            let group = group.trim();
            let plain = Group { field: group.to_owned(), divisor: None, name: group.to_owned() };
            self.groups.push(match group.strip_prefix("floor(") {
                None => plain,
                Some(rest) => {
                    let (inner, name) = rest.split_once(") as ")?;
                    let (field, divisor) = inner.split_once('/')?;
                    let divisor = Some(divisor.trim().parse().ok()?);
                    Group { field: field.trim().to_owned(), divisor, name: name.to_owned() }
                }
            });
        }
        Some(())
    }

    /// Answers the query from log lines. Lines that are no JSON have no fields.
    pub fn answer<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Vec<Row> {
        let mut counts: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        for line in lines {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            if self.conditions.iter().all(|condition| condition.holds(&line)) {
                let group = self.groups.iter().map(|group| group.value(&line)).collect();
                *counts.entry(group).or_default() += 1;
            }
        }
        let mut rows: Vec<Row> = counts.into_iter().map(|(group, count)| self.row(group, count)).collect();
        if let Some((field, descending)) = &self.sort {
            let value = |row: &Row| {
                row.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone()).unwrap_or_default()
            };
            rows.sort_by(|left, right| {
                let order = compare(&value(left), &value(right));
                if *descending { order.reverse() } else { order }
            });
        }
        rows.truncate(self.limit.unwrap_or(DEFAULT_LIMIT));
        rows
    }

    fn row(&self, group: Vec<String>, count: u64) -> Row {
        let names = self.groups.iter().map(|group| group.name.clone());
        names.zip(group).chain([(self.count_as.clone(), count.to_string())]).collect()
    }
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let (field, rest) = text.split_once(' ')?;
        let (operator, value) = rest.trim_start().split_once(' ')?;
        let (field, value) = (field.to_owned(), value.trim());
        let operator = match operator {
            "like" => {
                let pattern = value.strip_prefix('/')?.strip_suffix('/')?;
                return Some(Self::Matches(field, Regex::new(pattern).ok()?));
            }
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::AtMost,
            ">" => Operator::More,
            ">=" => Operator::AtLeast,
            _ => return None,
        };
        let value = if value.starts_with('"') { serde_json::from_str(value).ok()? } else { value.to_owned() };
        Some(Self::Compares(field, operator, value))
    }

    fn holds(&self, line: &Value) -> bool {
        match self {
            Self::Matches(field, pattern) => pattern.is_match(&text(&line[field])),
            Self::Compares(field, operator, value) => {
                let order = compare(&text(&line[field]), value);
                match operator {
                    Operator::Equal => order == Ordering::Equal,
                    Operator::NotEqual => order != Ordering::Equal,
                    Operator::Less => order == Ordering::Less,
                    Operator::AtMost => order != Ordering::Greater,
                    Operator::More => order == Ordering::Greater,
                    Operator::AtLeast => order != Ordering::Less,
                }
            }
        }
    }
}

impl Group {
    fn value(&self, line: &Value) -> String {
        let value = text(&line[&self.field]);
        match self.divisor {
            None => value,
            Some(divisor) => {
                value.parse::<f64>().map_or(value, |number| (number / divisor).floor().to_string())
            }
        }
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// Numbers as numbers, all else as text.
fn compare(left: &str, right: &str) -> Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.total_cmp(&right),
        _ => left.cmp(right),
    }
}

/// Cuts at a separator that stands outside of texts and patterns.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, None);
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        match (inside, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(end), _) if character == end => inside = None,
            // A pattern follows `like`; any other slash divides.
            (None, '/') if text[..place].trim_end().ends_with("like") => inside = Some('/'),
            (None, '"') => inside = Some('"'),
            (None, _) if place >= start && text[place..].starts_with(separator) => {
                parts.push(&text[start..place]);
                start = place + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, status: &str, at: i64) -> String {
        format!(r#"{{"apiKeyId":"{key}","status":"{status}","requestTimeEpoch":"{at}"}}"#)
    }

    fn answer(query: &str, lines: &[String]) -> Vec<Row> {
        Query::parse(query).unwrap().answer(lines.iter().map(String::as_str))
    }

    #[test]
    fn calls_are_counted_by_key_and_hour() {
        let lines = [
            line("a", "200", 7_200_001),
            line("a", "204", 7_300_000),
            line("a", "404", 7_300_000),
            line("b", "200", 1),
            line("-", "200", 1),
        ];
        let rows = answer(
            "filter status like /^2[0-9][0-9]$/ and apiKeyId != \"-\" and requestTimeEpoch >= 5\n| stats count(*) as calls by apiKeyId, floor(requestTimeEpoch / 3600000) as hour\n| sort apiKeyId asc\n| limit 10",
            &lines,
        );
        let row = |values: [(&str, &str); 3]| {
            values.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
        };
        assert_eq!(rows, [row([("apiKeyId", "a"), ("hour", "2"), ("calls", "2")])]);
    }

    #[test]
    fn rows_are_sorted_by_number_and_cut() {
        let lines: Vec<String> = (0..30).map(|number| line(["x", "y", "y"][number % 3], "200", 1)).collect();
        let rows = answer(
            "filter status like /^2/ | stats count(*) as calls by apiKeyId | sort calls desc | limit 1",
            &lines,
        );
        assert_eq!(
            rows,
            [vec![("apiKeyId".to_owned(), "y".to_owned()), ("calls".to_owned(), "20".to_owned())]]
        );
    }

    #[test]
    fn a_key_may_hold_what_separates_commands() {
        let lines = [line("a | b and c", "200", 1), line("a", "200", 1)];
        assert_eq!(
            answer("filter apiKeyId >= \"a | b and c\" | stats count(*) as calls by apiKeyId", &lines).len(),
            1
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for query in [
            "fields @message | limit 5",
            "filter a ~ 3 | stats count(*) as n by a",
            "stats sum(x) as n by a",
            "limit many",
        ] {
            assert!(Query::parse(query).is_err(), "{query}");
        }
    }
}
