//! Counts calls from the access log, independently of the ledger.
//!
//! CloudWatch Logs Insights counts whole hours at any rate of calls.
//! `FilterLogEvents` reads single events, with the ids with which the
//! subscription delivers them.

pub mod probe;
mod query;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access_log::request_time::parse_request_time;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, QueryStatistics, QueryStatus, ResultField};
use futures_util::{StreamExt, TryStreamExt, stream};
use metering_core::billing_rules::BillingRules;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{AccessLogCounts, PortError};
use metering_core::reconciliation::{HourlyCalls, HourlyTotals};
use metering_core::window::{HOUR_MS, hour_start_ms};

use crate::error::port_error;
use crate::logged_events::LoggedEvent;

/// Maximum number of rows in a result of Insights. Source: CloudWatch Logs quotas.
const MAX_ROWS: usize = 10_000;
/// Maximum number of log groups in a query. Source: CloudWatch Logs API Reference, `StartQuery`.
const MAX_GROUPS: usize = 50;
/// Maximum time between a call and its log event, in milliseconds. An hour is
/// compared this long after its end.
pub const LOGGING_DELAY_MS: i64 = 15 * 60_000;
/// Maximum time by which the clock of the log lags behind the clock of the call, in milliseconds.
const CLOCK_LAG_MS: i64 = 5 * 60_000;
/// Minimum number of parts into which a span with too many rows is divided. If
/// all lines were logged at once, halving would take many rounds.
const LEAST_PARTS: i64 = 8;
/// Number of concurrent queries. Insights allows 30 in an account, which other users of the account share.
const QUERIES_AT_ONCE: usize = 5;
const POLL_DELAY: Duration = Duration::from_millis(500);
/// Gives up a query after ten minutes; Insights itself would stop it after 60.
const MAX_POLLS: u32 = 1_200;

/// A response of CloudWatch Logs that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("CloudWatch Logs answered with {0}")]
struct Unusable(String);

/// The access log of the metered APIs.
#[derive(Debug, Clone)]
pub struct CallLog {
    client: Client,
    log_groups: Vec<String>,
    rules: BillingRules,
    scanned_bytes: Arc<AtomicU64>,
}

impl CallLog {
    /// Returns the access log in these log groups. Only the calls that the rules bill are counted.
    pub fn new(client: Client, log_groups: Vec<String>, rules: BillingRules) -> Self {
        Self { client, log_groups, rules, scanned_bytes: Arc::default() }
    }

    /// Returns the rules by which calls are counted.
    pub fn rules(&self) -> &BillingRules {
        &self.rules
    }

    /// Returns the log groups of the access log.
    pub fn log_groups(&self) -> &[String] {
        &self.log_groups
    }

    /// Counts the lines of a span of time. While a result is full, repeats the
    /// query for parts of its span.
    async fn counted(
        &self,
        logged: LoggedDuring,
        time: TimeOfLine,
        per_key: bool,
    ) -> Result<Counted, PortError> {
        let mut all = Counted::default();
        let mut spans = vec![logged];
        while !spans.is_empty() {
            let asked =
                std::mem::take(&mut spans).into_iter().map(|span| self.counted_in(span, time, per_key));
            let mut answers = stream::iter(asked).buffer_unordered(QUERIES_AT_ONCE);
            while let Some((span, counted, answer)) = answers.try_next().await? {
                if !answer.is_full {
                    all.add(counted);
                } else if span.to_ms - span.from_ms > 1 {
                    spans.extend(span.parts(answer.matched_lines));
                } else {
                    return Err(self.unusable("more rows for one millisecond than an answer has room for"));
                }
            }
        }
        Ok(all)
    }

    async fn counted_in(
        &self,
        span: LoggedDuring,
        time: TimeOfLine,
        per_key: bool,
    ) -> Result<(LoggedDuring, Counted, Answer), PortError> {
        let query = query::counting(&self.rules, (span.from_ms, span.to_ms), time, per_key);
        let answer = self.answer(&query, span).await?;
        let mut counted = Counted::default();
        for row in &answer.rows {
            let hour_ms = match time {
                TimeOfLine::Epoch => self.hour_of(row)?,
                TimeOfLine::Text => hour_of_clock_time(row),
            };
            match hour_ms {
                Some(hour_ms) => {
                    *counted.calls.entry((key_of(row), hour_ms)).or_default() += self.calls_of(row)?;
                }
                None => counted.has_lines_without_hour = true,
            }
        }
        Ok((span, counted, answer))
    }

    /// Counts the calls of whole hours by the epoch of their lines. If there are
    /// lines without an epoch, counts those by the text of their time. A line
    /// without any time is not counted; the consumer quarantines it.
    async fn calls(&self, from_ms: i64, to_ms: i64, per_key: bool) -> Result<HourlyCalls, PortError> {
        let logged = logged_during(from_ms, to_ms);
        let mut counted = self.counted(logged, TimeOfLine::Epoch, per_key).await?;
        if counted.has_lines_without_hour {
            counted.add(self.counted(logged, TimeOfLine::Text, per_key).await?);
        }
        counted.calls.retain(|(_, hour_ms), _| (from_ms..to_ms).contains(hour_ms));
        Ok(counted.calls)
    }

    fn operation(&self) -> String {
        format!("counting the calls in the log groups {}", self.log_groups.join(", "))
    }

    fn unusable(&self, answer: impl Into<String>) -> PortError {
        PortError::Refused { operation: self.operation(), source: Box::new(Unusable(answer.into())) }
    }

    /// Runs a query on all log groups and joins the results.
    async fn answer(&self, query: &str, logged: LoggedDuring) -> Result<Answer, PortError> {
        let mut all = Answer::default();
        for groups in self.log_groups.chunks(MAX_GROUPS) {
            let answer = self.answer_of(groups, query, logged).await?;
            all.is_full |= answer.is_full;
            all.matched_lines += answer.matched_lines;
            all.rows.extend(answer.rows);
        }
        Ok(all)
    }

    async fn answer_of(
        &self,
        log_groups: &[String],
        query: &str,
        logged: LoggedDuring,
    ) -> Result<Answer, PortError> {
        let started = self
            .client
            .start_query()
            .set_log_group_names(Some(log_groups.to_vec()))
            .start_time(logged.from_ms.div_euclid(1_000))
            // The end is rounded up to a second; the query itself filters by milliseconds.
            .end_time((logged.to_ms + 999).div_euclid(1_000))
            .query_string(query)
            .send()
            .await
            .map_err(|error| port_error(self.operation(), error))?;
        let id = started.query_id.ok_or_else(|| self.unusable("no query id"))?;
        for _ in 0..MAX_POLLS {
            let answer = self.client.get_query_results().query_id(&id).send().await;
            let answer = answer.map_err(|error| port_error(self.operation(), error))?;
            match answer.status {
                Some(QueryStatus::Complete) => {
                    let statistics = answer.statistics.unwrap_or_else(|| QueryStatistics::builder().build());
                    let scanned = unsigned(statistics.bytes_scanned);
                    self.scanned_bytes.fetch_add(scanned, Ordering::Relaxed);
                    let matched_lines = unsigned(statistics.records_matched);
                    let rows = answer.results.unwrap_or_default();
                    return Ok(Answer { is_full: rows.len() >= MAX_ROWS, rows, matched_lines });
                }
                Some(QueryStatus::Scheduled | QueryStatus::Running) | None => {}
                Some(other) => return Err(self.unusable(format!("a query in the state {other}"))),
            }
            tokio::time::sleep(POLL_DELAY).await;
        }
        Err(self.unusable("a query that does not end"))
    }

    /// Returns the start of a row's hour, in milliseconds since 1970; `None` if
    /// its lines have no epoch.
    fn hour_of(&self, row: &Row) -> Result<Option<i64>, PortError> {
        let Some(hour) = field(row, "hour").filter(|hour| !hour.is_empty()) else { return Ok(None) };
        let hour = whole(hour).ok_or_else(|| self.unusable(format!("the row {row:?}")))?;
        Ok(Some(hour.saturating_mul(HOUR_MS)))
    }

    fn calls_of(&self, row: &Row) -> Result<u64, PortError> {
        let calls = field(row, "calls").and_then(whole).and_then(|calls| u64::try_from(calls).ok());
        calls.ok_or_else(|| self.unusable(format!("the row {row:?}")))
    }

    /// Reads the events of the calls made in `from_ms..to_ms`, and of some calls
    /// before and after. Passes them to `visit` page by page, with the name of
    /// their log group.
    ///
    /// No filter pattern is used, because a comparison with the ledger needs
    /// every form of a line that the consumer counts.
    ///
    /// # Errors
    /// Fails if a log group cannot be read, or `visit` fails.
    pub async fn events<E: From<PortError>>(
        &self,
        from_ms: i64,
        to_ms: i64,
        mut visit: impl AsyncFnMut(&str, Vec<LoggedEvent>) -> Result<(), E>,
    ) -> Result<(), E> {
        let logged = logged_during(from_ms, to_ms);
        for log_group in &self.log_groups {
            let mut pages = self
                .client
                .filter_log_events()
                .log_group_name(log_group)
                .start_time(logged.from_ms)
                .end_time(logged.to_ms)
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page =
                    page.map_err(|error| port_error(format!("reading the log group {log_group}"), error))?;
                let events = page.events.unwrap_or_default().into_iter().filter_map(logged_event);
                visit(log_group, events.collect()).await?;
            }
        }
        Ok(())
    }
}

impl AccessLogCounts for CallLog {
    fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes.load(Ordering::Relaxed)
    }

    async fn calls_by_hour(&self, from_ms: i64, to_ms: i64) -> Result<HourlyTotals, PortError> {
        let calls = self.calls(from_ms, to_ms, false).await?;
        Ok(calls.into_iter().map(|((_, hour_ms), calls)| (hour_ms, calls)).collect())
    }

    /// A result of Insights has a limited number of rows in any order. If it is
    /// full, the query is repeated for parts of the span of logging times. Each
    /// line is therefore scanned at most twice, however many keys there are, and
    /// as often again if some lines have a text as their time.
    async fn calls_per_key(&self, from_ms: i64, to_ms: i64) -> Result<HourlyCalls, PortError> {
        self.calls(from_ms, to_ms, true).await
    }
}

/// The calls in the results of several queries.
#[derive(Debug, Default)]
struct Counted {
    /// The key is empty if the calls of all keys are counted together.
    calls: HourlyCalls,
    /// `true` if some lines have no epoch.
    has_lines_without_hour: bool,
}

impl Counted {
    fn add(&mut self, other: Self) {
        for (place, calls) in other.calls {
            *self.calls.entry(place).or_default() += calls;
        }
        self.has_lines_without_hour |= other.has_lines_without_hour;
    }
}

/// The form of the request time in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeOfLine {
    /// An epoch, in seconds or milliseconds.
    Epoch,
    /// A text such as `24/Nov/2026:08:34:30 +0000`, without an epoch.
    Text,
}

type Row = Vec<ResultField>;

/// The result of a query.
#[derive(Debug, Default)]
struct Answer {
    rows: Vec<Row>,
    /// `true` if the result has the maximum number of rows and may be incomplete.
    is_full: bool,
    /// The number of lines that matched.
    matched_lines: u64,
}

/// A span of logging times, in milliseconds since 1970. The end is excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LoggedDuring {
    from_ms: i64,
    to_ms: i64,
}

impl LoggedDuring {
    /// Divides the span into parts that have few enough rows if the lines are evenly distributed.
    fn parts(self, lines: u64) -> Vec<Self> {
        let length_ms = self.to_ms - self.from_ms;
        let rows = i64::try_from(MAX_ROWS).unwrap_or(i64::MAX);
        let wanted = i64::try_from(lines).unwrap_or(i64::MAX).saturating_mul(5) / (rows * 4) + 1;
        let count = wanted.max(LEAST_PARTS).min(length_ms);
        let step_ms = (length_ms + count - 1) / count;
        let starts = (self.from_ms..self.to_ms).step_by(usize::try_from(step_ms).unwrap_or(1).max(1));
        starts.map(|from_ms| Self { from_ms, to_ms: self.to_ms.min(from_ms + step_ms) }).collect()
    }
}

/// Returns the span in which the calls of a span of request times are logged.
fn logged_during(from_ms: i64, to_ms: i64) -> LoggedDuring {
    LoggedDuring { from_ms: from_ms - CLOCK_LAG_MS, to_ms: to_ms + LOGGING_DELAY_MS }
}

fn field<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.iter().find(|field| field.field() == Some(name))?.value()
}

fn key_of(row: &Row) -> MeteredKey {
    let customer_id = field(row, "customer_id").filter(|id| !matches!(*id, "" | "-"));
    let api_key_id = field(row, "api_key").unwrap_or_default().into();
    MeteredKey { customer_id: customer_id.map(Into::into), api_key_id }
}

fn hour_of_clock_time(row: &Row) -> Option<i64> {
    let requested_at_ms = parse_request_time(field(row, "clock_time")?).ok()?;
    Some(hour_start_ms(requested_at_ms))
}

/// Parses a whole number, which Insights may write with a fraction of zero.
#[expect(clippy::cast_possible_truncation, reason = "hours and counts are small")]
fn whole(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics are whole and positive"
)]
fn unsigned(statistic: f64) -> u64 {
    statistic as u64
}

fn logged_event(event: FilteredLogEvent) -> Option<LoggedEvent> {
    Some(LoggedEvent {
        event_id: event.event_id?,
        log_stream: event.log_stream_name.unwrap_or_default(),
        timestamp_ms: event.timestamp.unwrap_or_default(),
        message: event.message?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_cover_a_span_without_gap_or_overlap(from_ms in 0_i64..1_000_000, length_ms in 2_i64..10_000_000, lines in any::<u64>()) {
            let span = LoggedDuring { from_ms, to_ms: from_ms + length_ms };
            let parts = span.parts(lines % 50_000_000);
            prop_assert!(parts.len() >= 2);
            prop_assert_eq!((parts[0].from_ms, parts[parts.len() - 1].to_ms), (span.from_ms, span.to_ms));
            prop_assert!(parts.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms));
            prop_assert!(parts.iter().all(|part| part.from_ms < part.to_ms));
        }
    }

    #[test]
    fn numbers_of_insights_are_whole() {
        assert_eq!(
            [whole("493000"), whole("493000.0"), whole("4.5"), whole("")],
            [Some(493_000), Some(493_000), None, None]
        );
    }
}
