//! How a local stack is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use access_log::log_format::ApiKind;
use serde::{Deserialize, Serialize};

use crate::cloudwatch_logs::subscription::DeliveryLag;
use crate::faults::FaultRates;

/// The folder of the running command, where what was built together with it is.
///
/// # Errors
/// When the command cannot find its own file.
pub fn built_binaries() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(""))
}

/// A second version of the consumer, behind the weights of its alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Share of the invocations that go to it, from 0 to 1.
    pub weight: f64,
    /// Its environment variables, in place of those of the main version.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Folder of its binary; `None` for the same binary as the main version.
    #[serde(default)]
    pub binaries: Option<PathBuf>,
}

/// How the function `usage-canary` is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCanary {
    /// Time between two invocations, and before the first one, in milliseconds.
    pub interval_ms: u64,
    /// How long a call is awaited in the ledger, in milliseconds.
    pub timeout_ms: u64,
}

impl UsageCanary {
    /// As it is deployed: once a minute, for two minutes at most.
    pub const AS_DEPLOYED: Self = Self { interval_ms: 60_000, timeout_ms: 120_000 };
}

/// How a local stack is set up.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Where everything is kept.
    pub data_folder: PathBuf,
    /// Where the binaries of the functions are.
    pub binaries: PathBuf,
    /// The port of the gateway; 0 for any.
    pub gateway_port: u16,
    /// The port of the AWS endpoint; 0 for any.
    pub aws_port: u16,
    /// The port of the dashboard's web page; 0 for any.
    pub dashboard_port: u16,
    /// The kind of the gateway's API.
    pub api_kind: ApiKind,
    /// Whether the authorizer of an HTTP API answers with yes or no, and not with a policy.
    pub http_api_simple_responses: bool,
    /// The backend, as `http://HOST:PORT`; `None` for the built-in one.
    pub backend: Option<String>,
    /// How many keys a new stack is given, to try it out.
    pub demo_keys: usize,
    /// Shards of a new stream.
    pub shard_count: u32,
    /// The most environments of the consumer at once.
    pub max_environments: usize,
    /// A second version of the consumer; `None` for one version.
    pub canary: Option<Canary>,
    /// The function that calls the API with a key of its own; `None` for none.
    /// It calls the built-in backend.
    pub usage_canary: Option<UsageCanary>,
    /// Whether functions get no more memory than they are deployed with (on
    /// Linux; see [`deployment::FUNCTIONS`]).
    pub limits_memory: bool,
    /// Further environment variables of the consumer.
    pub consumer_environment: Vec<(String, String)>,
    /// The most environments of the authorizer at once: one more than the machine
    /// has processors by default, since further ones only take turns.
    pub max_authorizers: usize,
    /// Whether calls go to any idle environment of the authorizer, and not to
    /// the one that was used last.
    pub spreads_authorizations: bool,
    /// How old the authorizer's last look at the invalidation log may be, in milliseconds.
    pub sync_interval_ms: u64,
    /// Further environment variables of the authorizer.
    pub authorizer_environment: Vec<(String, String)>,
    /// How long the gateway itself keeps answers of the authorizer, in
    /// milliseconds; 0 for not at all.
    pub authorizer_cache_ttl_ms: u64,
    /// The most records of a batch.
    pub batch_size: usize,
    /// How long a batch waits to fill, in milliseconds.
    pub batch_window_ms: u64,
    /// How often an empty shard is asked, in milliseconds.
    pub poll_interval_ms: u64,
    /// The most log events of one record.
    pub events_per_record: usize,
    /// How long the subscription waits for more events, in milliseconds.
    pub delivery_delay_ms: u64,
    /// By how much the subscription's deliveries lag behind, to model AWS.
    pub delivery_lag: Option<DeliveryLag>,
    /// Times that a failed batch is tried again, Lambda's `MaximumRetryAttempts`;
    /// `None` (-1 on AWS, the default) for as long as the stream keeps the records.
    pub max_retries: Option<u32>,
    /// Age at which a record is given up, in milliseconds, Lambda's
    /// `MaximumRecordAgeInSeconds`; `None` (-1 on AWS, the default) for never.
    pub max_record_age_ms: Option<i64>,
    /// Time between two deletions of items whose time to live is over, in
    /// milliseconds; 0 for none but those that are asked for.
    pub ttl_sweep_interval_ms: u64,
    /// Time for which the stream is `UPDATING` after a change, in milliseconds.
    pub stream_update_ms: u64,
    /// What goes wrong on purpose.
    pub faults: FaultRates,
    /// The seed of the faults.
    pub fault_seed: u64,
}

impl LocalOptions {
    /// The defaults, for a data folder and the folder of the functions' binaries.
    pub fn new(data_folder: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> Self {
        Self {
            data_folder: data_folder.into(),
            binaries: binaries.into(),
            gateway_port: 0,
            aws_port: 0,
            dashboard_port: 0,
            api_kind: ApiKind::Rest,
            http_api_simple_responses: true,
            backend: None,
            demo_keys: 5,
            shard_count: 2,
            max_environments: 4,
            canary: None,
            usage_canary: None,
            limits_memory: true,
            consumer_environment: Vec::new(),
            max_authorizers: concurrency_of_machine(),
            spreads_authorizations: false,
            sync_interval_ms: 1_000,
            authorizer_environment: Vec::new(),
            authorizer_cache_ttl_ms: 0,
            batch_size: 100,
            batch_window_ms: 200,
            poll_interval_ms: 250,
            events_per_record: 200,
            delivery_delay_ms: 200,
            delivery_lag: None,
            max_retries: None,
            max_record_age_ms: None,
            ttl_sweep_interval_ms: 0,
            stream_update_ms: 0,
            faults: FaultRates::default(),
            fault_seed: 0,
        }
    }
}

fn concurrency_of_machine() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get() + 1)
}
