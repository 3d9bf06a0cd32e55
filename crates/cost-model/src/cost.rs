//! What it costs.

use deployment::settings;

use crate::capacity::{Capacity, MONTH_S, Workload};
use crate::prices::{Architecture, Prices};

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
/// Reads a second that the one partition of the invalidation log answers: what
/// does not read it reads the key of each call instead. Source: DynamoDB Developer
/// Guide, "Best practices for designing and using partition keys effectively".
const INVALIDATION_READS_PER_S: f64 = 3_000.0;
/// Lifetime of an instance, in seconds. An assumption: AWS states none.
const INSTANCE_LIFE_S: f64 = 7_200.0;
/// Days of the month whose rows are read to know a key's usage, on average.
const MONTH_DAYS_READ: f64 = 15.5;
/// Days whose rows are read to know a key's usage, once the month's earlier days are known.
const USAGE_DAYS_READ: f64 = 2.0;
/// Bytes of a read unit, of which half is paid where the read is eventually
/// consistent. Source: DynamoDB Developer Guide, "Read and write capacity".
const READ_UNIT_BYTES: f64 = 4_096.0;
/// Lifetime of a key and of its usage in the memory of an instance, in seconds.
const CACHE_TTL_S: f64 = 30.0;
/// How often each line of the log is scanned to compare the totals of its hour: minutes that an hour's
/// lines are spread over, by those of an hour.
const READINGS_FOR_TOTALS: f64 = 80.0 / 60.0;
/// The same for the one hour of each day that is compared key by key: twice at most, one hour in 24.
const READINGS_FOR_KEYS: f64 = 2.0 * 80.0 / 60.0 / 24.0;
/// Hours that are compared key by key: a query of each key's rows, a read unit each.
const SAMPLED_HOURS_PER_MONTH: f64 = 30.0;
/// What On-demand Advantage takes as put and as read at least, in bytes a second.
/// AWS names 10 MiB/s as the rate from which it pays, which is this minimum at
/// 40 % of the price. Source: AWS Big Data Blog, launch of On-demand Advantage.
const ADVANTAGE_LEAST_BYTES_PER_S: f64 = 25.0 * 1_048_576.0;
/// Metrics of a canary; a test counts them.
pub const CANARY_METRICS: f64 = 4.0;
/// Metrics that the alarms of a canary watch.
pub const CANARY_ALARM_METRICS: f64 = 3.0;
/// Runs of a canary, one a minute.
const CANARY_RUNS: f64 = HOURS_PER_MONTH * 60.0;
/// How long a run waits until its call is counted, in seconds: delivery and a batch window. An assumption.
const CANARY_WAIT_S: f64 = 10.0;
const CANARY_MEMORY_GB: f64 = 0.125;
/// How long the access log is kept, and how well it compresses.
const LOG_RETENTION_MONTHS: f64 = 3.0;
const LOG_COMPRESSION: f64 = 0.15;
/// A row of the ledger for a day, and the claim of a call, in bytes with what DynamoDB adds.
const ROW_BYTES: f64 = 450.0;
const CLAIM_BYTES: f64 = 16.0;
const LEDGER_DAYS: f64 = settings::USAGE_RETENTION_DAYS as f64;
/// The days for which a call is recognised, and seven for which its record may be tried again.
const CLAIM_S: f64 = (settings::CLAIM_RETENTION_DAYS + 7) as f64 * 86_400.0;

/// Dollars a month, by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// The access log: taken in, kept, and read by the reconciliation with the rows it compares.
    pub access_log: f64,
    /// The stream.
    pub stream: f64,
    /// The consumer.
    pub consumer: f64,
    /// The authorizer, with its reads of keys and of the invalidation log.
    pub authorizer: f64,
    /// Its reads of the usage of keys with a limit, if all have one: the most.
    pub limits: f64,
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
    pub fn parts(&self) -> [(&'static str, f64); 9] {
        [
            ("authorizer", self.authorizer),
            ("limits of keys", self.limits),
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
        consumer: month(capacity.invocations) * invocation
            + gb_seconds * prices.gb_second_on(workload.architecture),
        authorizer: authorizer(workload, capacity, prices, memory_gb),
        limits: month(usage_reads(workload, capacity)) / 1e6 * prices.million_reads,
        ledger_writes: month(capacity.ledger_writes) / 1e6 * prices.million_writes,
        claim_writes: month(capacity.claim_writes) / 1e6 * prices.million_writes,
        storage: stored_gb(workload, capacity) * (prices.table_gb_month + prices.backup_gb_month),
        watching: watching(workload, capacity, prices, log_gb),
    }
}

/// What the hourly comparison scans and reads.
fn reconciliation(workload: &Workload, capacity: &Capacity, prices: &Prices, log_gb: f64) -> f64 {
    let sampled_keys = workload.keys.min(capacity.calls * 3_600.0);
    let reads = SAMPLED_HOURS_PER_MONTH * sampled_keys;
    log_gb * (READINGS_FOR_TOTALS + READINGS_FOR_KEYS) * prices.insights_gb
        + reads / 1e6 * prices.million_reads
}

/// Metrics, alarms, the dashboard, and the functions' lines of metrics, which
/// come on top of the access log.
fn watching(workload: &Workload, capacity: &Capacity, prices: &Prices, log_gb: f64) -> f64 {
    let line_bytes = capacity.invocations * CONSUMER_LINE_BYTES
        + capacity.calls / DECISIONS_PER_LINE * AUTHORIZER_LINE_BYTES;
    (workload.metrics + LOG_GROUP_METRICS) * prices.metric_month
        + ALARM_METRICS * prices.alarm_metric_month
        + prices.dashboard_month
        + prices.log(log_gb + line_bytes * MONTH_S / GB)
        - prices.log(log_gb)
}

/// What a canary adds: its function, metrics and alarms. Its calls are calls
/// like others.
pub fn canary(architecture: Architecture, prices: &Prices) -> f64 {
    CANARY_METRICS * prices.metric_month
        + CANARY_ALARM_METRICS * prices.alarm_metric_month
        + CANARY_RUNS * prices.million_invocations / 1e6
        + CANARY_RUNS * CANARY_WAIT_S * CANARY_MEMORY_GB * prices.gb_second_on(architecture)
}

/// The stream in the mode On-demand Advantage, a setting of the account, in
/// dollars a month: where a least amount is paid.
pub fn advantage(capacity: &Capacity, prices: &Prices) -> f64 {
    let least_gb = ADVANTAGE_LEAST_BYTES_PER_S * MONTH_S / GB;
    let (put_gb, read_gb) = stream_gb(capacity);
    prices.advantage_share
        * (put_gb.max(least_gb) * prices.stream_gb_in + read_gb.max(least_gb) * prices.stream_gb_out)
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

/// GB a month that are put on a stream on demand, each record rounded up to a KB, and read from it.
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

/// Instances of the authorizer.
fn instances(capacity: &Capacity) -> f64 {
    (capacity.calls / CALLS_PER_INSTANCE).max(1.0)
}

/// Reads a second by which all instances know all of their keys: each reads a
/// key again once in the key's lifetime while it is called.
fn renewals(workload: &Workload, capacity: &Capacity) -> f64 {
    (workload.keys * instances(capacity) / CACHE_TTL_S).min(capacity.calls)
}

/// Read units a second of the authorizer for keys and the invalidation log.
///
/// Each instance reads the log once a second while it is called. Instances that
/// the log's partition does not answer read the key of each call.
fn authorizer_reads(workload: &Workload, capacity: &Capacity) -> f64 {
    let wanted = instances(capacity).min(capacity.calls);
    let log_reads = wanted.min(INVALIDATION_READS_PER_S);
    let is_told = log_reads / wanted;
    log_reads + is_told * renewals(workload, capacity) + (1.0 - is_told) * capacity.calls
}

/// Read units a second of the authorizer for the usage of keys: an instance adds
/// up the month when it first meets a key, and then its last two days.
fn usage_reads(workload: &Workload, capacity: &Capacity) -> f64 {
    let rows_of_key = rows_a_day(workload, capacity) / workload.keys;
    let units = |days: f64| (days * rows_of_key * ROW_BYTES / READ_UNIT_BYTES).ceil() / 2.0;
    let renewals = renewals(workload, capacity);
    let (pairs, life_s) = (workload.keys * instances(capacity), INSTANCE_LIFE_S);
    let met = pairs * -(-capacity.calls * life_s / pairs).exp_m1() / life_s;
    let first = met.min(renewals);
    first * units(MONTH_DAYS_READ) + (renewals - first) * units(USAGE_DAYS_READ)
}

/// Rows of the ledger for a day: one for each key and shard, unless keys have fewer calls than that.
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
    fn logs_of_functions_come_on_top_of_the_access_log_in_its_tiers() {
        let workload = Workload::new(1e6 * MONTH_S, 50.0);
        let few = Workload { line_bytes: 1e-3, ..workload };
        assert!(of(&few).watching > 5.0 * of(&workload).watching, "the tiers begin with the access log");
    }

    #[test]
    fn instances_that_cannot_read_the_log_read_the_key_of_each_call() {
        let reads = |calls_per_s: f64| {
            let workload = Workload::new(calls_per_s * MONTH_S, 1.0);
            authorizer_reads(&workload, &Capacity::of(&workload)) / calls_per_s
        };
        assert!(reads(30_000.0) < 0.12, "{}", reads(30_000.0));
        assert!((reads(300_000.0) - 0.92).abs() < 0.03, "{}", reads(300_000.0));
    }

    #[test]
    fn usage_over_many_shards_takes_more_to_read() {
        let of_shards =
            |shards| of(&Workload { shards: Some(shards), ..Workload::new(1e10, 5_000.0) }).limits;
        assert!(of_shards(100.0) > 5.0 * of_shards(4.0), "{} {}", of_shards(100.0), of_shards(4.0));
    }

    #[test]
    fn a_key_that_is_hardly_met_is_added_up_anew() {
        let read = |keys| {
            let workload = Workload { shards: Some(1.0), ..Workload::new(1e9, keys) };
            let capacity = Capacity::of(&workload);
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
            ..Capacity::of(&Workload::new(1e9, 50.0))
        };
        for (mib, pays) in [(9.5, false), (10.5, true), (100.0, true)] {
            let [on_demand, advantage] = [stream, advantage].map(|of| of(&capacity(mib), &LIST_PRICES));
            assert_eq!(advantage < on_demand, pays, "{mib} {advantage} {on_demand}");
        }
    }

    #[test]
    fn x86_64_costs_a_quarter_more_by_time() {
        let workload = Workload { memory_mib: 1_024.0, ..Workload::new(1e9, 50.0) };
        let x86 = Workload { architecture: Architecture::X86_64, ..workload };
        let seconds = Capacity::of(&workload).calls * MONTH_S * DECISION_S;
        let more = of(&x86).authorizer - of(&workload).authorizer;
        assert!((more / (seconds * (0.000_016_666_7 - 0.000_013_333_4)) - 1.0).abs() < 1e-6, "{more}");
    }

    #[test]
    fn a_canary_is_some_dollars() {
        let dollars = canary(Architecture::Arm64, &LIST_PRICES);
        // 54,750 GB-seconds.
        assert!((dollars - (1.2 + 0.3 + 0.008_76 + 54_750.0 * 0.000_013_333_4)).abs() < 1e-6, "{dollars}");
    }

    #[test]
    fn alarms_of_the_canary_watch_so_many_metrics() {
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
