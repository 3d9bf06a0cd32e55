//! Consumption of a run, from CloudWatch metrics that exist locally and on AWS.

use anyhow::Context;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat};
use cost_model::Consumption;
use deployment::functions::{AUTHORIZER, CONSUMER};

use crate::harness::client_counts::TimeSpan;
use crate::harness::system_under_test::SystemUnderTest;

/// Period of the metrics, in milliseconds.
const MINUTE_MS: i64 = 60_000;

/// Reads the consumption in all minutes that overlap the span.
///
/// # Errors
/// Returns an error if a metric cannot be read.
pub async fn consumption(system: &SystemUnderTest, span: TimeSpan) -> anyhow::Result<Consumption> {
    let from_ms = span.from_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
    let sums = MetricSums { system, from_ms, to_ms: span.to_ms };
    let names = &system.meter.names;
    let table = |name: &String| ("AWS/DynamoDB", "TableName", name.clone());
    let [writes, reads] = ["ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"];
    let [usage, claims] = [&names.usage_table, &names.claims_table].map(table);
    let [consumer, authorizer] = [CONSUMER, AUTHORIZER]
        .map(|service| ("AWS/Lambda", "FunctionName", system.meter.names.function(service)));
    let stream = ("AWS/Kinesis", "StreamName", names.stream.clone());
    let log = ("AWS/Logs", "LogGroupName", names.access_log_group.clone());
    let mut key_reads = 0.0;
    for table in [&names.keys_table, &names.invalidations_table].map(table) {
        key_reads += sums.sum(&table, reads).await?;
    }
    Ok(Consumption {
        ledger_writes: sums.sum(&usage, writes).await?,
        claim_writes: sums.sum(&claims, writes).await?,
        reads: key_reads,
        log_bytes: sums.sum(&log, "IncomingBytes").await?,
        stream_records: sums.sum(&stream, "IncomingRecords").await?,
        stream_bytes: sums.sum(&stream, "IncomingBytes").await?,
        stream_bytes_read: sums.sum(&stream, "GetRecords.Bytes").await?,
        consumer_invocations: sums.sum(&consumer, "Invocations").await?,
        consumer_ms: sums.sum(&consumer, "Duration").await?,
        authorizer_invocations: sums.sum(&authorizer, "Invocations").await?,
        authorizer_ms: sums.sum(&authorizer, "Duration").await?,
    })
}

/// Sums of metrics over a span.
struct MetricSums<'s> {
    system: &'s SystemUnderTest,
    from_ms: i64,
    to_ms: i64,
}

impl MetricSums<'_> {
    async fn sum(
        &self,
        (namespace, dimension, value): &(&str, &str, String),
        metric: &str,
    ) -> anyhow::Result<f64> {
        let dimension = Dimension::builder().name(*dimension).value(value).build();
        let named = Metric::builder().namespace(*namespace).metric_name(metric).dimensions(dimension).build();
        let stat = MetricStat::builder().metric(named).period(60).stat("Sum").build();
        let query = MetricDataQuery::builder().id("sum").metric_stat(stat).build();
        let mut pages = self
            .system
            .cloudwatch
            .get_metric_data()
            .start_time(DateTime::from_millis(self.from_ms))
            .end_time(DateTime::from_millis(self.to_ms + MINUTE_MS))
            .metric_data_queries(query)
            .into_paginator()
            .send();
        let mut sum = 0.0;
        while let Some(page) = pages.next().await {
            let page =
                page.with_context(|| format!("cannot read the CloudWatch metric {namespace} {metric}"))?;
            sum += page.metric_data_results().iter().flat_map(MetricDataResult::values).sum::<f64>();
        }
        Ok(sum)
    }
}
