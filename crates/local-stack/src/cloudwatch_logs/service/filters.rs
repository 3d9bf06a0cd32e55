//! Metric filters and subscription filters.
//!
//! Source: CloudWatch Logs API Reference, `PutMetricFilter`,
//! `PutSubscriptionFilter`, `TestMetricFilter` and their `Describe` operations.

use lambda_support::clock::now_ms;
use serde_json::{Value, json};

use super::error::{LogsError, invalid};
use super::groups::{LogGroups, page};
use super::parameters::Parameters;
use crate::cloudwatch_logs::filter_pattern::{FilterPattern, Line};
use crate::cloudwatch_logs::log_group::{FilterError, LogGroup, MetricFilter, SubscriptionFilter};

/// The most filter patterns with a regular expression of a log group.
/// Source: user guide, "Supported regular expressions (regex) syntax".
const MAX_REGEX_FILTERS: usize = 5;
/// The most metric filters of a log group. Source: user guide, "CloudWatch Logs quotas".
const MAX_METRIC_FILTERS: usize = 100;
/// The most lines of `TestMetricFilter`.
const MAX_TESTED: usize = 50;

/// `PutMetricFilter`.
pub(super) fn put_metric_filter(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let known = ["logGroupName", "filterName", "filterPattern", "metricTransformations"];
    let parameters = Parameters::read(request, &known)?;
    let group = groups.named(parameters.required_text("logGroupName")?)?;
    let name = parameters.required_text("filterName")?;
    let pattern = read_pattern(&parameters)?;
    let transformations = parameters.list("metricTransformations")?;
    let Some([transformation]) = transformations else {
        return Err(invalid("metricTransformations has one transformation"));
    };
    let filter = metric_filter(name, pattern.text(), transformation)?;
    let filters = group.metric_filters();
    if filters.len() >= MAX_METRIC_FILTERS && filters.iter().all(|other| other.filter_name != name) {
        return Err(limit_exceeded(format!("a log group has {MAX_METRIC_FILTERS} metric filters at most")));
    }
    check_regexes(&group, &pattern, Some(name), false)?;
    group.put_metric_filter(filter).map_err(refused)?;
    Ok(json!({}))
}

fn metric_filter(name: &str, pattern: &str, transformation: &Value) -> Result<MetricFilter, LogsError> {
    let known = ["metricName", "metricNamespace", "metricValue", "defaultValue", "unit"];
    let parameters = Parameters::read(transformation, &known)?;
    if parameters.text("unit")?.is_some_and(|unit| !matches!(unit, "None" | "Count")) {
        return Err(invalid("the local stack keeps metrics of the units None and Count only"));
    }
    let value = parameters.required_text("metricValue")?;
    let value = value.parse().map_err(|_| {
        invalid(format!(
            "the local stack takes a whole number as metricValue, such as \"1\", and not {value:?}"
        ))
    })?;
    let default_value = match transformation["defaultValue"].as_f64() {
        None => None,
        Some(0.0) => Some(0),
        Some(other) => {
            return Err(invalid(format!("the local stack takes 0 as defaultValue, and not {other}")));
        }
    };
    Ok(MetricFilter {
        filter_name: name.to_owned(),
        filter_pattern: pattern.to_owned(),
        metric_name: parameters.required_text("metricName")?.to_owned(),
        metric_namespace: parameters.required_text("metricNamespace")?.to_owned(),
        value,
        default_value,
        created_ms: now_ms(),
    })
}

/// `DescribeMetricFilters`.
pub(super) fn describe_metric_filters(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let known = ["logGroupName", "filterNamePrefix", "metricName", "metricNamespace", "nextToken", "limit"];
    let parameters = Parameters::read(request, &known)?;
    let chosen = match parameters.text("logGroupName")? {
        Some(name) => vec![groups.named(name)?],
        None => groups.all(),
    };
    let prefix = parameters.text("filterNamePrefix")?.unwrap_or("");
    let metric = (parameters.text("metricName")?, parameters.text("metricNamespace")?);
    if metric.0.is_some() != metric.1.is_some() {
        return Err(invalid("metricName and metricNamespace go together"));
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
    page("metricFilters", described, &parameters)
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

/// `TestMetricFilter`. No values are extracted: AWS does not say which.
pub(super) fn test_metric_filter(request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::read(request, &["filterPattern", "logEventMessages"])?;
    let pattern = read_pattern(&parameters)?;
    let lines = parameters.texts("logEventMessages")?.unwrap_or_default();
    if !(1..=MAX_TESTED).contains(&lines.len()) {
        return Err(invalid(format!("logEventMessages has 1 to {MAX_TESTED} lines")));
    }
    let matches = lines.iter().zip(1..).filter(|(line, _)| pattern.matches(&Line::new(line)));
    let matches: Vec<Value> = matches
        .map(|(line, number)| json!({"eventNumber": number, "eventMessage": line, "extractedValues": {}}))
        .collect();
    Ok(json!({"matches": matches}))
}

/// `PutSubscriptionFilter`, to a stream; says whether it is the group's first.
pub(super) fn put_subscription_filter(
    groups: &LogGroups,
    request: &Value,
    stream_arn: &str,
) -> Result<Option<std::sync::Arc<LogGroup>>, LogsError> {
    let known = ["logGroupName", "filterName", "filterPattern", "destinationArn", "roleArn", "distribution"];
    let parameters = Parameters::read(request, &known)?;
    let group = groups.named(parameters.required_text("logGroupName")?)?;
    let name = parameters.required_text("filterName")?;
    let pattern = read_pattern(&parameters)?;
    let destination = parameters.required_text("destinationArn")?;
    if destination != stream_arn {
        return Err(invalid(format!(
            "the local stack delivers to {stream_arn} only, and not to {destination}"
        )));
    }
    let role = parameters.required_text("roleArn")?;
    if parameters.text("distribution")? != Some("Random") {
        return Err(invalid(
            "the local stack distributes at Random only; AWS does ByLogStream unless it is told",
        ));
    }
    let present = group.subscription_filter();
    if let Some(present) = &present
        && present.0.filter_name != name
    {
        return Err(limit_exceeded(format!(
            "the local stack has one subscription filter per log group, and AWS two; {} is there",
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
    group.put_subscription_filter(filter).map_err(refused)?;
    Ok(present.is_none().then_some(group))
}

/// `DescribeSubscriptionFilters`.
pub(super) fn describe_subscription_filters(groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
    let parameters = Parameters::read(request, &["logGroupName", "filterNamePrefix", "nextToken", "limit"])?;
    let group = groups.named(parameters.required_text("logGroupName")?)?;
    let prefix = parameters.text("filterNamePrefix")?.unwrap_or("");
    let filter = group.subscription_filter().filter(|filter| filter.0.filter_name.starts_with(prefix));
    let described = filter.iter().map(|filter| {
        let (filter, _) = &**filter;
        json!({"filterName": filter.filter_name, "logGroupName": group.name(), "filterPattern": filter.filter_pattern,
            "destinationArn": filter.destination_arn, "roleArn": filter.role_arn, "distribution": "Random",
            "creationTime": filter.created_ms})
    });
    page("subscriptionFilters", described.collect(), &parameters)
}

/// The pattern of a request; an empty one, which matches everything, has to be given.
fn read_pattern(parameters: &Parameters<'_>) -> Result<FilterPattern, LogsError> {
    let text =
        parameters.text("filterPattern")?.ok_or_else(|| invalid("the parameter filterPattern is missing"))?;
    FilterPattern::parse(text).map_err(|error| invalid(error.to_string()))
}

/// Refuses one regular expression too many; a filter that is replaced does not count.
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
            "{MAX_REGEX_FILTERS} filter patterns of the log group have a regular expression already"
        )));
    }
    Ok(())
}

fn limit_exceeded(problem: String) -> LogsError {
    ("LimitExceededException", problem)
}

fn refused(error: FilterError) -> LogsError {
    match error {
        FilterError::Pattern(error) => invalid(error.to_string()),
        FilterError::File(error) => {
            ("ServiceUnavailableException", format!("the filter cannot be kept: {error}"))
        }
    }
}
