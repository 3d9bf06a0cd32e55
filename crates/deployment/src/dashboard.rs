//! The widgets of the deployed dashboard, as data.
//!
//! `dashboard.json` is the body of the deployed dashboard for the environment `local`.
//! `cargo run -p dev -- generate` writes it.

use serde_json::{Value, json};

use crate::names::LOCAL;

/// The environment whose names are in the file.
const FILE_ENVIRONMENT: &str = LOCAL;
/// Period of a widget without one, in seconds.
const DEFAULT_PERIOD_S: u64 = 300;

/// A horizontal line of a graph, which its values should not exceed.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub label: String,
    pub value: f64,
}

/// The data of a widget.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Queries in the form of `GetMetricData`.
    Metrics(Vec<Value>),
    /// A query of CloudWatch Logs Insights.
    Logs(String),
}

/// A widget of the dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Widget {
    pub title: String,
    /// Unit of the values, as in `ms`; empty for the rows of a query.
    pub unit: String,
    pub source: Source,
    pub limits: Vec<Limit>,
}

/// Returns the widgets of an environment's dashboard.
pub fn widgets(environment: &str) -> Vec<Widget> {
    let definition: Value = serde_json::from_str(include_str!("dashboard.json")).unwrap_or_default();
    let definition = with_environment(&definition, environment);
    definition["widgets"].as_array().into_iter().flatten().map(widget).collect()
}

/// Replaces the names of the resources in a definition by those of an environment.
fn with_environment(value: &Value, environment: &str) -> Value {
    match value {
        Value::String(text) => text
            .split(' ')
            .map(|word| name_in_environment(word, environment))
            .collect::<Vec<_>>()
            .join(" ")
            .into(),
        Value::Array(items) => items.iter().map(|item| with_environment(item, environment)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), with_environment(value, environment))).collect()
        }
        other => other.clone(),
    }
}

fn name_in_environment(word: &str, environment: &str) -> String {
    match word.strip_suffix(FILE_ENVIRONMENT) {
        Some(start) if start.is_empty() || start.ends_with('-') => format!("{start}{environment}"),
        _ => word.to_owned(),
    }
}

fn widget(widget: &Value) -> Widget {
    let properties = &widget["properties"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let source = if let Some(query) = properties["query"].as_str() {
        // The first part of the query has the names of the log groups.
        Source::Logs(query.split_once('|').map_or(query, |(_, query)| query).trim().to_owned())
    } else {
        let period_s = properties["period"].as_u64().unwrap_or(DEFAULT_PERIOD_S);
        let lines = properties["metrics"].as_array().into_iter().flatten();
        Source::Metrics(lines.enumerate().map(|(place, line)| query(place, line, period_s)).collect())
    };
    let annotations = properties["annotations"]["horizontal"].as_array().into_iter().flatten();
    let limits = annotations
        .map(|line| Limit { label: text(&line["label"]), value: line["value"].as_f64().unwrap_or_default() });
    let unit = text(&properties["yAxis"]["left"]["label"]);
    Widget { title: text(&properties["title"]), unit, source, limits: limits.collect() }
}

/// Converts a line of a graph to a query of `GetMetricData`. Source: CloudWatch API Reference, "Dashboard
/// body structure and syntax", metrics array format.
fn query(place: usize, line: &Value, period_s: u64) -> Value {
    let parts = line.as_array().map_or(&[][..], Vec::as_slice);
    let (options, names) = match parts.split_last() {
        Some((options, names)) if options.is_object() => (options, names),
        _ => (&Value::Null, parts),
    };
    let id = options["id"].as_str().map_or_else(|| format!("line_{place}"), str::to_owned);
    let period = options["period"].as_u64().unwrap_or(period_s);
    let mut query = json!({"Id": id, "ReturnData": options["visible"] != false});
    if let Some(expression) = options["expression"].as_str() {
        query["Expression"] = expression.into();
        query["Period"] = period.into();
    } else {
        let dimensions: Vec<Value> = names
            .get(2..)
            .unwrap_or_default()
            .chunks(2)
            .map(|pair| json!({"Name": pair[0], "Value": pair.get(1)}))
            .collect();
        let metric =
            json!({"Namespace": names.first(), "MetricName": names.get(1), "Dimensions": dimensions});
        query["MetricStat"] = json!({"Metric": metric, "Period": period, "Stat": options["stat"]});
    }
    let statistic = options["stat"].as_str().filter(|statistic| *statistic != "Sum");
    let default_label = || {
        Some([Some(names.get(1)?.as_str()?), statistic].into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    if let Some(label) = options["label"].as_str().map(str::to_owned).or_else(default_label) {
        query["Label"] = label.into();
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployed_dashboard_is_understood_whole() {
        let widgets = widgets("local");
        let titles: Vec<&str> = widgets.iter().map(|widget| widget.title.as_str()).collect();
        assert!(
            titles.contains(&"Freshness") && titles.contains(&"Top keys by calls with a billed status"),
            "{titles:?}"
        );
        let freshness = widgets.iter().find(|widget| widget.title == "Freshness").unwrap();
        assert_eq!(freshness.limits, [Limit { label: "60 s".to_owned(), value: 60_000.0 }]);
        let Source::Metrics(queries) = &freshness.source else { panic!("{freshness:?}") };
        assert_eq!(queries.len(), 3);
        assert_eq!(queries[0]["MetricStat"]["Stat"], "p50");
        assert_eq!(freshness.unit, "ms");
        for widget in &widgets {
            if let Source::Metrics(queries) = &widget.source {
                assert!(!widget.unit.is_empty(), "{widget:?}");
                assert!(queries.iter().any(|query| query["ReturnData"] == true), "{widget:?}");
            }
        }
    }

    #[test]
    fn an_environment_has_names_of_its_own() {
        let text = format!("{:?}", widgets("prod"));
        assert!(text.contains("usage-consumer-prod") && !text.contains("-local"), "{text}");
    }
}
