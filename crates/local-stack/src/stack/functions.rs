//! The functions of a stack, with their settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access_log::log_format::ApiKind;
use metering_aws::connection::LOCAL_REGION;

use super::canary::{self, CanarySettings};
use super::error::StartError;
use super::options::LocalOptions;
use super::resources::{
    ALERTS_TABLE, CLAIMS_TABLE, INVALIDATIONS_TABLE, KEYS_TABLE, LOG_GROUP, Topics, USAGE_TABLE,
};
use crate::gateway::{API_ID, STAGE};
use crate::lambda::{Function, FunctionSpec, Versions};
use crate::metrics::MetricSink;

/// How long the authorizer may take, in milliseconds; its own limit is shorter.
const AUTHORIZER_TIMEOUT_MS: u64 = 5_000;
/// How long the other functions may take, in milliseconds.
const TIMEOUT_MS: u64 = 30_000;

/// Calls of the canary that are awaited at the same time, one a minute.
const CANARIES_AT_ONCE: usize = 3;

/// Routes and methods whose calls are not billed, as the stack deploys them.
pub const UNBILLED_ROUTES: &str = "OPTIONS *,/usage";

/// How long an hour is over before it is reconciled: calls arrive sooner here than on AWS.
const LOCAL_SETTLE_MINUTES: &str = "2";

/// The functions.
pub(super) struct Functions {
    pub consumer: Arc<Function>,
    pub authorizer: Arc<Function>,
    pub fanout: Arc<Function>,
    pub usage_endpoint: Arc<Function>,
    pub reconciler: Arc<Function>,
    pub canary: Option<Arc<Function>>,
}

impl Functions {
    /// All of them.
    pub fn all(&self) -> Vec<Arc<Function>> {
        let always = [&self.consumer, &self.authorizer, &self.fanout, &self.usage_endpoint, &self.reconciler];
        always.into_iter().chain(&self.canary).cloned().collect()
    }
}

/// Sets the functions up; none is started before it is needed.
pub(super) fn functions(
    options: &LocalOptions,
    [aws_endpoint_url, quarantine_queue_url]: [&str; 2],
    topics: &Topics,
    canary: Option<&CanarySettings>,
    metrics: &Arc<MetricSink>,
) -> Result<Functions, StartError> {
    let function =
        |name: &str, variables: &[(&str, &str)], further: &[(String, String)], timeout_ms, most, spreads| {
            let common = [
                ("AWS_ENDPOINT_URL", aws_endpoint_url),
                ("AWS_REGION", LOCAL_REGION),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("ENVIRONMENT_NAME", "local"),
            ];
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let environment =
                common.iter().chain(variables).map(own).chain(further.iter().cloned()).collect();
            Ok::<_, StartError>(FunctionSpec {
                name: name.to_owned(),
                version: "1".to_owned(),
                binary: binary(&options.binaries, name)?,
                environment,
                memory_mib: memory_mib(name),
                limits_memory: options.limits_memory,
                timeout_ms,
                max_environments: most,
                spreads,
            })
        };
    let start = |spec: Result<FunctionSpec, StartError>| {
        spec.map(|spec| Arc::new(Function::new(spec, metrics.clone())))
    };
    let sync_interval_ms = options.sync_interval_ms.to_string();
    let simple_responses = options.http_api_simple_responses.to_string();
    // The stage of an HTTP API cannot be flushed by the operation that the fan-out calls.
    let stages = if options.api_kind == ApiKind::Rest { format!("{API_ID}/{STAGE}") } else { String::new() };
    Ok(Functions {
        consumer: consumer(
            function(
                "usage-consumer",
                &[
                    ("USAGE_TABLE", USAGE_TABLE),
                    ("CLAIMS_TABLE", CLAIMS_TABLE),
                    ("QUARANTINE_QUEUE_URL", quarantine_queue_url),
                    ("UNBILLED_ROUTES", UNBILLED_ROUTES),
                ],
                &options.consumer_environment,
                options.function_timeout_ms,
                options.max_environments,
                false,
            )?,
            options,
            metrics,
        )?,
        authorizer: start(function(
            "api-authorizer",
            &[
                ("KEYS_TABLE", KEYS_TABLE),
                ("INVALIDATIONS_TABLE", INVALIDATIONS_TABLE),
                ("USAGE_TABLE", USAGE_TABLE),
                ("ALERTS_TABLE", ALERTS_TABLE),
                ("ALERTS_TOPIC_ARN", &topics.alerts),
                ("SYNC_INTERVAL_MS", &sync_interval_ms),
                ("HTTP_API_SIMPLE_RESPONSES", &simple_responses),
            ],
            &options.authorizer_environment,
            AUTHORIZER_TIMEOUT_MS,
            options.max_authorizers,
            options.spreads_authorizations,
        ))?,
        // One at a time, so that many messages share a flush.
        fanout: start(function("invalidation-fanout", &[("STAGES", &stages)], &[], TIMEOUT_MS, 1, false))?,
        usage_endpoint: start(function(
            "usage-endpoint",
            &[("USAGE_TABLE", USAGE_TABLE)],
            &[],
            TIMEOUT_MS,
            2,
            false,
        ))?,
        reconciler: start(function(
            "usage-reconciler",
            &[
                ("USAGE_TABLE", USAGE_TABLE),
                ("CLAIMS_TABLE", CLAIMS_TABLE),
                ("ACCESS_LOG_GROUPS", LOG_GROUP),
                ("UNBILLED_ROUTES", UNBILLED_ROUTES),
                ("SETTLE_MINUTES", LOCAL_SETTLE_MINUTES),
            ],
            &[],
            TIMEOUT_MS,
            1,
            false,
        ))?,
        canary: canary
            .map(|settings| {
                let timeout_ms = settings.timeout_ms;
                start(function(canary::NAME, &[], &settings.environment, timeout_ms, CANARIES_AT_ONCE, false))
            })
            .transpose()?,
    })
}

/// The consumer, behind a weighted alias where there is a canary.
fn consumer(
    main: FunctionSpec,
    options: &LocalOptions,
    metrics: &Arc<MetricSink>,
) -> Result<Arc<Function>, StartError> {
    let Some(canary) = &options.canary else {
        return Ok(Arc::new(Function::new(main, metrics.clone())));
    };
    let mut environment = main.environment.clone();
    environment.retain(|(name, _)| !canary.environment.contains_key(name));
    environment.extend(canary.environment.clone());
    let binary = match &canary.binaries {
        Some(folder) => binary(folder, &main.name)?,
        None => main.binary.clone(),
    };
    let version = FunctionSpec { version: "2".to_owned(), binary, environment, ..main.clone() };
    let versions = Versions::weighted(main, version, canary.weight, options.fault_seed);
    Ok(Arc::new(Function::of_versions(versions, metrics.clone())))
}

fn binary(folder: &Path, name: &str) -> Result<PathBuf, StartError> {
    let binary = folder.join(name);
    if binary.is_file() {
        return Ok(binary);
    }
    Err(StartError::NoBinary { binary: binary.display().to_string() })
}

/// Memory of each function, in MiB, by name.
///
/// As deployed: `memoryMiB` in `stack/lib/constructs`; a test compares both.
pub const FUNCTION_MEMORY_MIB: [(&str, u64); 6] = [
    ("usage-consumer", 256),
    ("api-authorizer", 256),
    ("invalidation-fanout", 128),
    ("usage-endpoint", 128),
    ("usage-reconciler", 512),
    (canary::NAME, 128),
];

fn memory_mib(function: &str) -> u64 {
    let found = FUNCTION_MEMORY_MIB.iter().find(|(name, _)| *name == function);
    // Lambda's own default.
    found.map_or(128, |(_, memory_mib)| *memory_mib)
}
