//! The cost of a workload, part by part.

use deployment::settings;

use crate::capacity::{Capacity, MONTH_S};
use crate::prices::{Architecture, Prices};
use crate::workload::Workload;

const HOURS_PER_MONTH: f64 = 730.0;
const GB: f64 = 1e9;
/// Number of metrics in alarms of a meter that only counts. A test of the stack checks it.
pub const ALARM_METRICS: f64 = 25.0;
/// Number of metrics in the alarms of the authorizer and the invalidation log. A test of the stack checks it.
pub const AUTHORIZER_ALARM_METRICS: f64 = 8.0;
/// Number of metrics of the authorizer that have values while nothing is wrong. A test checks it.
pub const AUTHORIZER_METRICS: f64 = 4.0;
/// Number of metrics from metric filters of a log group: all lines and readable lines.
const LOG_GROUP_METRICS: f64 = 2.0;
/// Bytes of a metric line of the consumer.
const CONSUMER_LINE_BYTES: f64 = 1_500.0;
/// Bytes of a metric line of the authorizer.
const AUTHORIZER_LINE_BYTES: f64 = 900.0;
/// Number of decisions that one metric line of the authorizer covers.
const DECISIONS_PER_LINE: f64 = 100.0;
/// Billed duration of a decision, in seconds. Lambda bills at least a millisecond.
const DECISION_S: f64 = 0.001;
/// Calls per second that one instance of the authorizer answers: the maximum that Lambda promises
/// for an execution environment. Source: Lambda Developer Guide, "Lambda quotas", invocation requests.
const CALLS_PER_INSTANCE: f64 = 10.0;
/// Reads per second that the one partition of the invalidation log serves. Other
/// instances read the key of each call instead. Source: DynamoDB Developer Guide,
/// "Best practices for designing and using partition keys effectively".
const INVALIDATION_READS_PER_S: f64 = 3_000.0;
/// Lifetime of an instance, in seconds. An assumption: AWS states nothing.
const INSTANCE_LIFE_S: f64 = 7_200.0;
/// Average number of days of the month whose rows are read for the usage of a key.
const MONTH_DAYS_READ: f64 = 15.5;
/// Number of days whose rows are read for the usage of a key after the earlier days are known.
const USAGE_DAYS_READ: f64 = 2.0;
/// Bytes of a read unit. An eventually consistent read costs half a unit. Source:
/// DynamoDB Developer Guide, "Read and write capacity".
const READ_UNIT_BYTES: f64 = 4_096.0;
/// Time for which an instance caches a key and its usage, in seconds.
const CACHE_TTL_S: f64 = 30.0;
/// Number of times that each line of the log is scanned to compare totals: the minutes that the query of an
/// hour covers, divided by 60.
const READINGS_FOR_TOTALS: f64 = 80.0 / 60.0;
/// The same for the comparison key by key: one hour in 24, at most twice.
const READINGS_FOR_KEYS: f64 = 2.0 * 80.0 / 60.0 / 24.0;
/// Number of hours per month that are compared key by key, with a query and a read unit for each key.
const SAMPLED_HOURS_PER_MONTH: f64 = 30.0;
/// Minimum rate that On-demand Advantage bills for writing and for reading, in
/// bytes per second. AWS names 10 MiB/s as the break-even rate, which is this
/// minimum at 40 % of the price. Source: AWS Big Data Blog, launch of On-demand Advantage.
const ADVANTAGE_MIN_BYTES_PER_S: f64 = 25.0 * 1_048_576.0;
/// Number of metrics of a canary. A test checks it.
pub const CANARY_METRICS: f64 = 3.0;
/// Number of metrics in the alarms of a canary.
pub const CANARY_ALARM_METRICS: f64 = 3.0;
/// Runs of a canary per month, one a minute.
const CANARY_RUNS: f64 = HOURS_PER_MONTH * 60.0;
/// Time for which a run waits until its call is counted, in seconds: delivery and a batch window. An assumption.
const CANARY_WAIT_S: f64 = 25.0;
const CANARY_MEMORY_GB: f64 = 0.125;
/// Retention of the access log, in months.
const LOG_RETENTION_MONTHS: f64 = 3.0;
/// Ratio of compressed to original bytes of the access log.
const LOG_COMPRESSION: f64 = 0.15;
/// Bytes of a ledger row, including DynamoDB's overhead.
const ROW_BYTES: f64 = 480.0;
/// Bytes of the claim of a call, including DynamoDB's overhead.
const CLAIM_BYTES: f64 = 16.0;
const LEDGER_DAYS: f64 = settings::USAGE_RETENTION_DAYS as f64;
/// Retention of claims, in seconds: the time for which a call is recognised, and seven days of retries.
const CLAIM_S: f64 = (settings::CLAIM_RETENTION_DAYS + 7) as f64 * 86_400.0;

/// Cost in dollars a month, by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// The access log: ingestion, storage, and the reads of the reconciliation.
    pub access_log: f64,
    /// The Kinesis stream.
    pub stream: f64,
    /// Invocations of the consumer.
    pub consumer: f64,
    /// Invocations of the authorizer, its reads of keys and of the invalidation log, its metrics and
    /// alarms. A meter that only counts does not have them.
    pub authorizer: f64,
    /// The authorizer's reads of usage, if every key has a limit, which is an upper bound.
    pub limits: f64,
    /// Writes to the ledger.
    pub ledger_writes: f64,
    /// Writes of claims.
    pub claim_writes: f64,
    /// Storage of the tables after 400 days.
    pub storage: f64,
    /// Metrics, alarms, dashboard, and the functions' logs.
    pub monitoring: f64,
}

impl Costs {
    /// Returns the name and the dollars of each part, in the order of a call's path.
    pub fn parts(&self) -> [(&'static str, f64); 9] {
        [
            ("authorizer", self.authorizer),
            ("key limits", self.limits),
            ("access log", self.access_log),
            ("stream", self.stream),
            ("consumer", self.consumer),
            ("ledger writes", self.ledger_writes),
            ("claim writes", self.claim_writes),
            ("storage", self.storage),
            ("monitoring", self.monitoring),
        ]
    }

    /// Returns the sum of all parts.
    pub fn total(&self) -> f64 {
        self.parts().iter().map(|(_, dollars)| dollars).sum()
    }
}

/// Computes the cost of a workload, without the charge of API Gateway itself.
///
/// ```
/// use cost_model::{Capacity, LIST_PRICES, Workload, costs};
///
/// let dollars = |workload: Workload| {
///     let capacity = Capacity::from_workload(&workload);
///     costs(&workload, &capacity, &LIST_PRICES).ledger_writes
/// };
/// // A longer batch window makes fewer writes.
/// let of_window = |batch_window_s| dollars(Workload { batch_window_s, ..Workload::new(1e9, 50.0) });
/// assert!(of_window(30.0) < of_window(5.0) / 5.0);
/// ```
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
        consumer: month(capacity.invocations) * invocation
            + gb_seconds * prices.gb_second_on(workload.architecture),
        authorizer: authorizer(workload, capacity, prices, memory_gb)
            + AUTHORIZER_METRICS * prices.metric_month
            + AUTHORIZER_ALARM_METRICS * prices.alarm_metric_month
            + more_logs(capacity.calls / DECISIONS_PER_LINE * AUTHORIZER_LINE_BYTES, prices, log_gb),
        limits: month(usage_reads(workload, capacity)) / 1e6 * prices.million_reads,
        ledger_writes: month(capacity.ledger_writes) / 1e6 * prices.million_writes,
        claim_writes: month(capacity.claim_writes) / 1e6 * prices.million_writes,
        storage: stored_gb(workload, capacity) * (prices.table_gb_month + prices.backup_gb_month),
        monitoring: monitoring(workload, capacity, prices, log_gb),
    }
}

/// Cost of the scans and reads of the hourly comparison.
fn reconciliation(workload: &Workload, capacity: &Capacity, prices: &Prices, log_gb: f64) -> f64 {
    let sampled_keys = workload.keys.min(capacity.calls * 3_600.0);
    let reads = SAMPLED_HOURS_PER_MONTH * sampled_keys;
    log_gb * (READINGS_FOR_TOTALS + READINGS_FOR_KEYS) * prices.insights_gb
        + reads / 1e6 * prices.million_reads
}

/// Cost of metrics, alarms, dashboard and metric lines, without the authorizer's. The lines are billed
/// in the log tiers above the access log.
fn monitoring(workload: &Workload, capacity: &Capacity, prices: &Prices, log_gb: f64) -> f64 {
    (workload.metrics + LOG_GROUP_METRICS) * prices.metric_month
        + ALARM_METRICS * prices.alarm_metric_month
        + prices.dashboard_month
        + more_logs(capacity.invocations * CONSUMER_LINE_BYTES, prices, log_gb)
}

/// Cost of lines, in bytes per second, in addition to those of the access log.
fn more_logs(bytes: f64, prices: &Prices, log_gb: f64) -> f64 {
    prices.log(log_gb + bytes * MONTH_S / GB) - prices.log(log_gb)
}

/// Computes the cost of a canary in dollars a month: its function, metrics and
/// alarms. Its calls cost as much as other calls.
pub fn canary(architecture: Architecture, prices: &Prices) -> f64 {
    CANARY_METRICS * prices.metric_month
        + CANARY_ALARM_METRICS * prices.alarm_metric_month
        + CANARY_RUNS * prices.million_invocations / 1e6
        + CANARY_RUNS * CANARY_WAIT_S * CANARY_MEMORY_GB * prices.gb_second_on(architecture)
}

/// Computes the cost of the stream in dollars a month if the account has On-demand
/// Advantage, which has a minimum charge.
pub fn advantage(capacity: &Capacity, prices: &Prices) -> f64 {
    let min_gb = ADVANTAGE_MIN_BYTES_PER_S * MONTH_S / GB;
    let (put_gb, read_gb) = stream_gb(capacity);
    prices.advantage_share
        * (put_gb.max(min_gb) * prices.stream_gb_in + read_gb.max(min_gb) * prices.stream_gb_out)
}

fn stream(capacity: &Capacity, prices: &Prices) -> f64 {
    if capacity.is_provisioned {
        let records = capacity.records * MONTH_S;
        let units = (capacity.record_bytes / 25_000.0).ceil();
        return capacity.shards * HOURS_PER_MONTH * prices.shard_hour
            + records * units / 1e6 * prices.million_put_units;
    }
    let (put_gb, read_gb) = stream_gb(capacity);
    HOURS_PER_MONTH * prices.stream_hour + put_gb * prices.stream_gb_in + read_gb * prices.stream_gb_out
}

/// GB per month that are put on an on-demand stream, with records rounded up to a KB, and that are read from it.
fn stream_gb(capacity: &Capacity) -> (f64, f64) {
    let records = capacity.records * MONTH_S;
    let put_bytes = (capacity.record_bytes / 1_024.0).ceil() * 1_024.0;
    (records * put_bytes / GB, records * capacity.record_bytes / GB)
}

fn authorizer(workload: &Workload, capacity: &Capacity, prices: &Prices, memory_gb: f64) -> f64 {
    let decision = prices.million_invocations / 1e6
        + DECISION_S * memory_gb * prices.gb_second_on(workload.architecture);
    let reads = authorizer_reads(workload, capacity);
    MONTH_S * (capacity.calls * decision + reads / 1e6 * prices.million_reads)
}

/// Number of instances of the authorizer.
fn instances(capacity: &Capacity) -> f64 {
    (capacity.calls / CALLS_PER_INSTANCE).max(1.0)
}

/// Reads of keys per second by all instances. An instance that is called with a
/// key reads it again when its cached copy expires.
fn renewals(workload: &Workload, capacity: &Capacity) -> f64 {
    (workload.keys * instances(capacity) / CACHE_TTL_S).min(capacity.calls)
}

/// Read units per second of the authorizer for keys and the invalidation log.
///
/// Each instance that is called reads the log once a second. Instances that the
/// log's partition cannot serve read the key of each call.
fn authorizer_reads(workload: &Workload, capacity: &Capacity) -> f64 {
    let wanted = instances(capacity).min(capacity.calls);
    let log_reads = wanted.min(INVALIDATION_READS_PER_S);
    let served = log_reads / wanted;
    log_reads + served * renewals(workload, capacity) + (1.0 - served) * capacity.calls
}

/// Read units per second of the authorizer for the usage of keys. An instance adds
/// up the whole month when it first sees a key, and later only the last two days.
fn usage_reads(workload: &Workload, capacity: &Capacity) -> f64 {
    let rows_of_key = rows_a_day(workload, capacity) / workload.keys;
    let units = |days: f64| (days * rows_of_key * ROW_BYTES / READ_UNIT_BYTES).ceil() / 2.0;
    let renewals = renewals(workload, capacity);
    let (pairs, life_s) = (workload.keys * instances(capacity), INSTANCE_LIFE_S);
    let first_seen = pairs * -(-capacity.calls * life_s / pairs).exp_m1() / life_s;
    let first = first_seen.min(renewals);
    first * units(MONTH_DAYS_READ) + (renewals - first) * units(USAGE_DAYS_READ)
}

/// Number of ledger rows per day: one for each key and shard, or fewer if keys have fewer calls.
fn rows_a_day(workload: &Workload, capacity: &Capacity) -> f64 {
    (workload.keys * capacity.shards).min(capacity.ledger_writes * 86_400.0)
}

fn stored_gb(workload: &Workload, capacity: &Capacity) -> f64 {
    let ledger_bytes = rows_a_day(workload, capacity) * LEDGER_DAYS * ROW_BYTES;
    (ledger_bytes + capacity.calls * CLAIM_S * CLAIM_BYTES) / GB
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::LIST_PRICES;

    fn costs_of(workload: &Workload) -> Costs {
        costs(workload, &Capacity::from_workload(workload), &LIST_PRICES)
    }

    #[test]
    fn a_figure_is_what_one_gets_by_hand() {
        let workload = Workload::new(1e9, 5_000.0);
        let capacity = Capacity::from_workload(&workload);
        let costs = costs_of(&workload);
        // 1e9 lines of 244 bytes: 244 GB, scanned 1.33 times and 0.11 times more; 150,000 rows are read.
        let log = 244.0 * (0.50 + 3.0 * 0.15 * 0.03 + (4.0 / 3.0 + 1.0 / 9.0) * 0.005) + 0.15 * 0.125;
        assert!((costs.access_log - log).abs() < 0.01, "{costs:?}");
        let claims = capacity.claim_writes * MONTH_S / 1e6 * 0.625;
        assert!((costs.claim_writes - claims).abs() < 0.01, "{costs:?}");
    }

    #[test]
    fn logs_of_functions_come_on_top_of_the_access_log_in_its_tiers() {
        let [first, last] = [0.0, 1e6].map(|log_gb| more_logs(1e3, &LIST_PRICES, log_gb));
        assert!((first / last - 10.0).abs() < 0.1, "the tiers begin with the access log: {first} {last}");
    }

    #[test]
    fn instances_that_cannot_read_the_log_read_the_key_of_each_call() {
        let reads = |calls_per_s: f64| {
            let workload = Workload::new(calls_per_s * MONTH_S, 1.0);
            authorizer_reads(&workload, &Capacity::from_workload(&workload)) / calls_per_s
        };
        assert!(reads(30_000.0) < 0.12, "{}", reads(30_000.0));
        assert!((reads(300_000.0) - 0.92).abs() < 0.03, "{}", reads(300_000.0));
    }

    #[test]
    fn usage_over_many_shards_takes_more_to_read() {
        let of_shards =
            |shards| costs_of(&Workload { shards: Some(shards), ..Workload::new(1e10, 5_000.0) }).limits;
        assert!(of_shards(100.0) > 5.0 * of_shards(4.0), "{} {}", of_shards(100.0), of_shards(4.0));
    }

    #[test]
    fn a_key_that_is_hardly_met_is_added_up_anew() {
        let read = |keys| {
            let workload = Workload { shards: Some(1.0), ..Workload::new(1e9, keys) };
            let capacity = Capacity::from_workload(&workload);
            usage_reads(&workload, &capacity) / renewals(&workload, &capacity)
        };
        // Half a month of one shard's rows is two units, halved; two days are one, halved.
        assert!((read(50.0) - 0.5).abs() < 0.01 && read(5e6) > 0.95, "{} {}", read(50.0), read(5e6));
    }

    #[test]
    fn advantage_pays_from_ten_mebibytes_a_second_on() {
        // Records of whole kilobytes cost the same put as read.
        let capacity = |mib: f64| Capacity {
            records: mib * 1_024.0 / 4.0,
            record_bytes: 4_096.0,
            is_provisioned: false,
            ..Capacity::from_workload(&Workload::new(1e9, 50.0))
        };
        for (mib, pays) in [(9.5, false), (10.5, true), (100.0, true)] {
            let [on_demand, advantage] = [stream, advantage].map(|cost| cost(&capacity(mib), &LIST_PRICES));
            assert_eq!(advantage < on_demand, pays, "{mib} {advantage} {on_demand}");
        }
    }

    #[test]
    fn x86_64_costs_a_quarter_more_by_time() {
        let workload = Workload { memory_mib: 1_024.0, ..Workload::new(1e9, 50.0) };
        let x86 = Workload { architecture: Architecture::X86_64, ..workload };
        let seconds = Capacity::from_workload(&workload).calls * MONTH_S * DECISION_S;
        let more = costs_of(&x86).authorizer - costs_of(&workload).authorizer;
        assert!((more / (seconds * (0.000_016_666_7 - 0.000_013_333_4)) - 1.0).abs() < 1e-6, "{more}");
    }

    #[test]
    fn a_canary_is_some_dollars() {
        let dollars = canary(Architecture::Arm64, &LIST_PRICES);
        // 136,875 GB-seconds.
        assert!((dollars - (0.9 + 0.3 + 0.008_76 + 136_875.0 * 0.000_013_333_4)).abs() < 1e-6, "{dollars}");
    }

    #[test]
    fn the_number_of_metrics_in_alarms_of_the_canary_is_right() {
        let rules = include_str!("../../../stack/lib/constructs/alarm-rules.ts");
        let watched = rules.matches("meterMetric(settings, 'usage-canary'").count();
        assert!((CANARY_ALARM_METRICS - f64::from(u8::try_from(watched).unwrap())).abs() < 0.5, "{watched}");
    }

    #[test]
    fn the_log_is_scanned_as_the_reconciler_asks() {
        let source = include_str!("../../metering-aws/src/call_log/mod.rs");
        for constant in ["LOGGING_DELAY_MS: i64 = 15 * 60_000;", "CLOCK_LAG_MS: i64 = 5 * 60_000;"] {
            assert!(source.contains(constant), "{constant}: change READINGS_FOR_TOTALS as well");
        }
        assert!((READINGS_FOR_TOTALS - (60.0 + 15.0 + 5.0) / 60.0).abs() < 1e-9);
    }

    #[test]
    fn limits_are_those_of_the_stack() {
        let source = include_str!("../../../stack/lib/limits.ts");
        for constant in
            ["REQUESTS_PER_CONCURRENCY = 10;", "READ_UNITS_PER_PARTITION = 3_000;", "SYNC_INTERVAL_S = 1;"]
        {
            assert!(source.contains(constant), "{constant}");
        }
        assert!(
            (CALLS_PER_INSTANCE - 10.0).abs() < 1e-9 && (INVALIDATION_READS_PER_S - 3_000.0).abs() < 1e-9
        );
    }

    #[test]
    fn a_longer_window_costs_less_and_more_keys_cost_more() {
        let short = costs_of(&Workload { batch_window_s: 5.0, ..Workload::new(1e9, 50.0) });
        let long = costs_of(&Workload { batch_window_s: 30.0, ..Workload::new(1e9, 50.0) });
        assert!(long.ledger_writes < short.ledger_writes / 3.0);
        assert!(costs_of(&Workload::new(1e9, 5e5)).total() > short.total());
    }

    #[test]
    fn the_parts_make_the_whole() {
        let costs = costs_of(&Workload::new(1e8, 5_000.0));
        assert!((costs.total() - costs.parts().iter().map(|(_, part)| part).sum::<f64>()).abs() < 1e-9);
    }
}
