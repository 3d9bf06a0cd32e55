//! What `meter local` is told to do as AWS does it on a bad day.

use std::path::PathBuf;

use local_stack::stack::{Canary, LocalOptions};

/// Options for faults; none of them is on by default.
#[derive(clap::Args)]
#[command(next_help_heading = "Faults")]
pub struct FaultArguments {
    /// How many in a hundred batches of log events are lost before the stream, to try out `meter reconcile`
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    lose_deliveries: u32,
    /// How many in a hundred batches of log events are delivered again, cut into other records
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    regroup_deliveries: u32,
    /// How many in a hundred records are delivered late
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    late_deliveries: u32,
    /// Delay of late records, in seconds
    #[arg(long, value_name = "S", default_value_t = 3_600)]
    late_by_s: u64,
    /// How many in a hundred answers of a queue are in no order, miss messages (short polls) and repeat them
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    unreliable_queues: u32,
    /// How many in a hundred invocations of the consumer go to a second version
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = percent())]
    canary: u32,
    /// An environment variable of the second version
    #[arg(long, value_name = "NAME=VALUE", requires = "canary", value_parser = variable)]
    canary_env: Vec<(String, String)>,
    /// The folder of the second version's binary [default: that of the first]
    #[arg(long, value_name = "FOLDER", requires = "canary")]
    canary_binaries: Option<PathBuf>,
    /// Let functions have more memory than they are deployed with
    #[arg(long)]
    no_memory_limits: bool,
    /// How often a failed batch is tried again before Lambda gives it up [default: until it expires]
    #[arg(long, value_name = "NUMBER")]
    max_retries: Option<u32>,
    /// The age at which Lambda gives a record up, in seconds [default: none]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(i64).range(0..=604_800))]
    max_record_age_s: Option<i64>,
    /// Time between two deletions of expired DynamoDB items, in seconds; 0 for none
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
    /// Sets the options of a stack.
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
