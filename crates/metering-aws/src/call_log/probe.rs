//! Questions about the log and its query language, for whoever checks what is
//! assumed of them.

use std::collections::BTreeMap;

use metering_core::ports::PortError;

use super::{CallLog, LoggedDuring, Row, TimeOfLine, query};

/// The answer to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The rows, each by the names of its fields.
    pub rows: Vec<BTreeMap<String, String>>,
    /// How many lines the rows were made of, as the statistics of the query say.
    pub matched_lines: u64,
}

/// The calls of a span of time, counted in two ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountedTwice {
    /// Without any grouping.
    pub plainly: u64,
    /// As the reconciler counts them, in rows that have an hour.
    pub with_hour: u64,
    /// As the reconciler counts them, in rows that have none.
    pub without_hour: u64,
    /// The lines that the plain count was made of, as the statistics of the query say.
    pub matched_lines: u64,
}

impl CallLog {
    /// Asks a question about the lines that were logged in `from_ms..to_ms`,
    /// both of them whole seconds.
    ///
    /// # Errors
    /// When Insights does not answer.
    pub async fn ask(&self, query: &str, from_ms: i64, to_ms: i64) -> Result<Asked, PortError> {
        let answer = self.answer(query, LoggedDuring { from_ms, to_ms }).await?;
        let rows = answer.rows.iter().map(|row| {
            let fields = row.iter().filter_map(|field| Some((field.field()?, field.value()?)));
            fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        });
        Ok(Asked { rows: rows.collect(), matched_lines: answer.matched_lines })
    }

    /// Counts the calls that were logged in `from_ms..to_ms`, both of them
    /// whole seconds, with and without the grouping by hour.
    ///
    /// # Errors
    /// When Insights does not answer, or with no numbers.
    pub async fn count_twice(&self, from_ms: i64, to_ms: i64) -> Result<CountedTwice, PortError> {
        let logged = LoggedDuring { from_ms, to_ms };
        let plain = self.answer(&query::plainly(&self.unbilled), logged).await?;
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
