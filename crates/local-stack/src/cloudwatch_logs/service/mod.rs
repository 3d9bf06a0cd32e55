//! The operations of CloudWatch Logs.

mod error;
mod filters;
mod groups;
mod parameters;
mod put_events;
mod queries;
mod read_events;
mod subscriptions;

use std::path::Path;
use std::sync::Arc;

use access_log::log_format::{ALL_LINES_PATTERN, READABLE_LINES_PATTERN, subscription_filter_pattern};
use deployment::names::METRIC_NAMESPACE;
use metering_core::status_ranges::StatusRanges;
use serde_json::Value;
use system_clock::now_ms;

pub use error::LogsError;
pub use subscriptions::{Delivery, Destination};

use crate::api::check;
use crate::api::tables::LOGS;
use crate::cloudwatch::MetricStore;
use crate::cloudwatch_logs::log_group::{FilterError, LogGroup, MetricFilter, SubscriptionFilter};
use crate::names::ACCOUNT_ID;
use groups::LogGroups;
use queries::Queries;
use subscriptions::Subscriptions;

/// The metric that counts all lines of the access log.
pub const LOGGED_LINES: &str = "LoggedLines-local";
/// The metric that counts the lines of the access log that are valid JSON.
pub const READABLE_LINES: &str = "ReadableLines-local";
/// The name of the subscription filter of the access log.
const SUBSCRIPTION_FILTER: &str = "usage";
/// The name of the role with which CloudWatch Logs would write to the stream.
const SUBSCRIPTION_ROLE: &str = "usage-subscription-local";

/// Number of polls after which a query is complete.
const MAX_POLLS: usize = 10;

/// The service CloudWatch Logs.
#[derive(Debug)]
pub struct LogsService {
    groups: LogGroups,
    queries: Queries,
    subscriptions: Subscriptions,
}

impl LogsService {
    /// Returns a service with one log group, which cannot create others.
    pub fn new(log_group: Arc<LogGroup>) -> Self {
        Self::with_groups(LogGroups::new(log_group))
    }

    /// Returns a service with one log group and those of a folder, in which it creates others.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read or created.
    pub fn open(
        log_group: Arc<LogGroup>,
        folder: &Path,
        metrics: Arc<MetricStore>,
    ) -> Result<Self, LogsError> {
        LogGroups::new(log_group).with_folder(folder.to_owned(), metrics).map(Self::with_groups)
    }

    fn with_groups(groups: LogGroups) -> Self {
        Self { groups, queries: Queries::default(), subscriptions: Subscriptions::default() }
    }

    /// Starts the subscriptions of created log groups. Those of groups that get a filter later start then.
    ///
    /// # Errors
    /// Returns an error if a log group cannot be read.
    pub fn deliver_to(&self, destination: Destination) -> rusqlite::Result<()> {
        self.subscriptions.start(destination, &self.groups.all())
    }

    /// Returns the progress of the subscriptions of created log groups.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.subscriptions.deliveries()
    }

    /// Starts a query, polls it until it is complete, and returns the response of `GetQueryResults`.
    ///
    /// # Errors
    /// Returns the error of the service.
    pub fn answer_query(&self, request: &Value) -> Result<Value, LogsError> {
        let started = self.queries.start(&self.groups, request)?;
        let mut answer = Value::Null;
        for _ in 0..MAX_POLLS {
            answer = self.queries.results(&started)?;
            if answer["status"] == "Complete" {
                break;
            }
        }
        Ok(answer)
    }

    /// Performs an operation. `PutLogEvents` blocks until the events are on disk.
    ///
    /// # Errors
    /// Returns an error if the request breaks a rule of the table [`LOGS`] or of the operation.
    pub fn handle(&self, operation: &str, request: &Value) -> Result<Value, LogsError> {
        check(&LOGS, operation, request)?;
        let groups = &self.groups;
        match operation {
            "CreateLogGroup" => groups.create_group(request),
            "DescribeLogGroups" => groups.describe_groups(request),
            "CreateLogStream" => groups.create_stream(request),
            "DescribeLogStreams" => groups.describe_streams(request),
            "PutLogEvents" => put_events::put(groups, request),
            "FilterLogEvents" => read_events::filter(groups, request),
            "GetLogEvents" => read_events::get(groups, request),
            "PutMetricFilter" => filters::put_metric_filter(groups, request),
            "DescribeMetricFilters" => filters::describe_metric_filters(groups, request),
            "TestMetricFilter" => filters::test_metric_filter(request),
            "PutSubscriptionFilter" => self.subscriptions.put(groups, request),
            "DescribeSubscriptionFilters" => filters::describe_subscription_filters(groups, request),
            "StartQuery" => self.queries.start(groups, request),
            "GetQueryResults" => self.queries.results(request),
            "StopQuery" => self.queries.stop(request),
            "DescribeQueries" => self.queries.describe(request),
            other => Err(LogsError::new(
                "InvalidOperationException",
                format!("the operation {other} is in the table and has no code"),
            )),
        }
    }
}

/// Gives the log group of the access log the filters that a deployment has: the subscription filter,
/// and the metric filters that count the lines.
///
/// # Errors
/// Returns an error if a filter cannot be written.
pub fn put_access_log_filters(
    log_group: &LogGroup,
    stream_arn: &str,
    billed_statuses: &StatusRanges,
) -> Result<(), FilterError> {
    let created_ms = now_ms();
    log_group.put_subscription_filter(SubscriptionFilter {
        filter_name: SUBSCRIPTION_FILTER.to_owned(),
        filter_pattern: subscription_filter_pattern(billed_statuses),
        destination_arn: stream_arn.to_owned(),
        role_arn: format!("arn:aws:iam::{ACCOUNT_ID}:role/{SUBSCRIPTION_ROLE}"),
        created_ms,
    })?;
    for (name, pattern) in [(LOGGED_LINES, ALL_LINES_PATTERN), (READABLE_LINES, READABLE_LINES_PATTERN)] {
        log_group.put_metric_filter(MetricFilter {
            filter_name: name.to_owned(),
            filter_pattern: pattern.to_owned(),
            metric_name: name.to_owned(),
            metric_namespace: METRIC_NAMESPACE.to_owned(),
            value: 1,
            default_value: Some(0),
            created_ms,
        })?;
    }
    Ok(())
}
