//! The access log as a witness that is independent of the ledger.
//!
//! CloudWatch Logs Insights counts whole hours at any rate of calls; single
//! events, with the ids by which the subscription delivers them, come from
//! `FilterLogEvents`.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, QueryStatus, ResultField};
use metering_core::ports::PortError;
use metering_core::reconciliation::HourlyCalls;
use metering_core::window::HOUR_MS;
use serde_json::Value;

use crate::error::port_error;
use crate::logged_events::LoggedEvent;

/// The most rows of one answer of Insights. Source: CloudWatch Logs quotas.
const MAX_ROWS: usize = 10_000;
/// How long after its call an event may be logged, and before it by another clock, in milliseconds.
const LOGGING_DELAY_MS: i64 = HOUR_MS;
const POLL_DELAY: Duration = Duration::from_millis(500);
/// Insights stops a query after 60 minutes; nobody waits that long here.
const MAX_POLLS: u32 = 1_200;

/// An answer of CloudWatch Logs that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("CloudWatch Logs answered with {0}")]
struct Unusable(String);

/// The access log of the metered APIs.
#[derive(Debug, Clone)]
pub struct CallLog {
    client: Client,
    log_group: String,
    unbilled_resources: Vec<String>,
}

impl CallLog {
    /// The access log in a log group. Calls of `unbilled_resources` are not
    /// delivered by the subscription, and so not counted here either.
    pub fn new(client: Client, log_group: impl Into<String>, unbilled_resources: Vec<String>) -> Self {
        Self { client, log_group: log_group.into(), unbilled_resources }
    }

    /// The name of the log group.
    pub fn log_group(&self) -> &str {
        &self.log_group
    }

    /// The successful calls of each key in each hour, of calls that were made
    /// in `from_ms..to_ms`.
    ///
    /// # Errors
    /// When Insights cannot answer.
    pub async fn calls_per_key(&self, from_ms: i64, to_ms: i64) -> Result<HourlyCalls, PortError> {
        let mut calls = HourlyCalls::new();
        let mut first_key: Option<String> = None;
        loop {
            let query = self.query(from_ms, to_ms, first_key.as_deref());
            let rows = self.rows(&query, from_ms, to_ms).await?;
            let is_full = rows.len() >= MAX_ROWS;
            for row in &rows {
                let (key, hour, count) = self.row(row)?;
                calls.insert((key, hour), count);
            }
            // A full answer may end in the middle of its last key: ask again from there on.
            let last = calls.keys().next_back().map(|(key, _)| key.clone());
            if !is_full || last == first_key {
                return Ok(calls);
            }
            first_key = last;
        }
    }

    fn query(&self, from_ms: i64, to_ms: i64, first_key: Option<&str>) -> String {
        let mut conditions = vec![format!(
            "status like /^2[0-9][0-9]$/ and apiKeyId != \"-\" and requestTimeEpoch >= {from_ms} and requestTimeEpoch < {to_ms}"
        )];
        let quoted = |text: &str| Value::from(text).to_string();
        conditions.extend(
            self.unbilled_resources.iter().map(|resource| format!("resourcePath != {}", quoted(resource))),
        );
        conditions.extend(first_key.map(|key| format!("apiKeyId >= {}", quoted(key))));
        let conditions = conditions.join(" and ");
        format!(
            "filter {conditions}\n| stats count(*) as calls by apiKeyId, floor(requestTimeEpoch / {HOUR_MS}) as hour\n| sort apiKeyId asc\n| limit {MAX_ROWS}"
        )
    }

    fn operation(&self) -> String {
        format!("counting the calls in the log group {}", self.log_group)
    }

    fn unusable(&self, answer: impl Into<String>) -> PortError {
        PortError::Refused { operation: self.operation(), source: Box::new(Unusable(answer.into())) }
    }

    async fn rows(&self, query: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Vec<ResultField>>, PortError> {
        let started = self
            .client
            .start_query()
            .log_group_name(&self.log_group)
            .start_time((from_ms - LOGGING_DELAY_MS) / 1_000)
            .end_time((to_ms + LOGGING_DELAY_MS) / 1_000)
            .query_string(query)
            .send()
            .await
            .map_err(|error| port_error(self.operation(), error))?;
        let id = started.query_id.ok_or_else(|| self.unusable("no query id"))?;
        for _ in 0..MAX_POLLS {
            let answer = self.client.get_query_results().query_id(&id).send().await;
            let answer = answer.map_err(|error| port_error(self.operation(), error))?;
            match answer.status {
                Some(QueryStatus::Complete) => return Ok(answer.results.unwrap_or_default()),
                Some(QueryStatus::Scheduled | QueryStatus::Running) | None => {}
                Some(other) => return Err(self.unusable(format!("a query in the state {other}"))),
            }
            tokio::time::sleep(POLL_DELAY).await;
        }
        Err(self.unusable("a query that does not end"))
    }

    fn row(&self, row: &[ResultField]) -> Result<(String, i64, u64), PortError> {
        let field = |name: &str| row.iter().find(|field| field.field() == Some(name))?.value();
        let number = |name: &str| field(name)?.parse::<f64>().ok();
        let (Some(key), Some(hour), Some(calls)) = (field("apiKeyId"), number("hour"), number("calls"))
        else {
            return Err(self.unusable(format!("the row {row:?}")));
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "hours and counts are small and positive"
        )]
        let (hour, calls) = (hour as i64, calls as u64);
        Ok((key.to_owned(), hour * HOUR_MS, calls))
    }

    /// Reads the events of calls that were made in `from_ms..to_ms`, and of some
    /// before and after, and hands them to `visit` page by page. The events of
    /// unbilled resources are left out.
    ///
    /// No filter pattern is used: whoever compares with what was counted has
    /// to see every form of a line that the consumer counts.
    ///
    /// # Errors
    /// When the log group cannot be read, or `visit` fails.
    pub async fn events<E: From<PortError>>(
        &self,
        from_ms: i64,
        to_ms: i64,
        mut visit: impl AsyncFnMut(Vec<LoggedEvent>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pages = self
            .client
            .filter_log_events()
            .log_group_name(&self.log_group)
            .start_time(from_ms - LOGGING_DELAY_MS)
            .end_time(to_ms + LOGGING_DELAY_MS)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| port_error(format!("reading the log group {}", self.log_group), error))?;
            let events = page.events.unwrap_or_default().into_iter().filter_map(|event| self.logged(event));
            visit(events.collect()).await?;
        }
        Ok(())
    }

    fn logged(&self, event: FilteredLogEvent) -> Option<LoggedEvent> {
        let (event_id, message) = (event.event_id?, event.message?);
        let log_stream = event.log_stream_name.unwrap_or_default();
        let timestamp_ms = event.timestamp.unwrap_or_default();
        (!self.is_unbilled(&message)).then_some(LoggedEvent { event_id, log_stream, timestamp_ms, message })
    }

    fn is_unbilled(&self, message: &str) -> bool {
        let Ok(line) = serde_json::from_str::<Value>(message) else { return false };
        self.unbilled_resources.iter().any(|resource| line["resourcePath"] == **resource)
    }
}
