//! Queries that check assumptions about CloudWatch Logs Insights.

use std::collections::BTreeMap;

use metering_core::ports::PortError;

use super::{CallLog, LoggedDuring, Row, TimeOfLine, query};

/// The result of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The rows: values by field name.
    pub rows: Vec<BTreeMap<String, String>>,
    /// The number of lines that matched, from the statistics of the query.
    pub matched_lines: u64,
}

/// The number of calls in a span of time, counted in two ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountedTwice {
    /// The count without grouping.
    pub plainly: u64,
    /// The count by the reconciler's query, in rows that have an hour.
    pub with_hour: u64,
    /// The count by the reconciler's query, in rows that have no hour.
    pub without_hour: u64,
    /// The number of lines that matched the plain count, from the statistics of the query.
    pub matched_lines: u64,
}

impl CallLog {
    /// Runs a query on the lines that were logged in `from_ms..to_ms`. Both are
    /// whole seconds.
    ///
    /// # Errors
    /// Fails if Insights does not respond.
    pub async fn ask(&self, query: &str, from_ms: i64, to_ms: i64) -> Result<Asked, PortError> {
        let answer = self.answer(query, LoggedDuring { from_ms, to_ms }).await?;
        let rows = answer.rows.iter().map(|row| {
            let fields = row.iter().filter_map(|field| Some((field.field()?, field.value()?)));
            fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        });
        Ok(Asked { rows: rows.collect(), matched_lines: answer.matched_lines })
    }

    /// Counts the calls that were logged in `from_ms..to_ms`, with and without
    /// grouping by hour. Both are whole seconds.
    ///
    /// # Errors
    /// Fails if Insights does not respond, or responds without numbers.
    pub async fn count_twice(&self, from_ms: i64, to_ms: i64) -> Result<CountedTwice, PortError> {
        let logged = LoggedDuring { from_ms, to_ms };
        let plain = self.answer(&query::plainly(&self.rules), logged).await?;
        let (_, counted, answer) = self.counted_in(logged, TimeOfLine::Epoch, false).await?;
        let with_hour = counted.calls.values().sum();
        Ok(CountedTwice {
            plainly: self.calls_of_all(&plain.rows)?,
            with_hour,
            without_hour: self.calls_of_all(&answer.rows)? - with_hour,
            matched_lines: plain.matched_lines,
        })
    }

    fn calls_of_all(&self, rows: &[Row]) -> Result<u64, PortError> {
        rows.iter().map(|row| self.calls_of(row)).sum()
    }
}
