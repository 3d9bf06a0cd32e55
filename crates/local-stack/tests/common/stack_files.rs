//! What the stack has to know of the program, as the files that it reads.

use access_log::log_format::{
    ALL_LINES_PATTERN, ApiKind, READABLE_LINES_PATTERN, SUBSCRIPTION_FILTER_PATTERN,
};
use api_authorizer::metrics::AuthorizerMetric;
use invalidation_fanout::handler::FanoutMetric;
use lambda_support::telemetry::{Metric, NAMESPACE};
use local_stack::stack::UNBILLED_ROUTES;
use serde_json::{Map, Value, json};
use usage_canary::handler::CanaryMetric;
use usage_consumer::metrics::ConsumerMetric;
use usage_reconciler::metrics::ReconcilerMetric;

/// The files of `stack/lib`, by name.
pub fn stack_files() -> [(&'static str, Value); 2] {
    let access_log = json!({
        "restFormat": ApiKind::Rest.access_log_format(),
        "httpFormat": ApiKind::Http.access_log_format(),
        "subscriptionFilterPattern": SUBSCRIPTION_FILTER_PATTERN,
        "allLinesPattern": ALL_LINES_PATTERN,
        "readableLinesPattern": READABLE_LINES_PATTERN,
        "unbilledRoutes": UNBILLED_ROUTES.split(',').collect::<Vec<_>>(),
    });
    let metrics = json!({
        "namespace": NAMESPACE,
        "services": {
            (usage_consumer::metrics::SERVICE): units(ConsumerMetric::ALL),
            (api_authorizer::metrics::SERVICE): units(AuthorizerMetric::ALL),
            (invalidation_fanout::handler::SERVICE): units(FanoutMetric::ALL),
            (usage_canary::handler::SERVICE): units(CanaryMetric::ALL),
            (usage_reconciler::metrics::SERVICE): units(ReconcilerMetric::ALL),
        },
    });
    [("access-log.json", access_log), ("metrics.json", metrics)]
}

/// The unit of each metric, by its name.
fn units(metrics: &[impl Metric]) -> Map<String, Value> {
    metrics.iter().map(|metric| (metric.name().to_owned(), json!(metric.unit().name()))).collect()
}
