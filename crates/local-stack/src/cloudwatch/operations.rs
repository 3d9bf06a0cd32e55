//! The operations of CloudWatch.

use serde_json::{Value, json};

use super::{MetricData, MetricStore, metric_data};

/// Maximum number of metrics of one response. Source: CloudWatch API Reference, `ListMetrics`.
const MAX_LISTED: usize = 500;
/// Maximum number of values of one response. Source: CloudWatch API Reference, `GetMetricData`.
const MAX_DATA_POINTS: usize = 100_800;

/// An error response.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CloudWatchError {
    /// The code that the API Reference lists.
    pub code: &'static str,
    pub message: String,
}

impl CloudWatchError {
    fn invalid(message: impl Into<String>) -> Self {
        Self { code: "InvalidParameterValue", message: message.into() }
    }
}

/// Performs an operation whose parameters were checked by the table.
///
/// # Errors
/// Returns an error if a query is malformed or not supported, or if a token is unknown.
pub fn handle(store: &MetricStore, operation: &str, request: &Value) -> Result<Value, CloudWatchError> {
    match operation {
        "GetMetricData" => get_metric_data(store, request),
        "ListMetrics" => list_metrics(store, request),
        other => Err(CloudWatchError::invalid(format!("{other} is in the table and has no code"))),
    }
}

fn get_metric_data(store: &MetricStore, request: &Value) -> Result<Value, CloudWatchError> {
    let queries = request["MetricDataQueries"].as_array().map_or(&[][..], Vec::as_slice);
    let (from_ms, to_ms) = (milliseconds(&request["StartTime"]), milliseconds(&request["EndTime"]));
    if from_ms >= to_ms {
        return Err(CloudWatchError::invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let data = metric_data(store, queries, from_ms, to_ms)
        .map_err(|error| CloudWatchError::invalid(error.to_string()))?;
    let is_ascending = request["ScanBy"] == "TimestampAscending";
    let points = points(&data, is_ascending);
    let most = request["MaxDatapoints"].as_u64().and_then(|most| usize::try_from(most).ok());
    let most = most.unwrap_or(MAX_DATA_POINTS).max(1);
    let from = items_before(request, points.len())?;
    let to = (from + most).min(points.len());
    let has_more = to < points.len();
    let results: Vec<Value> = data
        .iter()
        .enumerate()
        .map(|(series, data)| {
            let page = points[from..to].iter().filter(|point| point.0 == series);
            let (times, values): (Vec<i64>, Vec<f64>) = page.map(|point| (point.1 / 1_000, point.2)).unzip();
            let status = if points[to..].iter().any(|point| point.0 == series) { "PartialData" } else { "Complete" };
            json!({"Id": data.id, "Label": data.label, "StatusCode": status, "Timestamps": times, "Values": values})
        })
        .collect();
    let mut response = json!({"MetricDataResults": results, "Messages": []});
    if has_more {
        response["NextToken"] = json!(to.to_string());
    }
    Ok(response)
}

/// Returns all values as (index of the series, time in milliseconds, value). Each series has the latest
/// value first, or last if `is_ascending`.
///
/// Source: CloudWatch API Reference, `GetMetricData`, `ScanBy`.
fn points(data: &[MetricData], is_ascending: bool) -> Vec<(usize, i64, f64)> {
    let mut points = Vec::new();
    for (series, data) in data.iter().enumerate() {
        let mut of_series: Vec<_> =
            data.values.iter().map(|(&at_ms, &value)| (series, at_ms, value)).collect();
        if !is_ascending {
            of_series.reverse();
        }
        points.extend(of_series);
    }
    points
}

/// Returns the number of items that earlier responses had, from `NextToken`.
fn items_before(request: &Value, end: usize) -> Result<usize, CloudWatchError> {
    let Some(token) = request["NextToken"].as_str() else { return Ok(0) };
    let count = token.parse().ok().filter(|count| *count <= end);
    count.ok_or_else(|| CloudWatchError {
        code: "InvalidNextToken",
        message: "the token is not one that this service returned".to_owned(),
    })
}

fn list_metrics(store: &MetricStore, request: &Value) -> Result<Value, CloudWatchError> {
    let mut metrics = store.names();
    let is_wanted = |member: &str, text: &str| request[member].as_str().is_none_or(|wanted| wanted == text);
    metrics
        .retain(|metric| is_wanted("Namespace", &metric.namespace) && is_wanted("MetricName", &metric.name));
    for filter in request["Dimensions"].as_array().into_iter().flatten() {
        let name = filter["Name"].as_str().unwrap_or_default();
        metrics.retain(|metric| {
            let value = metric.dimensions.get(name);
            value.is_some_and(|value| filter["Value"].as_str().is_none_or(|wanted| wanted == value))
        });
    }
    let from = items_before(request, metrics.len())?;
    let to = (from + MAX_LISTED).min(metrics.len());
    let listed = metrics[from..to].iter().map(|metric| {
        let dimensions = metric.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value}));
        json!({"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions.collect::<Vec<_>>()})
    });
    let mut response = json!({"Metrics": listed.collect::<Vec<_>>()});
    if to < metrics.len() {
        response["NextToken"] = json!(to.to_string());
    }
    Ok(response)
}

#[expect(clippy::cast_possible_truncation, reason = "times of this century")]
fn milliseconds(seconds: &Value) -> i64 {
    (seconds.as_f64().unwrap_or_default() * 1_000.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudwatch::MetricName;

    fn store() -> MetricStore {
        let store = MetricStore::default();
        for minute in 1..=3 {
            store.record(MetricName::new("N", "A", [("Service", "x")]), minute * 60_000, [10]);
        }
        store.record(MetricName::new("N", "B", [("Service", "y")]), 60_000, [20]);
        store
    }

    fn query(id: &str, name: &str, service: &str) -> Value {
        json!({"Id": id, "MetricStat": {"Period": 60, "Stat": "Sum", "Metric": {"Namespace": "N", "MetricName": name,
            "Dimensions": [{"Name": "Service", "Value": service}]}}})
    }

    fn results(answer: &Value) -> Vec<(String, String, usize)> {
        let results = answer["MetricDataResults"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        results
            .map(|result| {
                (text(&result["Id"]), text(&result["StatusCode"]), result["Values"].as_array().unwrap().len())
            })
            .collect()
    }

    #[test]
    fn data_comes_newest_first_and_in_pages() {
        let store = store();
        let mut request = json!({"MetricDataQueries": [query("a", "A", "x"), query("b", "B", "y")], "StartTime": 0.0,
            "EndTime": 600.0, "MaxDatapoints": 2});
        let first = handle(&store, "GetMetricData", &request).unwrap();
        let row = |id: &str, status: &str, values| (id.to_owned(), status.to_owned(), values);
        assert_eq!(results(&first), [row("a", "PartialData", 2), row("b", "PartialData", 0)]);
        assert_eq!(first["MetricDataResults"][0]["Timestamps"], json!([180, 120]));
        request["NextToken"] = first["NextToken"].clone();
        let second = handle(&store, "GetMetricData", &request).unwrap();
        assert_eq!(results(&second), [row("a", "Complete", 1), row("b", "Complete", 1)]);
        assert_eq!(second["NextToken"], Value::Null);
        request["NextToken"] = json!("x");
        assert_eq!(handle(&store, "GetMetricData", &request).unwrap_err().code, "InvalidNextToken");
        request["StartTime"] = json!(600.0);
        assert_eq!(handle(&store, "GetMetricData", &request).unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn metrics_are_listed_by_what_names_them() {
        let listed = |request: Value| {
            let answer = handle(&store(), "ListMetrics", &request).unwrap();
            let names = answer["Metrics"].as_array().unwrap().iter();
            names.map(|metric| metric["MetricName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listed(json!({})), ["A", "B"]);
        assert_eq!(listed(json!({"MetricName": "B"})), ["B"]);
        assert_eq!(listed(json!({"Dimensions": [{"Name": "Service", "Value": "x"}]})), ["A"]);
        assert!(listed(json!({"Namespace": "M"})).is_empty());
    }
}
