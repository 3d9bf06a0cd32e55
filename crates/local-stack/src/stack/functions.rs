//! The Lambda functions of a stack, with their settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access_log::log_format::ApiKind;
use deployment::environment::variables;
use deployment::functions::{
    AUTHORIZER, CANARY, CONSUMER, FANOUT, PORTAL, RECONCILER, USAGE_ENDPOINT, limits,
};
use deployment::names::local::{
    ACCESS_LOG_GROUP, ALERTS_TABLE, CLAIMS_TABLE, INVALIDATIONS_TABLE, KEYS_TABLE, STREAM, USAGE_TABLE,
};
use deployment::settings::UNBILLED_ROUTES;
use metering_aws::connection::LOCAL_REGION;

use super::canary::CanarySettings;
use super::error::StartError;
use super::options::LocalOptions;
use crate::cloudwatch::metrics::MetricSink;
use crate::lambda::{Function, FunctionSpec, Versions};
use crate::names::{API_ID, STAGE, stream_arn};

/// Maximum number of canary invocations at once. They start once a minute, and each waits
/// until the ledger shows its call.
const MAX_CANARIES: usize = 3;

/// Minutes between the end of an hour and its reconciliation. Events arrive sooner here than on AWS.
const LOCAL_SETTLE_MINUTES: &str = "2";

/// The functions of a stack.
pub(super) struct Functions {
    pub consumer: Arc<Function>,
    pub authorizer: Arc<Function>,
    pub fanout: Arc<Function>,
    pub usage_endpoint: Arc<Function>,
    pub portal: Arc<Function>,
    pub reconciler: Arc<Function>,
    pub canary: Option<Arc<Function>>,
}

/// Endpoints and topics of the stack that the functions use.
pub(super) struct Wiring {
    pub aws_endpoint_url: String,
    pub quarantine_queue_url: String,
    pub alerts_topic_arn: String,
    /// The key by which portal tokens are verified.
    pub portal_public_key: String,
    /// `None` if the stack runs without the function `usage-canary`.
    pub canary: Option<CanarySettings>,
    pub metrics: Arc<MetricSink>,
}

/// Settings of one function.
struct Settings<'a> {
    /// The name of the function and of its binary.
    service: &'static str,
    /// Environment variables that the other functions do not have.
    variables: &'a [(&'a str, &'a str)],
    /// Environment variables of the user's choice, which replace those above.
    further_variables: &'a [(String, String)],
    max_environments: usize,
    /// `true` if an invocation goes to any idle environment, not to the one used last.
    spreads: bool,
}

impl Functions {
    /// Describes the functions. A process is started only when its function is first invoked.
    pub fn new(options: &LocalOptions, wiring: &Wiring) -> Result<Self, StartError> {
        let factory = Factory { options, wiring };
        Ok(Self {
            consumer: factory.consumer()?,
            authorizer: factory.authorizer()?,
            fanout: factory.fanout()?,
            usage_endpoint: factory.usage_endpoint()?,
            portal: factory.portal()?,
            reconciler: factory.reconciler()?,
            canary: wiring.canary.as_ref().map(|settings| factory.canary(settings)).transpose()?,
        })
    }

    pub fn all(&self) -> Vec<Arc<Function>> {
        let always = [
            &self.consumer,
            &self.authorizer,
            &self.fanout,
            &self.usage_endpoint,
            &self.portal,
            &self.reconciler,
        ];
        always.into_iter().chain(&self.canary).cloned().collect()
    }
}

struct Factory<'a> {
    options: &'a LocalOptions,
    wiring: &'a Wiring,
}

impl Factory<'_> {
    /// The consumer. If the options name a second version, it is behind a weighted alias.
    fn consumer(&self) -> Result<Arc<Function>, StartError> {
        let main = self.spec(&Settings {
            service: CONSUMER,
            variables: &[
                (variables::USAGE_TABLE.name, USAGE_TABLE),
                (variables::CLAIMS_TABLE.name, CLAIMS_TABLE),
                (variables::QUARANTINE_QUEUE_URL.name, &self.wiring.quarantine_queue_url),
                (variables::BILLED_STATUSES.name, &self.options.billed_statuses.to_string()),
                (variables::UNBILLED_ROUTES.name, UNBILLED_ROUTES),
            ],
            further_variables: &self.options.consumer_environment,
            max_environments: self.options.max_environments,
            spreads: false,
        })?;
        let Some(canary) = &self.options.canary else { return Ok(self.function(main)) };
        let mut environment = main.environment.clone();
        environment.retain(|(name, _)| !canary.environment.contains_key(name));
        environment.extend(canary.environment.clone());
        let binary = match &canary.binaries {
            Some(folder) => binary(folder, &main.name)?,
            None => main.binary.clone(),
        };
        let version = FunctionSpec { version: "2".to_owned(), binary, environment, ..main.clone() };
        let versions = Versions::weighted(main, version, canary.weight, self.options.fault_seed);
        Ok(Arc::new(Function::with_versions(versions, self.wiring.metrics.clone())))
    }

    fn authorizer(&self) -> Result<Arc<Function>, StartError> {
        let spec = self.spec(&Settings {
            service: AUTHORIZER,
            variables: &[
                (variables::KEYS_TABLE.name, KEYS_TABLE),
                (variables::INVALIDATIONS_TABLE.name, INVALIDATIONS_TABLE),
                (variables::USAGE_TABLE.name, USAGE_TABLE),
                (variables::ALERTS_TABLE.name, ALERTS_TABLE),
                (variables::ALERTS_TOPIC_ARN.name, &self.wiring.alerts_topic_arn),
                (variables::SYNC_INTERVAL_MS.name, &self.options.sync_interval_ms.to_string()),
                (
                    variables::HTTP_API_SIMPLE_RESPONSES.name,
                    &self.options.http_api_simple_responses.to_string(),
                ),
            ],
            further_variables: &self.options.authorizer_environment,
            max_environments: self.options.max_authorizers,
            spreads: self.options.spreads_authorizations,
        })?;
        Ok(self.function(spec))
    }

    fn fanout(&self) -> Result<Arc<Function>, StartError> {
        // The operation that the fan-out calls does not flush the stage of an HTTP API.
        let stages = match self.options.api_kind {
            ApiKind::Rest => format!("{API_ID}/{STAGE}"),
            ApiKind::Http => String::new(),
        };
        // One environment, so that many messages share a flush.
        self.simple(FANOUT, &[(variables::STAGES.name, &stages)], 1)
    }

    fn usage_endpoint(&self) -> Result<Arc<Function>, StartError> {
        let variables = [
            (variables::USAGE_TABLE.name, USAGE_TABLE),
            (variables::CLAIMS_TABLE.name, CLAIMS_TABLE),
            (variables::STREAM_ARN.name, &stream_arn(STREAM)),
        ];
        self.simple(USAGE_ENDPOINT, &variables, 2)
    }

    fn portal(&self) -> Result<Arc<Function>, StartError> {
        let variables = [
            (variables::USAGE_TABLE.name, USAGE_TABLE),
            (variables::CLAIMS_TABLE.name, CLAIMS_TABLE),
            (variables::STREAM_ARN.name, &stream_arn(STREAM)),
            (variables::PORTAL_PUBLIC_KEYS.name, &self.wiring.portal_public_key),
            (variables::PORTAL_FRAME_ANCESTORS.name, &self.options.portal_frame_ancestors),
        ];
        self.simple(PORTAL, &variables, 2)
    }

    fn reconciler(&self) -> Result<Arc<Function>, StartError> {
        let variables = [
            (variables::USAGE_TABLE.name, USAGE_TABLE),
            (variables::CLAIMS_TABLE.name, CLAIMS_TABLE),
            (variables::ACCESS_LOG_GROUPS.name, ACCESS_LOG_GROUP),
            (variables::BILLED_STATUSES.name, &self.options.billed_statuses.to_string()),
            (variables::UNBILLED_ROUTES.name, UNBILLED_ROUTES),
            (variables::SETTLE_MINUTES.name, LOCAL_SETTLE_MINUTES),
        ];
        self.simple(RECONCILER, &variables, 1)
    }

    fn canary(&self, settings: &CanarySettings) -> Result<Arc<Function>, StartError> {
        let spec = self.spec(&Settings {
            service: CANARY,
            variables: &[],
            further_variables: &settings.environment,
            max_environments: MAX_CANARIES,
            spreads: false,
        })?;
        Ok(self.function(FunctionSpec { timeout_ms: settings.timeout_ms, ..spec }))
    }

    fn simple(
        &self,
        service: &'static str,
        variables: &[(&str, &str)],
        max_environments: usize,
    ) -> Result<Arc<Function>, StartError> {
        let settings =
            Settings { service, variables, further_variables: &[], max_environments, spreads: false };
        Ok(self.function(self.spec(&settings)?))
    }

    fn function(&self, spec: FunctionSpec) -> Arc<Function> {
        Arc::new(Function::new(spec, self.wiring.metrics.clone()))
    }

    fn spec(&self, settings: &Settings<'_>) -> Result<FunctionSpec, StartError> {
        let limits = limits(settings.service);
        let common = [
            ("AWS_ENDPOINT_URL", self.wiring.aws_endpoint_url.as_str()),
            ("AWS_REGION", LOCAL_REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            (variables::ENVIRONMENT_NAME.name, STAGE),
        ];
        let variables = common.iter().chain(settings.variables);
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok(FunctionSpec {
            name: settings.service.to_owned(),
            version: "1".to_owned(),
            binary: binary(&self.options.binaries, settings.service)?,
            environment: variables.chain(settings.further_variables.iter().cloned()).collect(),
            memory_mib: limits.memory_mib.into(),
            limits_memory: self.options.limits_memory,
            timeout_ms: limits.timeout_ms,
            max_environments: settings.max_environments,
            spreads: settings.spreads,
        })
    }
}

/// Returns the path of a function's binary.
fn binary(folder: &Path, name: &str) -> Result<PathBuf, StartError> {
    let binary = folder.join(name);
    if binary.is_file() {
        return Ok(binary);
    }
    Err(StartError::NoBinary { binary: binary.display().to_string() })
}
