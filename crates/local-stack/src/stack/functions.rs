//! The functions of a stack, with their settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access_log::log_format::ApiKind;
use deployment::functions::limits;
use deployment::names::local::{
    ACCESS_LOG_GROUP, ALERTS_TABLE, CLAIMS_TABLE, INVALIDATIONS_TABLE, KEYS_TABLE, USAGE_TABLE,
};
use metering_aws::connection::LOCAL_REGION;

use super::canary::{self, CanarySettings};
use super::error::StartError;
use super::options::LocalOptions;
use super::resources::Topics;
use crate::cloudwatch::metrics::MetricSink;
use crate::lambda::{Function, FunctionSpec, Versions};
use crate::names::{API_ID, STAGE};

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
    let function = |name: &str, variables: &[(&str, &str)], further: &[(String, String)], most, spreads| {
        let limits = limits(name);
        let common = [
            ("AWS_ENDPOINT_URL", aws_endpoint_url),
            ("AWS_REGION", LOCAL_REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("ENVIRONMENT_NAME", "local"),
        ];
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = common.iter().chain(variables).map(own).chain(further.iter().cloned()).collect();
        Ok::<_, StartError>(FunctionSpec {
            name: name.to_owned(),
            version: "1".to_owned(),
            binary: binary(&options.binaries, name)?,
            environment,
            memory_mib: limits.memory_mib.into(),
            limits_memory: options.limits_memory,
            timeout_ms: limits.timeout_ms,
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
            options.max_authorizers,
            options.spreads_authorizations,
        ))?,
        // One at a time, so that many messages share a flush.
        fanout: start(function("invalidation-fanout", &[("STAGES", &stages)], &[], 1, false))?,
        usage_endpoint: start(function("usage-endpoint", &[("USAGE_TABLE", USAGE_TABLE)], &[], 2, false))?,
        reconciler: start(function(
            "usage-reconciler",
            &[
                ("USAGE_TABLE", USAGE_TABLE),
                ("CLAIMS_TABLE", CLAIMS_TABLE),
                ("ACCESS_LOG_GROUPS", ACCESS_LOG_GROUP),
                ("UNBILLED_ROUTES", UNBILLED_ROUTES),
                ("SETTLE_MINUTES", LOCAL_SETTLE_MINUTES),
            ],
            &[],
            1,
            false,
        ))?,
        canary: canary
            .map(|settings| {
                let spec = function(canary::NAME, &[], &settings.environment, CANARIES_AT_ONCE, false)?;
                start(Ok(FunctionSpec { timeout_ms: settings.timeout_ms, ..spec }))
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
    Ok(Arc::new(Function::with_versions(versions, metrics.clone())))
}

fn binary(folder: &Path, name: &str) -> Result<PathBuf, StartError> {
    let binary = folder.join(name);
    if binary.is_file() {
        return Ok(binary);
    }
    Err(StartError::NoBinary { binary: binary.display().to_string() })
}
