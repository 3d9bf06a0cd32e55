//! What a run consumed, as CloudWatch tells it: the same metrics locally and on AWS.

use anyhow::Context;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat};
use cost_model::Consumption;

use crate::harness::target::Target;

/// CloudWatch keeps minutes.
const MINUTE_MS: i64 = 60_000;

/// Asks for everything in the minutes of `from_ms..to_ms`.
///
/// # Errors
/// When CloudWatch does not answer.
pub async fn consumed(target: &Target, from_ms: i64, to_ms: i64) -> anyhow::Result<Consumption> {
    let from_ms = from_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
    let sums = Sums { target, from_ms, to_ms };
    let names = &target.names;
    let table = |name: &String| ("AWS/DynamoDB", "TableName", name.clone());
    let [writes, reads] = ["ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"];
    let [usage, claims] = [&names.usage_table, &names.claims_table].map(table);
    let [consumer, authorizer] = ["usage-consumer", "api-authorizer"]
        .map(|service| ("AWS/Lambda", "FunctionName", target.function(service)));
    let stream = ("AWS/Kinesis", "StreamName", names.stream.clone());
    let log = ("AWS/Logs", "LogGroupName", names.access_log_group.clone());
    let mut key_reads = 0.0;
    for table in [&names.keys_table, &names.invalidations_table].map(table) {
        key_reads += sums.of(&table, reads).await?;
    }
    Ok(Consumption {
        ledger_writes: sums.of(&usage, writes).await?,
        claim_writes: sums.of(&claims, writes).await?,
        reads: key_reads,
        log_bytes: sums.of(&log, "IncomingBytes").await?,
        stream_records: sums.of(&stream, "IncomingRecords").await?,
        stream_bytes: sums.of(&stream, "IncomingBytes").await?,
        stream_bytes_read: sums.of(&stream, "GetRecords.Bytes").await?,
        consumer_invocations: sums.of(&consumer, "Invocations").await?,
        consumer_ms: sums.of(&consumer, "Duration").await?,
        authorizer_invocations: sums.of(&authorizer, "Invocations").await?,
        authorizer_ms: sums.of(&authorizer, "Duration").await?,
    })
}

struct Sums<'t> {
    target: &'t Target,
    from_ms: i64,
    to_ms: i64,
}

impl Sums<'_> {
    async fn of(
        &self,
        (namespace, dimension, value): &(&str, &str, String),
        metric: &str,
    ) -> anyhow::Result<f64> {
        let dimension = Dimension::builder().name(*dimension).value(value).build();
        let named = Metric::builder().namespace(*namespace).metric_name(metric).dimensions(dimension).build();
        let stat = MetricStat::builder().metric(named).period(60).stat("Sum").build();
        let query = MetricDataQuery::builder().id("sum").metric_stat(stat).build();
        let mut pages = self
            .target
            .cloudwatch
            .get_metric_data()
            .start_time(DateTime::from_millis(self.from_ms))
            .end_time(DateTime::from_millis(self.to_ms + MINUTE_MS))
            .metric_data_queries(query)
            .into_paginator()
            .send();
        let mut sum = 0.0;
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("CloudWatch does not tell {namespace} {metric}"))?;
            sum += page.metric_data_results().iter().flat_map(MetricDataResult::values).sum::<f64>();
        }
        Ok(sum)
    }
}
