//! Arguments of `meter local` that inject faults of AWS.

use std::path::PathBuf;

use local_stack::stack::{Canary, LocalOptions};

/// Arguments that inject faults. No fault is injected by default.
#[derive(clap::Args)]
#[command(next_help_heading = "Faults")]
pub struct FaultArguments {
    /// Percentage of batches of log events that are lost before the stream, to try out `meter reconcile`
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    lose_deliveries: u32,
    /// Percentage of batches of log events that are delivered again, grouped into other records
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    regroup_deliveries: u32,
    /// Percentage of records that are delivered late
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    late_deliveries: u32,
    /// Delay of late records, in seconds
    #[arg(long, value_name = "S", default_value_t = 3_600)]
    late_by_s: u64,
    /// Percentage of queue responses that are unordered, miss messages (short polls) and repeat messages
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    unreliable_queues: u32,
    /// Percentage of invocations of the consumer that go to a second version
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    canary: u32,
    /// Environment variable of the second version; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "canary", value_parser = variable)]
    canary_env: Vec<(String, String)>,
    /// Folder with the binary of the second version [default: that of the first version]
    #[arg(long, value_name = "FOLDER", requires = "canary")]
    canary_binaries: Option<PathBuf>,
    /// Do not limit the memory of functions to their deployed size
    #[arg(long)]
    no_memory_limits: bool,
    /// Retries of a failed batch before Lambda gives it up [default: unlimited until it expires]
    #[arg(long, value_name = "NUMBER")]
    max_retries: Option<u32>,
    /// Age at which Lambda gives a record up, in seconds [default: none]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(i64).range(0..=604_800))]
    max_record_age_s: Option<i64>,
    /// Interval between deletions of expired DynamoDB items, in seconds; 0 deletes none
    #[arg(long, value_name = "S", default_value_t = 3_600)]
    ttl_sweep_interval_s: u64,
}

fn percent() -> impl clap::builder::TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(0..=100)
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

impl FaultArguments {
    /// Applies the arguments to the options of a stack.
    pub fn apply(self, options: &mut LocalOptions) {
        let share = |percent: u32| f64::from(percent) / 100.0;
        let faults = &mut options.faults;
        faults.lost_batch = share(self.lose_deliveries);
        faults.regrouped_batch = share(self.regroup_deliveries);
        faults.late_batch = share(self.late_deliveries);
        faults.late_batch_delay_ms = self.late_by_s.saturating_mul(1_000);
        faults.shuffled_queue = share(self.unreliable_queues);
        faults.missed_message = share(self.unreliable_queues);
        faults.repeated_message = share(self.unreliable_queues);
        if self.canary > 0 {
            options.canary = Some(Canary {
                weight: share(self.canary),
                environment: self.canary_env.into_iter().collect(),
                binaries: self.canary_binaries,
            });
        }
        options.limits_memory = !self.no_memory_limits;
        options.max_retries = self.max_retries;
        options.max_record_age_ms = self.max_record_age_s.map(|age_s| age_s * 1_000);
        options.ttl_sweep_interval_ms = self.ttl_sweep_interval_s.saturating_mul(1_000);
    }
}
