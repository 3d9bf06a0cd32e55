//! The metric filters and the subscription filter of a log group.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::cloudwatch::store::MINUTE_MS;
use crate::cloudwatch::{MetricName, MetricStore};
use crate::cloudwatch_logs::filter_pattern::{FilterPattern, Line, PatternError};

/// A metric filter. Events that match its pattern add to a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricFilter {
    pub filter_name: String,
    pub filter_pattern: String,
    pub metric_name: String,
    pub metric_namespace: String,
    /// Value that a matching event records.
    pub value: u64,
    /// Value that is recorded for a minute in which events were logged and none matches.
    pub default_value: Option<u64>,
    /// Time of `PutMetricFilter`, in milliseconds since 1970.
    pub created_ms: i64,
}

/// The subscription filter. Events that match its pattern are delivered to the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionFilter {
    pub filter_name: String,
    pub filter_pattern: String,
    /// ARN of the stream.
    pub destination_arn: String,
    /// ARN of the role with which CloudWatch Logs writes to the stream.
    pub role_arn: String,
    /// Time of `PutSubscriptionFilter`, in milliseconds since 1970.
    pub created_ms: i64,
}

/// The reason for refusing a filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The pattern is refused.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The file cannot be written.
    #[error("the filter cannot be written")]
    File(#[from] rusqlite::Error),
}

/// The filters with their parsed patterns.
#[derive(Debug)]
pub(super) struct Filters {
    of_metrics: RwLock<Arc<Vec<(MetricFilter, FilterPattern)>>>,
    subscription: RwLock<Option<Arc<(SubscriptionFilter, FilterPattern)>>>,
    metrics: OnceLock<Arc<MetricStore>>,
}

impl Filters {
    /// Reads the filters of the file.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT definition FROM metric_filters ORDER BY name")?;
        let definitions = statement.query_map([], |row| row.get::<_, String>(0))?;
        let definitions = definitions.collect::<rusqlite::Result<Vec<String>>>()?;
        let metric_filters = definitions.iter().map(|definition| {
            let filter: MetricFilter = serde_json::from_str(definition).map_err(unusable)?;
            let pattern = FilterPattern::parse(&filter.filter_pattern).map_err(unusable)?;
            Ok((filter, pattern))
        });
        let query = "SELECT definition FROM subscription_filter";
        let definition: Option<String> = connection.query_row(query, [], |row| row.get(0)).optional()?;
        let subscription = definition.map(|definition| {
            let filter: SubscriptionFilter = serde_json::from_str(&definition).map_err(unusable)?;
            let pattern = FilterPattern::parse(&filter.filter_pattern).map_err(unusable)?;
            Ok::<_, rusqlite::Error>(Arc::new((filter, pattern)))
        });
        Ok(Self {
            of_metrics: RwLock::new(Arc::new(metric_filters.collect::<rusqlite::Result<_>>()?)),
            subscription: RwLock::new(subscription.transpose()?),
            metrics: OnceLock::new(),
        })
    }

    /// Sets the store of the metric filters, if none is set yet.
    pub fn record_to(&self, metrics: Arc<MetricStore>) {
        let _ = self.metrics.set(metrics);
    }

    fn metric_filters(&self) -> Arc<Vec<(MetricFilter, FilterPattern)>> {
        self.of_metrics.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the metric filters in the order of their names.
    pub fn metric_filter_definitions(&self) -> Vec<MetricFilter> {
        self.metric_filters().iter().map(|(filter, _)| filter.clone()).collect()
    }

    /// Writes a metric filter, which replaces any filter with its name.
    pub fn put_metric_filter(
        &self,
        connection: &Connection,
        filter: MetricFilter,
    ) -> Result<(), FilterError> {
        let pattern = FilterPattern::parse(&filter.filter_pattern)?;
        let definition = serde_json::to_string(&filter).unwrap_or_default();
        let query = "INSERT OR REPLACE INTO metric_filters (name, definition) VALUES (?, ?)";
        connection.execute(query, params![filter.filter_name, definition])?;
        let mut filters = self.of_metrics.write().unwrap_or_else(PoisonError::into_inner);
        let others = filters.iter().filter(|(other, _)| other.filter_name != filter.filter_name);
        let mut changed: Vec<_> = others.cloned().collect();
        changed.push((filter, pattern));
        changed.sort_by(|(left, _), (right, _)| left.filter_name.cmp(&right.filter_name));
        *filters = Arc::new(changed);
        Ok(())
    }

    /// Returns the subscription filter and its pattern.
    pub fn subscription_filter(&self) -> Option<Arc<(SubscriptionFilter, FilterPattern)>> {
        self.subscription.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes the subscription filter.
    pub fn put_subscription_filter(
        &self,
        connection: &Connection,
        filter: SubscriptionFilter,
    ) -> Result<(), FilterError> {
        let pattern = FilterPattern::parse(&filter.filter_pattern)?;
        let definition = serde_json::to_string(&filter).unwrap_or_default();
        let query = "INSERT OR REPLACE INTO subscription_filter (one, definition) VALUES (1, ?)";
        connection.execute(query, [definition])?;
        let filter = Some(Arc::new((filter, pattern)));
        *self.subscription.write().unwrap_or_else(PoisonError::into_inner) = filter;
        Ok(())
    }

    /// Records the metrics of the metric filters for written events. A value belongs to the minute of its
    /// event, as in CloudWatch.
    pub fn record<'a>(&self, events: impl Iterator<Item = (i64, &'a str)>) {
        let (Some(metrics), filters) = (self.metrics.get(), self.metric_filters()) else { return };
        if filters.is_empty() {
            return;
        }
        let mut minutes: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (timestamp_ms, message) in events {
            let line = Line::new(message);
            let minute = timestamp_ms.div_euclid(MINUTE_MS);
            let matched = minutes.entry(minute).or_insert_with(|| vec![0; filters.len()]);
            for (count, (_, pattern)) in matched.iter_mut().zip(filters.iter()) {
                *count += u64::from(pattern.matches(&line));
            }
        }
        for (minute, matched) in minutes {
            let at_ms = minute * MINUTE_MS;
            for (count, (filter, _)) in matched.into_iter().zip(filters.iter()) {
                let metric = MetricName::new(&filter.metric_namespace, &filter.metric_name, []);
                let default = filter.default_value.filter(|_| count == 0);
                let values = (0..count).map(|_| filter.value).chain(default);
                metrics.record(metric, at_ms, values);
            }
        }
    }
}

/// The error of a definition in the file that cannot be parsed. Ignoring the filter would lose the events
/// that it delivers.
fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
