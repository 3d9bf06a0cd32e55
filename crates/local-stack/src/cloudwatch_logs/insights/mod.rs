//! The query language of CloudWatch Logs Insights: `fields`, `display`,
//! `filter`, `stats`, `sort` and `limit`. What is not understood is refused.
//!
//! Source: CloudWatch Logs User Guide, "CloudWatch Logs Insights language query
//! syntax" with its pages of commands and functions.
//!
//! AWS documents none of these, so a query that has to be right does not depend
//! on them:
//!
//! - Neither a comparison nor `like`, `in`, `not like` and `not in` holds for a
//!   missing value, `!=` included. `not (...)` holds where its condition does not.
//! - Arithmetic and numeric functions of a missing value, or of a text that is
//!   no number, are missing, as are results that are no finite number.
//! - Two texts compare as texts, by Unicode; a text compares with a number as a
//!   number. A text that is no number is unequal to each number.
//! - JSON `true` and `false` are 1 and 0. Members that are objects or lists have
//!   no value of their own. A line that is not one whole JSON object has no
//!   fields. A name with dots is a path, or a name that has the dots.
//! - A missing value is left out of a row, and is a group of its own in `stats`.
//!   `stats` of no events has no rows. Aggregations skip missing values.
//! - Events come with the latest first where nothing sorts them. Rows that sort
//!   the same keep the order in which they were found.
//! - A number is shown with as many digits as it needs. Insights finds 200
//!   fields of an event; here are no more bounds than a line's own size.

mod aggregate;
mod error;
mod event;
mod expression;
mod functions;
mod lexer;
mod parser;
mod query;
mod record;
mod sort;
mod value;

pub use error::MalformedQuery;
pub use event::Event;
pub use query::{MAX_ROWS, Query};

use aggregate::Groups;
use query::{Command, Segment};
use value::Value;

/// How many rows an answer has where the query names no limit. Source: user guide, "limit".
const DEFAULT_ROWS: usize = 10_000;
/// A row of an answer: fields and their values, in the order of the query.
pub type Row = Vec<(String, String)>;

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The rows.
    pub rows: Vec<Row>,
    /// How many events were looked at.
    pub scanned_events: u64,
    /// How many bytes their lines have.
    pub scanned_bytes: u64,
    /// How many of them passed the filters.
    pub matched_events: u64,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// When a part of it is not understood.
    pub fn parse(text: &str) -> Result<Self, MalformedQuery> {
        parser::parse(text)
    }

    /// Lowers the limit, or sets it, as a request's own limit does.
    ///
    /// # Errors
    /// When it is no number of rows that can be asked for.
    pub fn with_limit(mut self, limit: i64) -> Result<Self, MalformedQuery> {
        #[expect(clippy::cast_precision_loss, reason = "a number that large is refused all the same")]
        let limit = parser::row_limit(limit as f64)?;
        self.ending.limit.get_or_insert(limit);
        Ok(self)
    }

    /// Begins an answer.
    pub fn run(&self) -> Run<'_> {
        Run {
            query: self,
            groups: Groups::default(),
            rows: Vec::new(),
            rows_before: 0,
            answer: Answer::default(),
        }
    }

    fn first(&self) -> &Segment {
        self.segments.first().unwrap_or(&self.last)
    }

    fn row_limit(&self) -> usize {
        self.ending.limit.unwrap_or(DEFAULT_ROWS)
    }

    /// Puts the rows after the last `stats` in order and shows them.
    fn finish(&self, mut rows: Vec<Vec<Value<'_>>>) -> Vec<Row> {
        if let Some(time) = self.ending.latest_first {
            // Each log group came with its latest event first.
            rows.sort_by(|left, right| sort::natural_order(&right[time], &left[time]));
        }
        if !self.ending.sort.is_empty() {
            rows.sort_by(|left, right| {
                let orders = self.ending.sort.iter().map(|(slot, descending)| {
                    let order = sort::natural_order(&left[*slot], &right[*slot]);
                    if *descending { order.reverse() } else { order }
                });
                orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            });
        }
        rows.truncate(self.row_limit());
        let shown = |row: Vec<Value<'_>>| -> Row {
            let columns = self.ending.shown.iter();
            columns
                .filter_map(|(name, slot)| Some((name.clone(), row[*slot].shown()?.into_owned())))
                .collect()
        };
        rows.into_iter().map(shown).collect()
    }
}

impl Segment {
    /// Computes and filters; says whether the record is kept.
    fn keeps<'a>(&'a self, record: &mut [Value<'a>]) -> bool {
        self.commands.iter().all(|command| match command {
            Command::Compute(slot, expression) => {
                record[*slot] = expression.value(record);
                true
            }
            Command::Filter(condition) => condition.holds(record),
        })
    }
}

/// A query that is being answered. Of each log group, the latest event comes first.
pub struct Run<'q> {
    query: &'q Query,
    groups: Groups,
    rows: Vec<Vec<Value<'static>>>,
    /// How many rows came from other log groups.
    rows_before: usize,
    answer: Answer,
}

impl Run<'_> {
    /// Says that the next events are those of another log group.
    pub fn begin_log_group(&mut self) {
        self.rows_before = self.rows.len();
    }

    /// Takes an event.
    pub fn add(&mut self, event: &Event<'_>) {
        self.answer.scanned_events += 1;
        self.answer.scanned_bytes += event.message.len() as u64;
        let segment = self.query.first();
        let mut record = Vec::with_capacity(segment.sources.len());
        record::fill(&segment.sources, event, &mut record);
        if !segment.keeps(&mut record) {
            return;
        }
        self.answer.matched_events += 1;
        match &segment.stats {
            Some(stats) => self.groups.add(stats, &record),
            // Without an order of its own, a query shows the latest.
            None if self.query.ending.latest_first.is_some()
                && self.rows.len() - self.rows_before >= self.query.row_limit() => {}
            None => self.rows.push(record.into_iter().map(Value::into_owned).collect()),
        }
    }

    /// The answer to all events.
    pub fn answer(mut self) -> Answer {
        let query = self.query;
        let rows: Vec<Vec<Value<'_>>> = if query.segments.is_empty() {
            self.rows
        } else {
            let mut groups = self.groups;
            for segment in query.segments.iter().skip(1) {
                let mut next = Groups::default();
                let rows = groups.rows().filter_map(|row| widened(segment, row));
                if let Some(stats) = &segment.stats {
                    rows.for_each(|row| next.add(stats, &row));
                }
                groups = next;
            }
            groups.rows().filter_map(|row| widened(&query.last, row)).collect()
        };
        self.answer.rows = query.finish(rows);
        self.answer
    }
}

/// A row of a `stats` with places for what the next segment computes, if it is kept.
fn widened<'a>(segment: &'a Segment, row: Vec<Value<'a>>) -> Option<Vec<Value<'a>>> {
    let mut row = row;
    row.resize(segment.sources.len(), Value::Null);
    segment.keeps(&mut row).then_some(row)
}

#[cfg(test)]
mod tests;
