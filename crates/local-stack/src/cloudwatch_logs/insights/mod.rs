//! The query language of CloudWatch Logs Insights: `fields`, `display`, `filter`, `stats`, `sort` and
//! `limit`. Other commands and functions are refused.
//!
//! Source: CloudWatch Logs User Guide, "CloudWatch Logs Insights language query
//! syntax" with its pages of commands and functions.
//!
//! AWS does not document the following behaviour, so a query should not depend on it:
//!
//! - Comparisons (including `!=`), `like`, `in`, `not like` and `not in` are false for a missing value.
//!   `not (...)` is true if its condition is false.
//! - Arithmetic and numeric functions of a missing value, or of a text that is not a number, have no
//!   value. Neither has a result that is not a finite number.
//! - Two texts are compared as texts, by code point; a text and a number as numbers. A text that is not a
//!   number is unequal to every number.
//! - JSON `true` and `false` are 1 and 0. Members that are objects or lists have no value. A line that is
//!   not exactly one JSON object has no fields. A name with dots is a path, or a name that contains them.
//! - A missing value is omitted from a row, and is a separate group in `stats`. `stats` without events
//!   returns no rows. Aggregations ignore missing values.
//! - Without `sort`, the latest event comes first. Rows that compare as equal keep the order in which they
//!   were found.
//! - A number is shown with as many digits as it needs. Insights discovers 200 fields of an event; here
//!   their number is not limited.

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

/// Maximum number of rows of a query without `limit`. Source: user guide, "limit".
const DEFAULT_ROWS: usize = 10_000;
/// A row of an answer: (field, value), in the order of the query.
pub type Row = Vec<(String, String)>;

/// The answer of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub rows: Vec<Row>,
    /// Number of events that were read.
    pub scanned_events: u64,
    /// Size of their messages, in bytes.
    pub scanned_bytes: u64,
    /// Number of events that passed the filters.
    pub matched_events: u64,
}

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    /// Returns an error if the query is malformed or has an unsupported part.
    pub fn parse(text: &str) -> Result<Self, MalformedQuery> {
        parser::parse(text)
    }

    /// Sets the limit, unless the query has one.
    ///
    /// # Errors
    /// Returns an error if the limit is not between 1 and [`MAX_ROWS`].
    pub fn with_limit(mut self, limit: i64) -> Result<Self, MalformedQuery> {
        #[expect(clippy::cast_precision_loss, reason = "numbers that lose precision are refused")]
        let limit = parser::row_limit(limit as f64)?;
        self.ending.limit.get_or_insert(limit);
        Ok(self)
    }

    /// Starts to evaluate the query.
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

    /// Sorts the rows and formats their values.
    fn finish(&self, mut rows: Vec<Vec<Value<'_>>>) -> Vec<Row> {
        if let Some(time) = self.ending.latest_first {
            // The events of each log group are already in this order.
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
    /// Runs the commands on a record. Returns `false` if a filter drops it.
    fn keeps<'a>(&'a self, record: &mut [Value<'a>]) -> bool {
        self.commands.iter().all(|command| match command {
            Command::Compute(slot, expression) => {
                record[*slot] = expression.value(record);
                true
            }
            Command::Filter(condition) => condition.is_true(record),
        })
    }
}

/// The evaluation of a query. The events of each log group have to be added with the latest first.
pub struct Run<'q> {
    query: &'q Query,
    groups: Groups,
    rows: Vec<Vec<Value<'static>>>,
    /// Number of rows of earlier log groups.
    rows_before: usize,
    answer: Answer,
}

impl Run<'_> {
    /// Starts the events of another log group.
    pub fn begin_log_group(&mut self) {
        self.rows_before = self.rows.len();
    }

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
            // A query without an order returns the latest events, which came first.
            None if self.query.ending.latest_first.is_some()
                && self.rows.len() - self.rows_before >= self.query.row_limit() => {}
            None => self.rows.push(record.into_iter().map(Value::into_owned).collect()),
        }
    }

    /// Returns the answer for all added events.
    pub fn answer(mut self) -> Answer {
        let query = self.query;
        let rows: Vec<Vec<Value<'_>>> = if query.segments.is_empty() {
            self.rows
        } else {
            let mut groups = self.groups;
            for segment in query.segments.iter().skip(1) {
                let mut next = Groups::default();
                let rows = groups.rows().filter_map(|row| extend_row(segment, row));
                if let Some(stats) = &segment.stats {
                    rows.for_each(|row| next.add(stats, &row));
                }
                groups = next;
            }
            groups.rows().filter_map(|row| extend_row(&query.last, row)).collect()
        };
        self.answer.rows = query.finish(rows);
        self.answer
    }
}

/// Extends a row of a `stats` by the slots of the next segment and runs its commands. Returns `None` if a
/// filter drops the row.
fn extend_row<'a>(segment: &'a Segment, row: Vec<Value<'a>>) -> Option<Vec<Value<'a>>> {
    let mut row = row;
    row.resize(segment.sources.len(), Value::Null);
    segment.keeps(&mut row).then_some(row)
}

#[cfg(test)]
mod tests;
