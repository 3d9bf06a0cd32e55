//! `loadtest simulate`.

use std::path::PathBuf;

use anyhow::Context;
use loadtest::profile::Keys;
use loadtest::simulation::{PartitionWrites, SecondStage, SimulationResult, SimulationSettings, simulate};
use local_stack::cloudwatch_logs::subscription::DeliveryLag;

/// The simulated load and deployment. The defaults are the deployed settings.
#[derive(clap::Args)]
pub struct LoadArguments {
    /// Successful calls a second
    #[arg(long, value_name = "CALLS", default_value_t = 1_000_000.0)]
    calls_per_s: f64,
    /// Number of keys
    #[arg(long, default_value_t = 1_000_000)]
    keys: u32,
    /// Exponent of a Zipf distribution of the calls over the keys [default: a uniform distribution]
    #[arg(long, value_name = "EXPONENT")]
    zipf_exponent: Option<f64>,
    /// Number of shards of the stream
    #[arg(long, default_value_t = 2_000)]
    shards: u32,
    /// Maximum records of a batch
    #[arg(long, default_value_t = deployed().batch_records)]
    batch_records: usize,
    /// Interval at which a shard without records is polled, in seconds
    #[arg(long, value_name = "S", default_value_t = deployed().poll_interval_s)]
    poll_interval_s: f64,
    /// Time for which log events are collected before their delivery, in seconds
    #[arg(long, value_name = "S", default_value_t = deployed().collecting_s)]
    collecting_s: f64,
    /// Median lag of the log deliveries, in seconds; needs --lag-p99-s
    #[arg(long, value_name = "S", requires = "lag_p99_s")]
    lag_median_s: Option<f64>,
    /// 99th percentile of the lag of the log deliveries, in seconds; needs --lag-median-s
    #[arg(long, value_name = "S", requires = "lag_median_s")]
    lag_p99_s: Option<f64>,
    /// Latency of a write to DynamoDB, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = deployed().write_ms)]
    write_ms: f64,
    /// Memory of the consumer, in MiB
    #[arg(long, default_value_t = deployed().memory_mib)]
    memory_mib: f64,
    /// Number of shards of a second stream, which is partitioned by key [default: no second stream, as
    /// deployed]
    #[arg(long, value_name = "SHARDS")]
    second_stage_shards: Option<u32>,
    /// Time for which a batch of the second stream waits to fill, in seconds
    #[arg(long, value_name = "S", default_value_t = deployed().batch_window_s)]
    second_stage_window_s: f64,
    /// Number of partitions of the ledger [default: as many as its writes need]
    #[arg(long)]
    partitions: Option<usize>,
    /// Length of the measured time after the warm-up, in seconds
    #[arg(long, value_name = "S", default_value_t = deployed().measured_s)]
    measured_s: f64,
    /// Seed of all random draws
    #[arg(long, default_value_t = deployed().seed)]
    seed: u64,
}

/// Returns the deployed settings, for the defaults that do not depend on the load.
fn deployed() -> SimulationSettings {
    SimulationSettings::deployed(1.0, Keys { count: 1, zipf_exponent: None }, 1)
}

impl LoadArguments {
    /// Returns the settings of a simulation with a batch window.
    pub fn settings(&self, batch_window_s: f64) -> SimulationSettings {
        let keys = Keys { count: self.keys, zipf_exponent: self.zipf_exponent };
        let lag = self.lag_median_s.zip(self.lag_p99_s);
        SimulationSettings {
            batch_window_s,
            batch_records: self.batch_records,
            poll_interval_s: self.poll_interval_s,
            collecting_s: self.collecting_s,
            lag: lag.map(|(median_s, p99_s)| DeliveryLag { median_ms: median_s * 1e3, p99_ms: p99_s * 1e3 }),
            write_ms: self.write_ms,
            memory_mib: self.memory_mib,
            second_stage: self
                .second_stage_shards
                .map(|shards| SecondStage { shards, batch_window_s: self.second_stage_window_s }),
            partitions: self.partitions,
            measured_s: self.measured_s,
            seed: self.seed,
            ..SimulationSettings::deployed(self.calls_per_s, keys, self.shards)
        }
    }
}

/// Arguments of `loadtest simulate`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    load: LoadArguments,
    /// Time for which a batch waits to fill, in seconds
    #[arg(long, value_name = "S", default_value_t = deployed().batch_window_s)]
    batch_window_s: f64,
    /// Write the result to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs a simulation and prints its result.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let result = simulate(&arguments.load.settings(arguments.batch_window_s))?;
    print(&result);
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&result)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn print(result: &SimulationResult) {
    println!("calls                      {:>14.0} /s", result.calls_per_s);
    println!("records of the stream      {:>14.0} /s", result.records_per_s);
    println!(
        "invocations                {:>14.0} /s of {:.0} ms, {:.0} in flight",
        result.invocations_per_s, result.invocation_ms, result.concurrent_invocations
    );
    println!(
        "write units of the ledger  {:>14.0} /s, {:.0} for a million calls",
        result.ledger_writes_per_s,
        result.ledger_writes_per_s / result.calls_per_s * 1e6
    );
    println!("write units of the claims  {:>14.0} /s", result.claim_writes_per_s);
    println!(
        "write units of a baseline  {:>14.0} /s, {:.2} times those of ledger and claims (one ADD for each key of each record)",
        result.baseline_writes_per_s,
        result.baseline_writes_per_s / (result.ledger_writes_per_s + result.claim_writes_per_s)
    );
    if let Some(second) = &result.second_stage {
        println!(
            "second stream              {:>14.0} sums/s in {:.0} records, {:.1} MB/s, {:.1} invocations/s",
            second.sums_per_s,
            second.records_per_s,
            second.bytes_per_s / 1e6,
            second.invocations_per_s
        );
    }
    let PartitionWrites { average_per_s, busiest_per_s, max_per_s } = result.writes_per_partition;
    println!(
        "writes of a partition      {average_per_s:>14.0} /s on average over {}, {busiest_per_s:.0} in the busiest, at most {max_per_s:.0} in one second",
        result.partitions
    );
    let freshness_s = |percentile| result.freshness.seconds_at(percentile);
    println!(
        "freshness                  p50 {:.2} s, p99 {:.2} s, p99.9 {:.2} s; {:.1} % of the calls were waiting at the end",
        freshness_s(50.0),
        freshness_s(99.0),
        freshness_s(99.9),
        result.waiting_share * 100.0
    );
    println!(
        "cost of a million calls    {:>14.3} $ without the authorizer, {:.3} $ of it for writes to the ledger",
        result.dollars_per_million_calls, result.ledger_dollars_per_million_calls
    );
    println!("\nutilization of the limits of AWS, the highest first (above 1 cannot be sustained):");
    for limit in &result.limits {
        println!(
            "{:>8.2}  {}: {:.0} of {:.0} ({}{})",
            limit.utilization(),
            limit.what,
            limit.demand,
            limit.limit,
            limit.source,
            if limit.can_be_raised { "; can be raised" } else { "" }
        );
    }
}
