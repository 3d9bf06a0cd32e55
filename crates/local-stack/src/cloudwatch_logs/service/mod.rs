//! CloudWatch Logs: log groups, their filters and subscriptions, and queries.

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

use access_log::log_format::{ALL_LINES_PATTERN, READABLE_LINES_PATTERN, SUBSCRIPTION_FILTER_PATTERN};
use lambda_support::clock::now_ms;
use lambda_support::telemetry::NAMESPACE;
use serde_json::Value;

pub use error::LogsError;
pub use subscriptions::{Delivery, Destination};

use crate::cloudwatch::MetricStore;
use crate::cloudwatch_logs::log_group::{FilterError, LogGroup, MetricFilter, SubscriptionFilter};
use crate::names::ACCOUNT_ID;
use groups::LogGroups;
use queries::Queries;
use subscriptions::Subscriptions;

/// The metric of all lines of the access log, as the stack's metric filter names it.
pub const LOGGED_LINES: &str = "LoggedLines-local";
/// The metric of those lines whose JSON can be read.
pub const READABLE_LINES: &str = "ReadableLines-local";
/// The name of the subscription filter of the access log.
const SUBSCRIPTION_FILTER: &str = "usage";
/// The role by which CloudWatch Logs would put records.
const SUBSCRIPTION_ROLE: &str = "usage-subscription-local";

/// How often a query is asked for before it is surely complete.
const POLLS: usize = 10;

/// CloudWatch Logs.
#[derive(Debug)]
pub struct LogsService {
    groups: LogGroups,
    queries: Queries,
    subscriptions: Subscriptions,
}

impl LogsService {
    /// The service, with one log group and no place for others.
    pub fn new(log_group: Arc<LogGroup>) -> Self {
        Self::of(LogGroups::of(log_group))
    }

    /// The service, with one log group and those that are in a folder, where
    /// new ones are created.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        log_group: Arc<LogGroup>,
        folder: &Path,
        metrics: Arc<MetricStore>,
    ) -> Result<Self, LogsError> {
        LogGroups::of(log_group).with_folder(folder.to_owned(), metrics).map(Self::of)
    }

    fn of(groups: LogGroups) -> Self {
        Self { groups, queries: Queries::default(), subscriptions: Subscriptions::default() }
    }

    /// Delivers what the subscription filters of created log groups let
    /// through, those of groups that are created later among them.
    ///
    /// # Errors
    /// When a log group cannot be read.
    pub fn deliver_to(&self, destination: Destination) -> rusqlite::Result<()> {
        self.subscriptions.begin(destination, &self.groups.all())
    }

    /// How far the subscriptions of created log groups have come.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.subscriptions.deliveries()
    }

    /// Answers a query as a client does who asks until it is complete.
    ///
    /// # Errors
    /// As the service does.
    pub fn answer_query(&self, request: &Value) -> Result<Value, LogsError> {
        let started = self.queries.start(&self.groups, request)?;
        let mut answer = Value::Null;
        for _ in 0..POLLS {
            answer = self.queries.results(&started)?;
            if answer["status"] == "Complete" {
                break;
            }
        }
        Ok(answer)
    }

    /// Carries out one operation. `PutLogEvents` blocks until the events are on disk.
    ///
    /// # Errors
    /// As the service does.
    pub fn handle(&self, operation: &str, request: &Value) -> Result<Value, LogsError> {
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
            _ => Err((
                "InvalidOperationException",
                format!("the local stack does not offer the operation {operation} of CloudWatch Logs"),
            )),
        }
    }
}

/// Gives the access log the filters that a deployment gives it: the
/// subscription filter, and the metric filters that count its lines.
///
/// # Errors
/// When a filter cannot be kept.
pub fn put_access_log_filters(log_group: &LogGroup, stream_arn: &str) -> Result<(), FilterError> {
    let created_ms = now_ms();
    log_group.put_subscription_filter(SubscriptionFilter {
        filter_name: SUBSCRIPTION_FILTER.to_owned(),
        filter_pattern: SUBSCRIPTION_FILTER_PATTERN.to_owned(),
        destination_arn: stream_arn.to_owned(),
        role_arn: format!("arn:aws:iam::{ACCOUNT_ID}:role/{SUBSCRIPTION_ROLE}"),
        created_ms,
    })?;
    for (name, pattern) in [(LOGGED_LINES, ALL_LINES_PATTERN), (READABLE_LINES, READABLE_LINES_PATTERN)] {
        log_group.put_metric_filter(MetricFilter {
            filter_name: name.to_owned(),
            filter_pattern: pattern.to_owned(),
            metric_name: name.to_owned(),
            metric_namespace: NAMESPACE.to_owned(),
            value: 1,
            default_value: Some(0),
            created_ms,
        })?;
    }
    Ok(())
}
