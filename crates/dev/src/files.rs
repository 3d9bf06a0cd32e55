//! The files that are generated from the Rust code.

use access_log::log_format::{
    ALL_LINES_PATTERN, ApiKind, READABLE_LINES_PATTERN, subscription_filter_pattern,
};
use api_authorizer::metrics::AuthorizerMetric;
use cost_model::LIST_PRICES;
use deployment::functions::{CONSUMER, limits as limits_of};
use deployment::names::{
    DASHBOARD_TEMPLATE, ENVIRONMENT_PATTERN, FUNCTION_TEMPLATE, GIVEN_UP_BUCKET_TEMPLATE, METRIC_NAMESPACE,
    Names,
};
use deployment::{FUNCTIONS, settings};
use lambda_support::telemetry::{Metric, Use};
use local_stack::api::listing;
use local_stack::api::tables::SERVICES;
use meter_cli::schema::{Output, Shape};
use metering_core::status_ranges::{MAX_STATUS_RANGES, StatusRanges};
use output_schema::schema_of;
use serde_json::{Map, Value, json};
use usage_canary::handler::CanaryMetric;
use usage_consumer::metrics::ConsumerMetric;
use usage_endpoint::answer::UsageAnswer;
use usage_reconciler::metrics::ReconcilerMetric;

use crate::environment;
use crate::limits;
use crate::repository::File;

/// The answer of the usage endpoint.
const USAGE_ANSWER: Output = Output {
    command: "GET /usage",
    path: "docs/schemas/get-usage.json",
    shape: Shape::Document,
    schema: schema_of::<UsageAnswer<'static>>,
};

/// Returns all generated files.
pub fn files() -> Vec<File> {
    let json = |path, value: Value| File { path, content: format!("{value:#}\n") };
    let mut files = vec![
        json("stack/lib/generated/access-log.json", access_log()),
        json("stack/lib/generated/environment.json", environment::settings()),
        json("stack/lib/generated/functions.json", functions()),
        json("stack/lib/generated/metrics.json", metrics()),
        json("stack/lib/generated/names.json", names()),
        json("stack/lib/generated/prices.json", prices()),
        json("stack/lib/generated/settings.json", settings()),
        File { path: "docs/LOCAL_SERVICES.md", content: listing(&SERVICES) },
        environment::tables(),
        limits::document(),
    ];
    let schemas = meter_cli::schema::files(&[USAGE_ANSWER]).into_iter().chain(loadtest::schema::files());
    files.extend(schemas.map(|(path, content)| File { path, content }));
    files
}

fn access_log() -> Value {
    json!({
        "restFormat": ApiKind::Rest.access_log_format(),
        "httpFormat": ApiKind::Http.access_log_format(),
        "restFormatWithResponseLength": ApiKind::Rest.access_log_format_with_response_length(),
        "httpFormatWithResponseLength": ApiKind::Http.access_log_format_with_response_length(),
        "subscriptionFilterPatterns": subscription_filter_patterns(),
        "allLinesPattern": ALL_LINES_PATTERN,
        "readableLinesPattern": READABLE_LINES_PATTERN,
        "maxStatusRanges": MAX_STATUS_RANGES,
        "billedStatuses": settings::BILLED_STATUSES.split(',').collect::<Vec<_>>(),
        "unbilledRoutes": settings::UNBILLED_ROUTES.split(',').collect::<Vec<_>>(),
    })
}

/// Returns the pattern of the subscription filter for each set of first digits of billed statuses.
fn subscription_filter_patterns() -> Value {
    let hundreds = ["200-299", "300-399", "400-499", "500-599"];
    let sets = 1..1 << hundreds.len();
    let patterns = sets.map(|set: usize| {
        let members = hundreds.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
        let text: Vec<&str> = members.map(|(_, hundred)| *hundred).collect();
        let statuses: StatusRanges =
            text.join(",").parse().unwrap_or_else(|_| unreachable!("the ranges are valid"));
        (statuses.first_digits(), subscription_filter_pattern(&statuses).into())
    });
    Value::Object(patterns.collect())
}

fn functions() -> Value {
    let limits = FUNCTIONS.map(|(service, limits)| {
        let limits = json!({"memoryMiB": limits.memory_mib, "timeoutMs": limits.timeout_ms});
        (service.to_owned(), limits)
    });
    Value::Object(limits.into_iter().collect())
}

fn names() -> Value {
    let mut names: Map<String, Value> =
        Names::templates().into_iter().map(|(name, template)| (name.to_owned(), template.into())).collect();
    let more = [
        ("dashboard", DASHBOARD_TEMPLATE),
        ("environmentPattern", ENVIRONMENT_PATTERN),
        ("function", FUNCTION_TEMPLATE),
        ("givenUpBucket", GIVEN_UP_BUCKET_TEMPLATE),
    ];
    names.extend(more.map(|(name, template)| (name.to_owned(), template.into())));
    Value::Object(names)
}

/// Returns the list prices that the dashboard uses, in US dollars for a million
/// units: a millisecond is one of the consumer, a byte one of its log.
fn prices() -> Value {
    let gb = f64::from(limits_of(CONSUMER).memory_mib) / 1_024.0;
    let milliseconds = |gb_second: f64| -> Value {
        let dollars = format!("{:.7}", gb * 1e6 * gb_second / 1e3);
        dollars.parse::<f64>().unwrap_or_default().into()
    };
    json!({
        "validFor": LIST_PRICES.valid_for,
        "usdPerMillion": {
            "write": LIST_PRICES.million_writes,
            "invocation": LIST_PRICES.million_invocations,
            "millisecond": {
                "arm64": milliseconds(LIST_PRICES.gb_second),
                "x86_64": milliseconds(LIST_PRICES.gb_second_x86_64),
            },
            "byte": LIST_PRICES.log_gb[0].dollars / 1e3,
        },
    })
}

fn settings() -> Value {
    json!({
        "authorizerCacheTtlS": settings::AUTHORIZER_CACHE_TTL_S,
        "syncIntervalMs": settings::SYNC_INTERVAL_MS,
        "shardCount": settings::SHARD_COUNT,
        "batchSize": settings::BATCH_SIZE,
        "batchWindowS": settings::BATCH_WINDOW_S,
        "shardPartitionPrefix": settings::SHARD_PARTITION_PREFIX,
        "comparedHoursPartition": settings::COMPARED_HOURS_PARTITION,
        "classWeightsPartition": settings::CLASS_WEIGHTS_PARTITION,
        "usageRetentionDays": settings::USAGE_RETENTION_DAYS,
        "claimRetentionDays": settings::CLAIM_RETENTION_DAYS,
    })
}

/// The metrics that CloudWatch extracts, and the number of those that usually have values.
fn metrics() -> Value {
    let (mut services, mut usual) = (Map::new(), Map::new());
    let mut add = |service: &str, (units, count): (Map<String, Value>, usize)| {
        services.insert(service.to_owned(), units.into());
        usual.insert(service.to_owned(), count.into());
    };
    add(usage_consumer::metrics::SERVICE, extracted(ConsumerMetric::ALL));
    add(api_authorizer::metrics::SERVICE, extracted(AuthorizerMetric::ALL));
    add(usage_canary::handler::SERVICE, extracted(CanaryMetric::ALL));
    add(usage_reconciler::metrics::SERVICE, extracted(ReconcilerMetric::ALL));
    json!({"namespace": METRIC_NAMESPACE, "services": services, "usualCounts": usual})
}

/// Maps the name of each metric that CloudWatch extracts to its unit, and counts those that
/// usually have values.
fn extracted(metrics: &[impl Metric]) -> (Map<String, Value>, usize) {
    let extracted = metrics.iter().filter(|metric| metric.extraction() != Use::Property);
    let units = extracted.map(|metric| (metric.name().to_owned(), json!(metric.unit().name()))).collect();
    (units, metrics.iter().filter(|metric| metric.extraction() == Use::Usual).count())
}
