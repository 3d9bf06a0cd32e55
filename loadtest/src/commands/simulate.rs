//! `loadtest simulate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use loadtest::histogram::seconds_at;
use loadtest::profile::Keys;
use loadtest::simulation::{Settings, Simulated, simulate};
use local_stack::cloudwatch_logs::subscription::DeliveryLag;

/// What is simulated; what is not named is as it is deployed.
#[derive(clap::Args)]
pub struct LoadArguments {
    /// Successful calls a second
    #[arg(long, value_name = "CALLS", default_value_t = 1_000_000.0)]
    calls_per_s: f64,
    /// How many keys there are
    #[arg(long, default_value_t = 1_000_000)]
    keys: u32,
    /// The exponent of a Zipf distribution of the keys [default: all call alike]
    #[arg(long, value_name = "EXPONENT")]
    zipf_exponent: Option<f64>,
    /// Shards of the stream
    #[arg(long, default_value_t = 2_000)]
    shards: u32,
    /// The most records of a batch
    #[arg(long, default_value_t = 100)]
    batch_records: usize,
    /// How often an empty shard is asked, in seconds
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    poll_interval_s: f64,
    /// How long log events are collected before they are delivered, in seconds
    #[arg(long, value_name = "S", default_value_t = 0.1)]
    collecting_s: f64,
    /// Half of the deliveries of the log lag less than this, in seconds; needs --lag-p99-s
    #[arg(long, value_name = "S", requires = "lag_p99_s")]
    lag_median_s: Option<f64>,
    /// Ninety-nine of a hundred deliveries lag less than this, in seconds
    #[arg(long, value_name = "S", requires = "lag_median_s")]
    lag_p99_s: Option<f64>,
    /// How long a write to DynamoDB takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5.0)]
    write_ms: f64,
    /// Memory of the consumer, in MiB
    #[arg(long, default_value_t = 256.0)]
    memory_mib: f64,
    /// Partitions of the ledger [default: as many as its writes need]
    #[arg(long)]
    partitions: Option<usize>,
    /// How long it is measured, in seconds, after all shards are in their rhythm
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    measured_s: f64,
    /// What chance is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl LoadArguments {
    /// The settings, with a batch window.
    pub fn settings(&self, batch_window_s: f64) -> Settings {
        let keys = Keys { count: self.keys, zipf_exponent: self.zipf_exponent };
        let lag = self.lag_median_s.zip(self.lag_p99_s);
        Settings {
            batch_window_s,
            batch_records: self.batch_records,
            poll_interval_s: self.poll_interval_s,
            collecting_s: self.collecting_s,
            lag: lag.map(|(median_s, p99_s)| DeliveryLag { median_ms: median_s * 1e3, p99_ms: p99_s * 1e3 }),
            write_ms: self.write_ms,
            memory_mib: self.memory_mib,
            partitions: self.partitions,
            measured_s: self.measured_s,
            seed: self.seed,
            ..Settings::deployed(self.calls_per_s, keys, self.shards)
        }
    }
}

/// Arguments of `loadtest simulate`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    load: LoadArguments,
    /// How long a batch waits to fill, in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    batch_window_s: f64,
    /// Write everything as JSON into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Simulates and prints.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let found = simulate(&arguments.load.settings(arguments.batch_window_s))?;
    print(&found);
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&found)?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(found: &Simulated) {
    let per_million = |rate: f64| rate / found.calls_per_s * 1e6;
    println!("calls                      {:>14.0} /s", found.calls_per_s);
    println!("records of the stream      {:>14.0} /s", found.records_per_s);
    println!(
        "invocations                {:>14.0} /s of {:.0} ms, {:.0} at once",
        found.invocations_per_s, found.invocation_ms, found.concurrent_invocations
    );
    println!(
        "write units of the ledger  {:>14.0} /s, {:.0} for a million calls",
        found.ledger_writes_per_s,
        per_million(found.ledger_writes_per_s)
    );
    println!("write units of claims      {:>14.0} /s", found.claim_writes_per_s);
    println!(
        "a bare ADD per key, record {:>14.0} /s, {:.2} times the ledger's and its claims'",
        found.naive_writes_per_s,
        found.naive_writes_per_s / (found.ledger_writes_per_s + found.claim_writes_per_s)
    );
    let (average, busiest, most) = found.writes_per_partition;
    println!(
        "writes of a partition      {average:>14.0} /s on average of {}, {busiest:.0} of the busiest, {most:.0} in its busiest second",
        found.partitions
    );
    let fresh = |percentile| seconds_at(&found.freshness, percentile);
    println!(
        "freshness                  p50 {:.2} s, p99 {:.2} s, p99.9 {:.2} s; {:.1} % of the calls were waiting at the end",
        fresh(50.0),
        fresh(99.0),
        fresh(99.9),
        found.waiting_share * 100.0
    );
    println!(
        "cost of a million calls    {:>14.3} $ without the authorizer, {:.3} $ of it for writes to the ledger",
        found.dollars_per_million_calls, found.ledger_dollars_per_million_calls
    );
    println!("\nlimits of AWS, the most strained first; what is above 1 breaks:");
    for limit in &found.limits {
        println!(
            "{:>8.2}  {}: {:.0} of {:.0} ({}{})",
            limit.strain(),
            limit.what,
            limit.demand,
            limit.limit,
            limit.source,
            if limit.can_be_raised { "; can be raised" } else { "" }
        );
    }
}
