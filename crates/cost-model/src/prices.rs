//! List prices of AWS.

/// Processor architecture of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// arm64, which `deploy.sh` prefers if Rust has the target.
    Arm64,
    /// x86_64.
    X86_64,
}

/// A price tier of log ingestion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogTier {
    /// Upper bound of the tier, in GB per month.
    pub up_to_gb: f64,
    /// Dollars per GB.
    pub dollars: f64,
}

impl Prices {
    /// Returns the ingestion cost of a month's log data, in dollars.
    pub fn log(&self, gb: f64) -> f64 {
        let mut from_gb = 0.0;
        let mut dollars = 0.0;
        for tier in self.log_gb {
            dollars += (gb.min(tier.up_to_gb) - from_gb).max(0.0) * tier.dollars;
            from_gb = tier.up_to_gb;
        }
        dollars
    }

    /// Returns the price of a GB-second of a function, in dollars.
    pub const fn gb_second_on(&self, architecture: Architecture) -> f64 {
        match architecture {
            Architecture::Arm64 => self.gb_second,
            Architecture::X86_64 => self.gb_second_x86_64,
        }
    }

    /// Returns the description and the dollars of each price that has no tiers.
    pub const fn list(&self) -> [(&'static str, f64); 18] {
        [
            ("CloudWatch Logs Insights: a GB scanned", self.insights_gb),
            ("CloudWatch Logs: a GB kept for a month, compressed", self.log_storage_gb_month),
            ("CloudWatch: a custom metric, a month", self.metric_month),
            ("CloudWatch: a metric in an alarm, a month", self.alarm_metric_month),
            ("CloudWatch: a dashboard, a month", self.dashboard_month),
            ("Kinesis, provisioned: an hour of a shard", self.shard_hour),
            ("Kinesis, provisioned: a million units of 25 KB put", self.million_put_units),
            ("Kinesis, On-demand Standard: an hour of a stream", self.stream_hour),
            ("Kinesis, On-demand Standard: a GB put, records rounded up to 1 KB", self.stream_gb_in),
            ("Kinesis, On-demand Standard: a GB read", self.stream_gb_out),
            ("Kinesis, On-demand Advantage: share of the on-demand price of a GB", self.advantage_share),
            ("Lambda: a million invocations", self.million_invocations),
            ("Lambda: a GB-second on arm64", self.gb_second),
            ("Lambda: a GB-second on x86_64", self.gb_second_x86_64),
            ("DynamoDB, on demand: a million write units", self.million_writes),
            ("DynamoDB, on demand: a million read units", self.million_reads),
            ("DynamoDB: a GB kept for a month", self.table_gb_month),
            ("DynamoDB: a GB of backup for recovery, a month", self.backup_gb_month),
        ]
    }
}

/// Prices in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// The region and time for which the prices are valid.
    pub valid_for: &'static str,
    /// CloudWatch Logs: a GB ingested, by the GB of the month. The access
    /// logs of API Gateway are vended logs, and so are Lambda's since 2025-05-01:
    /// both count towards the same tiers. Source: CloudWatch Logs User Guide,
    /// "Enable logging from AWS services"; AWS Compute Blog, 2025-05-01, tiered
    /// pricing of Lambda's logs; CloudWatch pricing, "Vended Logs".
    pub log_gb: [LogTier; 4],
    /// CloudWatch Logs Insights: a GB scanned. Source: CloudWatch pricing.
    pub insights_gb: f64,
    /// CloudWatch Logs: a GB kept for a month, compressed. Source: CloudWatch pricing.
    pub log_storage_gb_month: f64,
    /// CloudWatch: a custom metric, a month. Source: CloudWatch pricing.
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
    /// Kinesis, On-demand Advantage: the price of a GB put or read, as a share of
    /// its on-demand price. The stream then has no price by the hour. Source:
    /// Kinesis Developer Guide, "Choose the right mode": at least 60 % lower.
    pub advantage_share: f64,
    /// Lambda: a million invocations. Source: Lambda pricing.
    pub million_invocations: f64,
    /// Lambda: a GB-second on arm64. Source: Lambda pricing.
    pub gb_second: f64,
    /// Lambda: a GB-second on x86_64. Source: Lambda pricing.
    pub gb_second_x86_64: f64,
    /// DynamoDB, on demand: a million write units. Source: DynamoDB pricing.
    pub million_writes: f64,
    /// DynamoDB, on demand: a million read units. Source: DynamoDB pricing.
    pub million_reads: f64,
    /// DynamoDB: a GB kept for a month. Source: DynamoDB pricing.
    pub table_gb_month: f64,
    /// DynamoDB: a GB of the backup for point-in-time recovery, a month. Source: DynamoDB pricing.
    pub backup_gb_month: f64,
}

/// The list prices of us-east-1, without free tier and commitments, and of the first tier except for logs.
/// DynamoDB's on-demand prices are valid since 2024-11-01; the others were the same
/// throughout 2025. Compare them with the bill before relying on them.
pub const LIST_PRICES: Prices = Prices {
    valid_for: "us-east-1, 2025, DynamoDB since 2024-11-01",
    log_gb: [
        LogTier { up_to_gb: 10_000.0, dollars: 0.50 },
        LogTier { up_to_gb: 30_000.0, dollars: 0.25 },
        LogTier { up_to_gb: 50_000.0, dollars: 0.10 },
        LogTier { up_to_gb: f64::INFINITY, dollars: 0.05 },
    ],
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
    advantage_share: 0.4,
    gb_second: 0.000_013_333_4,
    gb_second_x86_64: 0.000_016_666_7,
    million_writes: 0.625,
    million_reads: 0.125,
    table_gb_month: 0.25,
    backup_gb_month: 0.20,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gb_of_log_has_the_price_of_its_tier() {
        for (gb, dollars) in
            [(0.0, 0.0), (1.0, 0.5), (10_000.0, 5_000.0), (30_000.0, 10_000.0), (51_000.0, 12_050.0)]
        {
            assert!((LIST_PRICES.log(gb) - dollars).abs() < 1e-6, "{gb}");
        }
    }
}
