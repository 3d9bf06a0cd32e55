//! The subject of the checks: a system, its access log and a span of time.

use anyhow::Context;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat};
use lambda_support::telemetry::NAMESPACE;
use metering_aws::CallLog;
use metering_aws::call_log::probe::CountedTwice;
use metering_core::window::DAY_MS;
use tokio::sync::OnceCell;

use super::MINUTE_MS;
use crate::target::Target;

/// A system, its access log and the span of time to check.
pub struct Subject {
    /// The system.
    pub target: Target,
    /// Its access log.
    pub log: CallLog,
    /// Start of the span, in milliseconds since 1970, a whole second.
    pub from_ms: i64,
    /// End of the span, in milliseconds since 1970, a whole second.
    pub to_ms: i64,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// The result of both counts, queried once: Insights costs by the bytes scanned.
    counted: OnceCell<CountedTwice>,
}

impl Subject {
    /// A system and a span between two whole seconds.
    pub fn new(target: Target, log: CallLog, from_ms: i64, to_ms: i64, now_ms: i64) -> Self {
        Self { target, log, from_ms, to_ms, now_ms, counted: OnceCell::new() }
    }

    /// The calls of the span, with and without hours.
    pub async fn counted_twice(&self) -> anyhow::Result<CountedTwice> {
        let ask = || self.log.count_twice(self.from_ms, self.to_ms);
        self.counted.get_or_try_init(ask).await.copied().context("the access log cannot be asked")
    }

    /// The sum of a metric of the function `service` over the span.
    pub async fn sum_of_function(&self, service: &str, metric: &str) -> anyhow::Result<f64> {
        Ok(self.of_function(service, metric, "Sum").await?.iter().sum())
    }

    /// A metric of the function `service` over the span, minute by minute.
    pub async fn of_function(
        &self,
        service: &str,
        metric: &str,
        statistic: &str,
    ) -> anyhow::Result<Vec<f64>> {
        let dimensions = [("Environment", self.target.environment.as_str()), ("Service", service)];
        self.metric((NAMESPACE, metric), &dimensions, statistic, self.from_ms).await
    }

    /// The sum of a metric of AWS over the span.
    pub async fn sum(&self, named: (&str, &str), dimension: (&str, &str)) -> anyhow::Result<f64> {
        Ok(self.metric(named, &[dimension], "Sum", self.from_ms).await?.iter().sum())
    }

    /// The sum of a metric that metric filters make of the access log, from a time on.
    pub async fn lines(&self, metric: &str, from_ms: i64) -> anyhow::Result<f64> {
        let name = format!("{metric}-{}", self.target.environment);
        Ok(self.metric((NAMESPACE, &name), &[], "Sum", from_ms).await?.iter().sum())
    }

    /// The start of the last day.
    pub fn day_ago_ms(&self) -> i64 {
        self.now_ms - DAY_MS
    }

    /// The values of a metric, minute by minute.
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
            // Metrics are kept by the minute.
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
