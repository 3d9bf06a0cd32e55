//! The subject of the checks: a system, its access log and a span of time.

use anyhow::Context;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat};
use deployment::names::METRIC_NAMESPACE;
use metering_aws::CallLog;
use metering_aws::call_log::probe::CountedTwice;
use metering_core::window::DAY_MS;
use tokio::sync::OnceCell;

use super::MINUTE_MS;
use crate::target::Target;

/// A system, its access log and the span of time to check.
pub struct Subject {
    pub target: Target,
    pub log: CallLog,
    /// Start of the span, in milliseconds since 1970, a whole second.
    pub from_ms: i64,
    /// End of the span, in milliseconds since 1970, a whole second.
    pub to_ms: i64,
    /// Present time, in milliseconds since 1970.
    pub now_ms: i64,
    /// Result of both counts. It is queried once, because Insights is billed by the scanned bytes.
    counted: OnceCell<CountedTwice>,
}

impl Subject {
    /// Creates the subject of a span between two whole seconds.
    pub fn new(target: Target, log: CallLog, from_ms: i64, to_ms: i64, now_ms: i64) -> Self {
        Self { target, log, from_ms, to_ms, now_ms, counted: OnceCell::new() }
    }

    /// Returns the calls of the span, counted by hour and without hours.
    pub async fn counted_twice(&self) -> anyhow::Result<CountedTwice> {
        let count = || self.log.count_twice(self.from_ms, self.to_ms);
        self.counted.get_or_try_init(count).await.copied().context("the access log cannot be queried")
    }

    /// Returns the sum of a metric of the function `service` over the span.
    pub async fn sum_of_function(&self, service: &str, metric: &str) -> anyhow::Result<f64> {
        Ok(self.of_function(service, metric, "Sum").await?.iter().sum())
    }

    /// Returns a metric of the function `service` for each minute of the span.
    pub async fn of_function(
        &self,
        service: &str,
        metric: &str,
        statistic: &str,
    ) -> anyhow::Result<Vec<f64>> {
        let dimensions =
            [("Environment", self.target.meter.names.environment.as_str()), ("Service", service)];
        self.metric((METRIC_NAMESPACE, metric), &dimensions, statistic, self.from_ms).await
    }

    /// Returns the sum of a metric of AWS, given by namespace and name, over the span.
    pub async fn sum(&self, named: (&str, &str), dimension: (&str, &str)) -> anyhow::Result<f64> {
        Ok(self.metric(named, &[dimension], "Sum", self.from_ms).await?.iter().sum())
    }

    /// Returns the sum of a metric of the metric filters from `from_ms` on.
    pub async fn lines(&self, metric: &str, from_ms: i64) -> anyhow::Result<f64> {
        let name = format!("{metric}-{}", self.target.meter.names.environment);
        Ok(self.metric((METRIC_NAMESPACE, &name), &[], "Sum", from_ms).await?.iter().sum())
    }

    /// Returns the time 24 hours ago, in milliseconds since 1970.
    pub fn day_ago_ms(&self) -> i64 {
        self.now_ms - DAY_MS
    }

    /// Reads the values of a metric for each minute.
    async fn metric(
        &self,
        (namespace, metric): (&str, &str),
        dimensions: &[(&str, &str)],
        statistic: &str,
        from_ms: i64,
    ) -> anyhow::Result<Vec<f64>> {
        let dimensions =
            dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
        let named = Metric::builder().namespace(namespace).metric_name(metric);
        let named = named.set_dimensions(Some(dimensions.collect())).build();
        let stat = MetricStat::builder().metric(named).period(60).stat(statistic).build();
        let mut pages = self
            .target
            .cloudwatch
            .get_metric_data()
            // CloudWatch stores the metrics by the minute.
            .start_time(DateTime::from_millis(from_ms.div_euclid(MINUTE_MS) * MINUTE_MS))
            .end_time(DateTime::from_millis(self.now_ms + MINUTE_MS))
            .metric_data_queries(MetricDataQuery::builder().id("values").metric_stat(stat).build())
            .into_paginator()
            .send();
        let mut values = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("the metric {namespace} {metric} cannot be read"))?;
            values.extend(page.metric_data_results().iter().flat_map(MetricDataResult::values));
        }
        Ok(values)
    }
}
