//! Amazon CloudWatch: the metrics of a running stack.

pub mod alarms;
pub mod expression;
pub mod metrics;
pub mod operations;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use expression::{Series, evaluate};
pub use store::{MetricName, MetricStore};

/// The result of one query of `GetMetricData`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricData {
    /// The id of the query.
    pub id: String,
    pub label: String,
    pub values: Series,
}

/// The reason for refusing the queries of `GetMetricData`.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// An expression is malformed or not supported.
    #[error(transparent)]
    Expression(#[from] expression::UnsupportedExpression),
    /// Two queries have the same id.
    #[error("two queries have the id {0:?}")]
    SameId(String),
    /// A query has both a metric and an expression, or neither.
    #[error("the query {0:?} has to have either MetricStat or Expression")]
    MetricOrExpression(String),
    /// A period is not a multiple of a minute.
    #[error("the query {0:?} has a period that is not a multiple of 60 seconds")]
    Period(String),
    /// A statistic is not supported.
    #[error("the local stack does not support the statistic {0:?}")]
    Statistic(String),
}

/// Evaluates queries in the form of `GetMetricData`, and returns the results of those with `ReturnData`.
///
/// # Errors
/// Returns an error if a query is malformed or not supported.
pub fn metric_data(
    store: &MetricStore,
    queries: &[Value],
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<MetricData>, QueryError> {
    let mut known: BTreeMap<String, Series> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for query in queries {
        let stat = &query["MetricStat"];
        if !ids.insert(id(query)) {
            return Err(QueryError::SameId(id(query)));
        }
        if stat.is_object() == query["Expression"].is_string() {
            return Err(QueryError::MetricOrExpression(id(query)));
        }
        if stat.is_object() {
            let statistic = stat["Stat"].as_str().unwrap_or_default();
            let period_ms = stat["Period"].as_i64().filter(|period_s| *period_s > 0 && period_s % 60 == 0);
            let period_ms = period_ms.ok_or_else(|| QueryError::Period(id(query)))? * 1_000;
            let values = store.statistic(&metric_name(&stat["Metric"]), statistic, period_ms, from_ms, to_ms);
            known.insert(id(query), values.ok_or_else(|| QueryError::Statistic(statistic.to_owned()))?);
        }
    }
    let mut data = Vec::new();
    for query in queries.iter().filter(|query| query["ReturnData"] != false) {
        let values = match query["Expression"].as_str() {
            Some(expression) => evaluate(expression, &known)?,
            None => known.get(&id(query)).cloned().unwrap_or_default(),
        };
        let label = query["Label"].as_str().or(query["MetricStat"]["Metric"]["MetricName"].as_str());
        data.push(MetricData { id: id(query), label: label.unwrap_or_default().to_owned(), values });
    }
    Ok(data)
}

fn id(query: &Value) -> String {
    query["Id"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn metric_name(metric: &Value) -> MetricName {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    MetricName {
        namespace: text(&metric["Namespace"]),
        name: text(&metric["MetricName"]),
        dimensions: dimensions
            .map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"])))
            .collect(),
    }
}
