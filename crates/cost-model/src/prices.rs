//! List prices.

/// Prices in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Where and when they hold.
    pub of: &'static str,
    /// CloudWatch Logs: a GB taken in. Source: CloudWatch pricing.
    pub log_gb: f64,
    /// CloudWatch Logs Insights: a GB scanned. Source: CloudWatch pricing.
    pub insights_gb: f64,
    /// CloudWatch Logs: a GB kept for a month, compressed. Source: CloudWatch pricing.
    pub log_storage_gb_month: f64,
    /// CloudWatch: a metric of one's own, a month. Source: CloudWatch pricing.
    pub metric_month: f64,
    /// CloudWatch: a metric in an alarm, a month. Source: CloudWatch pricing.
    pub alarm_metric_month: f64,
    /// CloudWatch: a dashboard, a month. Source: CloudWatch pricing.
    pub dashboard_month: f64,
    /// Kinesis, provisioned: an hour of a shard. Source: Kinesis Data Streams pricing.
    pub shard_hour: f64,
    /// Kinesis, provisioned: a million units of 25 KB put. Source: Kinesis Data Streams pricing.
    pub million_put_units: f64,
    /// Kinesis, on demand: an hour of a stream. Source: Kinesis Data Streams pricing.
    pub stream_hour: f64,
    /// Kinesis, on demand: a GB put, records rounded up to 1 KB. Source: Kinesis Data Streams pricing.
    pub stream_gb_in: f64,
    /// Kinesis, on demand: a GB read. Source: Kinesis Data Streams pricing.
    pub stream_gb_out: f64,
    /// Lambda: a million invocations. Source: Lambda pricing.
    pub million_invocations: f64,
    /// Lambda: a GB-second on arm64. Source: Lambda pricing.
    pub gb_second: f64,
    /// DynamoDB, on demand: a million write units. Source: DynamoDB pricing.
    pub million_writes: f64,
    /// DynamoDB, on demand: a million read units. Source: DynamoDB pricing.
    pub million_reads: f64,
    /// DynamoDB: a GB kept for a month, with its backup for recovery. Source: DynamoDB pricing.
    pub table_gb_month: f64,
}

/// The list prices of us-east-1, first tier, no free tier, no commitment.
/// DynamoDB's on-demand prices hold since 2024-11-01; the others were the same
/// throughout 2025. Compare them with the bill before relying on them.
pub const LIST_PRICES: Prices = Prices {
    of: "us-east-1, 2025, DynamoDB since 2024-11-01",
    log_gb: 0.50,
    insights_gb: 0.005,
    log_storage_gb_month: 0.03,
    metric_month: 0.30,
    alarm_metric_month: 0.10,
    dashboard_month: 3.00,
    shard_hour: 0.015,
    million_put_units: 0.014,
    stream_hour: 0.04,
    stream_gb_in: 0.08,
    stream_gb_out: 0.04,
    million_invocations: 0.20,
    gb_second: 0.000_013_333_4,
    million_writes: 0.625,
    million_reads: 0.125,
    table_gb_month: 0.25 + 0.20,
};
