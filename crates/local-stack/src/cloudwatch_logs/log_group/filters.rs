//! The metric filters and the subscription filter of a group.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::cloudwatch::{MetricName, MetricStore};
use crate::cloudwatch_logs::filter_pattern::{FilterPattern, Line, PatternError};

/// A metric filter: what matches its pattern adds to a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricFilter {
    /// Its name.
    pub filter_name: String,
    /// Its filter pattern.
    pub filter_pattern: String,
    /// The metric's name.
    pub metric_name: String,
    /// The metric's namespace.
    pub metric_namespace: String,
    /// What an event that matches adds.
    pub value: u64,
    /// What is added where no event of a minute matches.
    pub default_value: Option<u64>,
    /// When it was put, in milliseconds since 1970.
    pub created_ms: i64,
}

/// The subscription filter: what matches its pattern goes to the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionFilter {
    /// Its name.
    pub filter_name: String,
    /// Its filter pattern.
    pub filter_pattern: String,
    /// The ARN of the stream.
    pub destination_arn: String,
    /// The ARN of the role by which CloudWatch Logs puts records.
    pub role_arn: String,
    /// When it was put, in milliseconds since 1970.
    pub created_ms: i64,
}

/// Why a filter cannot be put.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Its pattern is refused.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The file cannot be written.
    #[error("the filter cannot be written")]
    File(#[from] rusqlite::Error),
}

/// The filters, with their patterns read.
#[derive(Debug)]
pub(super) struct Filters {
    of_metrics: RwLock<Arc<Vec<(MetricFilter, FilterPattern)>>>,
    subscription: RwLock<Option<Arc<(SubscriptionFilter, FilterPattern)>>>,
    metrics: OnceLock<Arc<MetricStore>>,
}

impl Filters {
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

    /// The metric filters, by name.
    pub fn metric_filter_definitions(&self) -> Vec<MetricFilter> {
        self.metric_filters().iter().map(|(filter, _)| filter.clone()).collect()
    }

    /// Writes a metric filter in the place of any that has its name.
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

    /// The subscription filter, and its pattern.
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

    /// Tells the metrics of the metric filters about events that were taken.
    /// A value belongs to the minute of its event, as it does in CloudWatch.
    pub fn count<'a>(&self, events: impl Iterator<Item = (i64, &'a str)>) {
        let (Some(metrics), filters) = (self.metrics.get(), self.metric_filters()) else { return };
        if filters.is_empty() {
            return;
        }
        let mut minutes: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (timestamp_ms, message) in events {
            let line = Line::new(message);
            let minute = timestamp_ms.div_euclid(crate::cloudwatch::store::MINUTE_MS);
            let matched = minutes.entry(minute).or_insert_with(|| vec![0; filters.len()]);
            for (count, (_, pattern)) in matched.iter_mut().zip(filters.iter()) {
                *count += u64::from(pattern.matches(&line));
            }
        }
        for (minute, matched) in minutes {
            let at_ms = minute * crate::cloudwatch::store::MINUTE_MS;
            for (count, (filter, _)) in matched.into_iter().zip(filters.iter()) {
                let metric = MetricName::new(&filter.metric_namespace, &filter.metric_name, []);
                let default = filter.default_value.filter(|_| count == 0);
                let values = (0..count).map(|_| filter.value).chain(default);
                metrics.record(metric, at_ms, values);
            }
        }
    }
}

/// A definition in the file that this version cannot use: going on without the
/// filter would lose what it delivers.
fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
