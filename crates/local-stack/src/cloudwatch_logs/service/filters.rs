//! Metric filters and subscription filters.
//!
//! Source: CloudWatch Logs API Reference, `PutMetricFilter`,
//! `PutSubscriptionFilter`, `TestMetricFilter` and their `Describe` operations.

use serde_json::{Value, json};
use system_clock::now_ms;

use super::error::{LogsError, invalid};
use super::groups::{LogGroups, page};
use super::parameters::Parameters;
use crate::cloudwatch_logs::filter_pattern::{FilterPattern, Line};
use crate::cloudwatch_logs::log_group::{FilterError, LogGroup, MetricFilter, SubscriptionFilter};

/// Maximum number of filter patterns with a regular expression of a log group.
/// Source: user guide, "Supported regular expressions (regex) syntax".
const MAX_REGEX_FILTERS: usize = 5;
/// Maximum number of metric filters of a log group. Source: user guide, "CloudWatch Logs quotas".
const MAX_METRIC_FILTERS: usize = 100;

pub(super) fn put_metric_filter(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let group = groups.named(parameters.required_text("logGroupName"))?;
    let name = parameters.required_text("filterName");
    let pattern = read_pattern(parameters)?;
    let [transformation] = parameters.list("metricTransformations") else {
        return Err(invalid("metricTransformations has to have one transformation"));
    };
    let filter = metric_filter(name, pattern.text(), transformation)?;
    let filters = group.metric_filters();
    if filters.len() >= MAX_METRIC_FILTERS && filters.iter().all(|other| other.filter_name != name) {
        return Err(limit_exceeded(format!("a log group can have {MAX_METRIC_FILTERS} metric filters")));
    }
    check_regexes(&group, &pattern, Some(name), false)?;
    group.put_metric_filter(filter).map_err(filter_error)?;
    Ok(json!({}))
}

fn metric_filter(name: &str, pattern: &str, transformation: &Value) -> Result<MetricFilter, LogsError> {
    let parameters = Parameters::new(transformation);
    if parameters.text("unit").is_some_and(|unit| !matches!(unit, "None" | "Count")) {
        return Err(invalid("the local stack supports only the units None and Count"));
    }
    let value = parameters.required_text("metricValue");
    let value = value.parse().map_err(|_| {
        invalid(format!(
            "the local stack supports only a whole number such as \"1\" as metricValue, not {value:?}"
        ))
    })?;
    let default_value = match parameters.number("defaultValue") {
        None => None,
        Some(0.0) => Some(0),
        Some(other) => {
            return Err(invalid(format!("the local stack supports only 0 as defaultValue, not {other}")));
        }
    };
    Ok(MetricFilter {
        filter_name: name.to_owned(),
        filter_pattern: pattern.to_owned(),
        metric_name: parameters.required_text("metricName").to_owned(),
        metric_namespace: parameters.required_text("metricNamespace").to_owned(),
        value,
        default_value,
        created_ms: now_ms(),
    })
}

pub(super) fn describe_metric_filters(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let chosen = match parameters.text("logGroupName") {
        Some(name) => vec![groups.named(name)?],
        None => groups.all(),
    };
    let prefix = parameters.text("filterNamePrefix").unwrap_or("");
    let metric = (parameters.text("metricName"), parameters.text("metricNamespace"));
    if metric.0.is_some() != metric.1.is_some() {
        return Err(invalid("give metricName and metricNamespace together"));
    }
    let mut described = Vec::new();
    for group in chosen {
        for filter in group.metric_filters() {
            let is_wanted = filter.filter_name.starts_with(prefix)
                && metric.0.is_none_or(|name| name == filter.metric_name)
                && metric.1.is_none_or(|namespace| namespace == filter.metric_namespace);
            if is_wanted {
                described.push(described_metric_filter(&group, &filter));
            }
        }
    }
    page("metricFilters", described, parameters)
}

fn described_metric_filter(group: &LogGroup, filter: &MetricFilter) -> Value {
    let mut transformation = json!({"metricName": filter.metric_name, "metricNamespace": filter.metric_namespace,
        "metricValue": filter.value.to_string()});
    if let Some(default) = filter.default_value {
        transformation["defaultValue"] = default.into();
    }
    json!({"filterName": filter.filter_name, "filterPattern": filter.filter_pattern, "logGroupName": group.name(),
        "creationTime": filter.created_ms, "metricTransformations": [transformation]})
}

/// `TestMetricFilter`. `extractedValues` is empty, because AWS does not document which values it has.
pub(super) fn test_metric_filter(request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let pattern = read_pattern(parameters)?;
    let lines = parameters.texts("logEventMessages").unwrap_or_default();
    let matches = lines.iter().zip(1..).filter(|(line, _)| pattern.matches(&Line::new(line)));
    let matches: Vec<Value> = matches
        .map(|(line, number)| json!({"eventNumber": number, "eventMessage": line, "extractedValues": {}}))
        .collect();
    Ok(json!({"matches": matches}))
}

/// `PutSubscriptionFilter`, to a stream. Returns the log group if this is its first filter.
pub(super) fn put_subscription_filter(
    groups: &LogGroups,
    request: &Value,
    stream_arn: &str,
) -> Result<Option<std::sync::Arc<LogGroup>>, LogsError> {
    let parameters = Parameters::new(request);
    let group = groups.named(parameters.required_text("logGroupName"))?;
    let name = parameters.required_text("filterName");
    let pattern = read_pattern(parameters)?;
    let destination = parameters.required_text("destinationArn");
    if destination != stream_arn {
        return Err(invalid(format!("the local stack delivers only to {stream_arn}, not to {destination}")));
    }
    let role = parameters.required_text("roleArn");
    if parameters.text("distribution") != Some("Random") {
        return Err(invalid(
            "the local stack supports only the distribution Random; the default of AWS is ByLogStream",
        ));
    }
    let present = group.subscription_filter();
    if let Some(present) = &present
        && present.0.filter_name != name
    {
        return Err(limit_exceeded(format!(
            "the local stack supports one subscription filter per log group, and AWS two; the log group has {}",
            present.0.filter_name
        )));
    }
    check_regexes(&group, &pattern, None, true)?;
    let filter = SubscriptionFilter {
        filter_name: name.to_owned(),
        filter_pattern: pattern.text().to_owned(),
        destination_arn: destination.to_owned(),
        role_arn: role.to_owned(),
        created_ms: now_ms(),
    };
    group.put_subscription_filter(filter).map_err(filter_error)?;
    Ok(present.is_none().then_some(group))
}

pub(super) fn describe_subscription_filters(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::new(request);
    let group = groups.named(parameters.required_text("logGroupName"))?;
    let prefix = parameters.text("filterNamePrefix").unwrap_or("");
    let filter = group.subscription_filter().filter(|filter| filter.0.filter_name.starts_with(prefix));
    let described = filter.iter().map(|filter| {
        let (filter, _) = &**filter;
        json!({"filterName": filter.filter_name, "logGroupName": group.name(), "filterPattern": filter.filter_pattern,
            "destinationArn": filter.destination_arn, "roleArn": filter.role_arn, "distribution": "Random",
            "creationTime": filter.created_ms})
    });
    page("subscriptionFilters", described.collect(), parameters)
}

/// Parses the filter pattern of a request.
fn read_pattern(parameters: Parameters<'_>) -> Result<FilterPattern, LogsError> {
    FilterPattern::parse(parameters.required_text("filterPattern"))
        .map_err(|error| invalid(error.to_string()))
}

/// Refuses a pattern with a regular expression if the log group has its maximum. The filter that the
/// new one replaces does not count.
fn check_regexes(
    group: &LogGroup,
    pattern: &FilterPattern,
    metric_filter: Option<&str>,
    replaces_subscription: bool,
) -> Result<(), LogsError> {
    let others = group.metric_filters();
    let others = others.iter().filter(|filter| Some(filter.filter_name.as_str()) != metric_filter);
    let has_regex = |text: &str| FilterPattern::parse(text).is_ok_and(|pattern| pattern.has_regex());
    let of_metrics = others.filter(|filter| has_regex(&filter.filter_pattern)).count();
    let subscription = group.subscription_filter().filter(|_| !replaces_subscription);
    let of_subscription = usize::from(subscription.is_some_and(|filter| filter.1.has_regex()));
    if pattern.has_regex() && of_metrics + of_subscription >= MAX_REGEX_FILTERS {
        return Err(limit_exceeded(format!(
            "{MAX_REGEX_FILTERS} filter patterns of the log group already have a regular expression"
        )));
    }
    Ok(())
}

fn limit_exceeded(problem: String) -> LogsError {
    LogsError::new("LimitExceededException", problem)
}

fn filter_error(error: FilterError) -> LogsError {
    match error {
        FilterError::Pattern(error) => invalid(error.to_string()),
        FilterError::File(error) => {
            LogsError::new("ServiceUnavailableException", format!("the filter cannot be written: {error}"))
        }
    }
}
