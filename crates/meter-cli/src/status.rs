//! `meter status`: shows the deployed dashboard as text.

use std::collections::BTreeMap;

use anyhow::Context;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use deployment::dashboard::{Source, Widget, widgets};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use system_clock::now_ms;

use crate::output::print_json;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter status`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Number of minutes to show, up to now
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(i64).range(1..=360))]
    minutes: i64,
    /// Show only graphs whose titles contain this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print JSON, as described in docs/schemas/meter-status.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A graph of the dashboard.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Graph {
    /// Title of the graph.
    pub title: String,
    /// Lines of the graph.
    pub lines: Vec<Line>,
}

/// A line of a graph.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line {
    /// Label of the line.
    pub label: String,
    /// Newest value; null if there is none.
    pub latest: Option<f64>,
    /// Highest value; null if there is none.
    pub highest: Option<f64>,
    /// `true` if the highest value is above a limit of the graph.
    pub is_above_limit: bool,
}

/// Prints each graph of the dashboard with the latest and the highest values of its lines.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    let to_ms = now_ms();
    let from_ms = to_ms - arguments.minutes * 60_000;
    let wanted = arguments.only.unwrap_or_default().to_lowercase();
    let mut shown = Vec::new();
    for widget in widgets(&target.meter.names.environment) {
        if let Source::Metrics(queries) = &widget.source
            && widget.title.to_lowercase().contains(&wanted)
        {
            let lines = lines(&target, &widget, queries, from_ms, to_ms).await?;
            shown.push(Graph { title: widget.title.clone(), lines });
        }
    }
    anyhow::ensure!(!shown.is_empty(), "no graph of the dashboard has {wanted:?} in its title");
    if arguments.json {
        return print_json(&shown);
    }
    shown.iter().for_each(print);
    Ok(())
}

async fn lines(
    target: &Target,
    widget: &Widget,
    queries: &[Value],
    from_ms: i64,
    to_ms: i64,
) -> anyhow::Result<Vec<Line>> {
    let queries: Vec<MetricDataQuery> = queries.iter().map(query).collect();
    let reply = target
        .cloudwatch
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        .start_time(DateTime::from_millis(from_ms))
        .end_time(DateTime::from_millis(to_ms))
        .send()
        .await
        .context("the metrics cannot be read")?;
    let results = reply.metric_data_results.unwrap_or_default();
    Ok(results
        .into_iter()
        .map(|result| {
            let values = result.values.unwrap_or_default();
            let times = result.timestamps.unwrap_or_default();
            let by_time: BTreeMap<i64, f64> = times.iter().map(DateTime::secs).zip(values).collect();
            let highest = by_time.values().copied().reduce(f64::max);
            Line {
                label: result.label.unwrap_or_default(),
                latest: by_time.values().next_back().copied(),
                highest,
                is_above_limit: is_above_limit(widget, highest),
            }
        })
        .collect())
}

/// Converts a query of the dashboard to the SDK's type.
fn query(query: &Value) -> MetricDataQuery {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let period = |value: &Value| value.as_i64().and_then(|period| i32::try_from(period).ok());
    let stat = &query["MetricStat"];
    let metric_stat = stat.is_object().then(|| {
        let dimensions = stat["Metric"]["Dimensions"].as_array().into_iter().flatten();
        let dimensions = dimensions.map(|dimension| {
            Dimension::builder()
                .set_name(text(&dimension["Name"]))
                .set_value(text(&dimension["Value"]))
                .build()
        });
        let metric = Metric::builder()
            .set_namespace(text(&stat["Metric"]["Namespace"]))
            .set_metric_name(text(&stat["Metric"]["MetricName"]))
            .set_dimensions(Some(dimensions.collect()))
            .build();
        MetricStat::builder()
            .metric(metric)
            .set_period(period(&stat["Period"]))
            .set_stat(text(&stat["Stat"]))
            .build()
    });
    MetricDataQuery::builder()
        .set_id(text(&query["Id"]))
        .set_label(text(&query["Label"]))
        .set_expression(text(&query["Expression"]))
        .set_period(period(&query["Period"]))
        .return_data(query["ReturnData"] != false)
        .set_metric_stat(metric_stat)
        .build()
}

/// Returns `true` if the value is above a limit of its graph.
fn is_above_limit(widget: &Widget, value: Option<f64>) -> bool {
    widget.limits.iter().any(|limit| value.is_some_and(|value| value > limit.value))
}

fn print(graph: &Graph) {
    println!("{}", graph.title);
    let number = |value: Option<f64>| {
        value.map_or_else(
            || "-".to_owned(),
            |value| format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        )
    };
    for line in &graph.lines {
        let note = if line.is_above_limit { "  <- above the limit" } else { "" };
        println!(
            "  {:<44} latest {:>12}  highest {:>12}{note}",
            line.label,
            number(line.latest),
            number(line.highest)
        );
    }
}
