//! The settings of a local stack.

use std::collections::BTreeMap;
use std::path::PathBuf;

use access_log::log_format::ApiKind;
use metering_core::status_ranges::StatusRanges;
use serde::{Deserialize, Serialize};

use crate::cloudwatch_logs::subscription::DeliveryLag;
use crate::faults::FaultRates;

/// Returns the folder of the running command, which also has the binaries of the functions that
/// were built with it.
///
/// # Errors
/// Returns an error if the path of the command is unknown.
pub fn built_binaries() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(""))
}

/// A second version of the consumer, behind a weighted alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Share of the invocations that go to this version, from 0 to 1.
    pub weight: f64,
    /// Environment variables that replace those of the main version.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Folder of the binary. `None` runs the binary of the main version.
    #[serde(default)]
    pub binaries: Option<PathBuf>,
}

/// The settings of the function `usage-canary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCanary {
    /// Time before the first invocation and between two invocations, in milliseconds.
    pub interval_ms: u64,
    /// Time for which an invocation waits until the ledger shows its call, in milliseconds.
    pub timeout_ms: u64,
}

impl UsageCanary {
    /// The deployed settings: one invocation a minute, each of which waits at most two minutes.
    pub const AS_DEPLOYED: Self = Self { interval_ms: 60_000, timeout_ms: 120_000 };
}

/// What an access log has besides the fields that counting needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessLogFields {
    /// `true` if a line has the length of the response, so that the bytes of responses are counted.
    pub response_length: bool,
}

/// The settings of a local stack.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Folder of all stored state.
    pub data_folder: PathBuf,
    /// Folder of the binaries of the functions.
    pub binaries: PathBuf,
    /// Port of the API. `0` takes the port of the last run, or any free one.
    pub gateway_port: u16,
    /// Port of the AWS endpoint. `0` takes the port of the last run, or any free one.
    pub aws_port: u16,
    /// Port of the dashboard. `0` takes the port of the last run, or any free one.
    pub dashboard_port: u16,
    /// Port of the usage page of customers. `0` takes the port of the last run, or any free one.
    pub portal_port: u16,
    /// Origins of the pages that may embed the usage page of customers, separated by commas.
    pub portal_frame_ancestors: String,
    pub api_kind: ApiKind,
    /// What the access log has besides the fields that counting needs.
    pub access_log_fields: AccessLogFields,
    /// `true` if the authorizer of an HTTP API answers with a boolean instead of a policy
    /// (`EnableSimpleResponses`).
    pub http_api_simple_responses: bool,
    /// URL of the backend, as `http://HOST:PORT`. `None` uses the built-in one.
    pub backend: Option<String>,
    /// Number of demonstration keys of a new stack.
    pub demo_keys: usize,
    /// Number of shards of a new stream.
    pub shard_count: u32,
    /// Maximum number of execution environments of the consumer.
    pub max_environments: usize,
    /// Second version of the consumer. `None` runs one version.
    pub canary: Option<Canary>,
    /// Settings of the function `usage-canary`, which calls the built-in backend with a key of its
    /// own. `None` runs without it.
    pub usage_canary: Option<UsageCanary>,
    /// `true` if a function has only the memory that it is deployed with. Linux only; see
    /// [`deployment::FUNCTIONS`].
    pub limits_memory: bool,
    /// Statuses with which calls are billed, of which the subscription filter delivers all.
    pub billed_statuses: StatusRanges,
    /// Additional environment variables of the consumer.
    pub consumer_environment: Vec<(String, String)>,
    /// Maximum number of execution environments of the authorizer. The default is one more than the
    /// machine has processors: more than that would only wait for each other.
    pub max_authorizers: usize,
    /// `true` if a call goes to any idle environment of the authorizer, not to the one used last.
    pub spreads_authorizations: bool,
    /// Maximum age of the authorizer's last invalidation-log read, in milliseconds.
    pub sync_interval_ms: u64,
    /// Additional environment variables of the authorizer.
    pub authorizer_environment: Vec<(String, String)>,
    /// Time for which API Gateway caches the authorizer's answers, in milliseconds. `0` caches nothing.
    pub authorizer_cache_ttl_ms: u64,
    /// Maximum number of stream records of a batch.
    pub batch_size: usize,
    /// Time for which an incomplete batch waits for more records, in milliseconds.
    pub batch_window_ms: u64,
    /// Time between two reads of an empty shard, in milliseconds.
    pub poll_interval_ms: u64,
    /// Maximum number of log events of a stream record.
    pub events_per_record: usize,
    /// Time for which the subscription waits for more events, in milliseconds.
    pub delivery_delay_ms: u64,
    /// Additional lag of the subscription's deliveries, to model AWS.
    pub delivery_lag: Option<DeliveryLag>,
    /// Number of retries of a failed batch, Lambda's `MaximumRetryAttempts`. `None` (-1 on AWS, the
    /// default) retries as long as the stream keeps the records.
    pub max_retries: Option<u32>,
    /// Age at which a record is given up, in milliseconds, Lambda's
    /// `MaximumRecordAgeInSeconds`. `None` (-1 on AWS, the default) never gives it up.
    pub max_record_age_ms: Option<i64>,
    /// Time between two deletions of items whose time to live is over, in milliseconds. `0`
    /// deletes them only on request.
    pub ttl_sweep_interval_ms: u64,
    /// Time for which the stream is `UPDATING` after a change, in milliseconds.
    pub stream_update_ms: u64,
    /// Rates of the injected faults.
    pub faults: FaultRates,
    /// Seed of the injected faults.
    pub fault_seed: u64,
}

impl LocalOptions {
    /// Returns the default settings.
    pub fn new(data_folder: impl Into<PathBuf>, binaries: impl Into<PathBuf>) -> Self {
        Self {
            data_folder: data_folder.into(),
            binaries: binaries.into(),
            gateway_port: 0,
            aws_port: 0,
            dashboard_port: 0,
            portal_port: 0,
            portal_frame_ancestors: String::new(),
            api_kind: ApiKind::Rest,
            access_log_fields: AccessLogFields::default(),
            http_api_simple_responses: true,
            backend: None,
            demo_keys: 5,
            shard_count: 2,
            max_environments: 4,
            canary: None,
            usage_canary: None,
            limits_memory: true,
            billed_statuses: StatusRanges::default(),
            consumer_environment: Vec::new(),
            max_authorizers: default_max_authorizers(),
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

fn default_max_authorizers() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get() + 1)
}
