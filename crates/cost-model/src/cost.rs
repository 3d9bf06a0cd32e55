//! What it costs.

use crate::capacity::{Capacity, MONTH_S, Workload};
use crate::prices::Prices;

const HOURS_PER_MONTH: f64 = 730.0;
const GB: f64 = 1e9;
/// Metrics that alarms watch, without those of a canary; a test of the stack counts them.
pub const ALARM_METRICS: f64 = 31.0;
/// Metrics that a log group has of its own: all lines, and those that can be read.
const LOG_GROUP_METRICS: f64 = 2.0;
/// Bytes of a line of metrics.
const CONSUMER_LINE_BYTES: f64 = 1_500.0;
const AUTHORIZER_LINE_BYTES: f64 = 900.0;
const DECISIONS_PER_LINE: f64 = 100.0;
/// Lambda bills at least a millisecond.
const DECISION_S: f64 = 0.001;
/// Calls that one instance of the authorizer answers a second before Lambda starts another: the
/// most that is promised. Source: Lambda Developer Guide, "Lambda quotas", invocation requests.
const CALLS_PER_INSTANCE: f64 = 10.0;
/// How long an instance remembers a key, in seconds.
const CACHE_TTL_S: f64 = 30.0;
/// How often each line of the log is scanned to compare the totals of its hour: minutes that an hour's
/// lines are spread over, by those of an hour.
const READINGS_FOR_TOTALS: f64 = 80.0 / 60.0;
/// The same for the one hour of each day that is compared key by key: twice at most, one hour in 24.
const READINGS_FOR_KEYS: f64 = 2.0 * 80.0 / 60.0 / 24.0;
/// Keys of a day whose rows are read for that comparison; a read unit each.
const SAMPLED_HOURS_PER_MONTH: f64 = 30.0;
/// How long the access log is kept, and how well it compresses.
const LOG_RETENTION_MONTHS: f64 = 3.0;
const LOG_COMPRESSION: f64 = 0.15;
/// A row of the ledger for a day, and the claim of a call, in bytes with what DynamoDB adds.
const ROW_BYTES: f64 = 450.0;
const CLAIM_BYTES: f64 = 16.0;
const LEDGER_DAYS: f64 = 400.0;
/// 35 days for which a call is recognised, and seven for which its record may be tried again.
const CLAIM_S: f64 = 42.0 * 86_400.0;

/// Dollars a month, by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// The access log: taken in, kept, and read by the reconciliation with the rows it compares.
    pub access_log: f64,
    /// The stream.
    pub stream: f64,
    /// The consumer.
    pub consumer: f64,
    /// The authorizer, its reads included.
    pub authorizer: f64,
    /// Writes of the ledger.
    pub ledger_writes: f64,
    /// Writes of claims.
    pub claim_writes: f64,
    /// What the tables hold after 400 days.
    pub storage: f64,
    /// Metrics, alarms, dashboard, and the functions' logs.
    pub watching: f64,
}

impl Costs {
    /// All parts by name, in the order of the path of a call.
    pub fn parts(&self) -> [(&'static str, f64); 8] {
        [
            ("authorizer", self.authorizer),
            ("access log", self.access_log),
            ("stream", self.stream),
            ("consumer", self.consumer),
            ("ledger writes", self.ledger_writes),
            ("claim writes", self.claim_writes),
            ("storage", self.storage),
            ("watching", self.watching),
        ]
    }

    /// All together.
    pub fn total(&self) -> f64 {
        self.parts().iter().map(|(_, dollars)| dollars).sum()
    }
}

/// Prices a workload. What the API itself costs is not in it.
pub fn costs(workload: &Workload, capacity: &Capacity, prices: &Prices) -> Costs {
    let month = |rate: f64| rate * MONTH_S;
    let memory_gb = workload.memory_mib / 1_024.0;
    let log_gb = month(capacity.calls * workload.line_bytes) / GB;
    let invocation = prices.million_invocations / 1e6;
    let gb_seconds = month(capacity.invocations) * capacity.invocation_ms / 1e3 * memory_gb;
    Costs {
        access_log: prices.log(log_gb)
            + log_gb * LOG_RETENTION_MONTHS * LOG_COMPRESSION * prices.log_storage_gb_month
            + reconciliation(workload, capacity, prices, log_gb),
        stream: stream(capacity, prices),
        consumer: month(capacity.invocations) * invocation + gb_seconds * prices.gb_second,
        authorizer: authorizer(workload, capacity, prices, memory_gb),
        ledger_writes: month(capacity.ledger_writes) / 1e6 * prices.million_writes,
        claim_writes: month(capacity.claim_writes) / 1e6 * prices.million_writes,
        storage: stored_gb(workload, capacity) * prices.table_gb_month,
        watching: watching(workload, capacity, prices),
    }
}

/// What the hourly comparison scans and reads.
fn reconciliation(workload: &Workload, capacity: &Capacity, prices: &Prices, log_gb: f64) -> f64 {
    let sampled_keys = workload.keys.min(capacity.calls * 3_600.0);
    let reads = SAMPLED_HOURS_PER_MONTH * sampled_keys;
    log_gb * (READINGS_FOR_TOTALS + READINGS_FOR_KEYS) * prices.insights_gb
        + reads / 1e6 * prices.million_reads
}

/// Metrics, alarms, the dashboard, and the functions' lines of metrics.
fn watching(workload: &Workload, capacity: &Capacity, prices: &Prices) -> f64 {
    let line_bytes = capacity.invocations * CONSUMER_LINE_BYTES
        + capacity.calls / DECISIONS_PER_LINE * AUTHORIZER_LINE_BYTES;
    (workload.metrics + LOG_GROUP_METRICS) * prices.metric_month
        + ALARM_METRICS * prices.alarm_metric_month
        + prices.dashboard_month
        + prices.log(line_bytes * MONTH_S / GB)
}

fn stream(capacity: &Capacity, prices: &Prices) -> f64 {
    let records = capacity.records * MONTH_S;
    if capacity.is_provisioned {
        let units = (capacity.record_bytes / 25_000.0).ceil();
        return capacity.shards * HOURS_PER_MONTH * prices.shard_hour
            + records * units / 1e6 * prices.million_put_units;
    }
    let put_gb = records * (capacity.record_bytes / 1_024.0).ceil() * 1_024.0 / GB;
    let read_gb = records * capacity.record_bytes / GB;
    HOURS_PER_MONTH * prices.stream_hour + put_gb * prices.stream_gb_in + read_gb * prices.stream_gb_out
}

fn authorizer(workload: &Workload, capacity: &Capacity, prices: &Prices, memory_gb: f64) -> f64 {
    let instances = (capacity.calls / CALLS_PER_INSTANCE).max(1.0);
    // Each instance reads the log once a second while it is called, and each of its keys once in its lifetime,
    // with the month's usage where the key has a limit: the most is that all have one.
    let log_reads = instances.min(capacity.calls);
    let key_reads = 2.0 * (workload.keys * instances / CACHE_TTL_S).min(capacity.calls);
    let each = prices.million_invocations / 1e6 + DECISION_S * memory_gb * prices.gb_second;
    MONTH_S * (capacity.calls * each + (log_reads + key_reads) / 1e6 * prices.million_reads)
}

fn stored_gb(workload: &Workload, capacity: &Capacity) -> f64 {
    let rows_a_day = (workload.keys * capacity.shards).min(capacity.ledger_writes * 86_400.0);
    (rows_a_day * LEDGER_DAYS * ROW_BYTES + capacity.calls * CLAIM_S * CLAIM_BYTES) / GB
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::LIST_PRICES;

    fn of(workload: &Workload) -> Costs {
        costs(workload, &Capacity::of(workload), &LIST_PRICES)
    }

    #[test]
    fn a_figure_is_what_one_gets_by_hand() {
        let workload = Workload::new(1e9, 5_000.0);
        let capacity = Capacity::of(&workload);
        let costs = of(&workload);
        // 1e9 lines of 209 bytes: 209 GB, scanned 1.33 times and 0.11 times more; 150,000 rows are read.
        let log = 209.0 * (0.50 + 3.0 * 0.15 * 0.03 + (4.0 / 3.0 + 1.0 / 9.0) * 0.005) + 0.15 * 0.125;
        assert!((costs.access_log - log).abs() < 0.01, "{costs:?}");
        let claims = capacity.claim_writes * MONTH_S / 1e6 * 0.625;
        assert!((costs.claim_writes - claims).abs() < 0.01, "{costs:?}");
    }

    #[test]
    fn a_longer_window_costs_less_and_more_keys_cost_more() {
        let short = of(&Workload::new(1e9, 50.0));
        let long = of(&Workload { batch_window_s: 30.0, ..Workload::new(1e9, 50.0) });
        assert!(long.ledger_writes < short.ledger_writes / 3.0);
        assert!(of(&Workload::new(1e9, 5e5)).total() > short.total());
    }

    #[test]
    fn the_parts_make_the_whole() {
        let costs = of(&Workload::new(1e8, 5_000.0));
        assert!((costs.total() - costs.parts().iter().map(|(_, part)| part).sum::<f64>()).abs() < 1e-9);
    }
}
