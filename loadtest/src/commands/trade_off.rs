//! `loadtest trade-off`.

use std::path::PathBuf;

use anyhow::Context;
use loadtest::report::plot::{Line, Plot, png};
use loadtest::simulation::{SimulationResult, simulate};

use super::simulate::LoadArguments;

/// Arguments of `loadtest trade-off`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    load: LoadArguments,
    /// The batch windows, in seconds
    #[arg(long, value_name = "S", value_delimiter = ',', default_values_t = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0])]
    batch_windows_s: Vec<f64>,
    /// Folder for the plot, as SVG and PNG
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// The result of a simulation with one batch window.
struct Point {
    batch_window_s: f64,
    result: SimulationResult,
}

/// Simulates each batch window, prints a table in Markdown, and writes the plot.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    println!(
        "| batch window | freshness p50 | p99 | p99.9 | write units for a million calls | baseline | dollars for a million calls |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut points = Vec::new();
    for &batch_window_s in &arguments.batch_windows_s {
        let result = simulate(&arguments.load.settings(batch_window_s))?;
        let freshness_s = |percentile| result.freshness.seconds_at(percentile);
        println!(
            "| {batch_window_s} s | {:.1} s | {:.1} s | {:.1} s | {:.0} | {:.0} | {:.3} |",
            freshness_s(50.0),
            freshness_s(99.0),
            freshness_s(99.9),
            write_units(&result),
            result.baseline_writes_per_s / result.calls_per_s * 1e6,
            result.dollars_per_million_calls
        );
        points.push(Point { batch_window_s, result });
    }
    if let Some(folder) = &arguments.output {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let svg = plot(&points)?;
        for (name, content) in [("trade-off.png", png(&svg)?), ("trade-off.svg", svg.into_bytes())] {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Returns the write units of ledger and claims for a million calls.
fn write_units(result: &SimulationResult) -> f64 {
    (result.ledger_writes_per_s + result.claim_writes_per_s) / result.calls_per_s * 1e6
}

fn plot(points: &[Point]) -> anyhow::Result<String> {
    let line = |name: &str, value: &dyn Fn(&SimulationResult) -> f64| Line {
        name: name.to_owned(),
        points: points.iter().map(|point| (point.batch_window_s, value(&point.result))).collect(),
    };
    let plot = Plot {
        title: "Freshness, writes and cost by batch window",
        x: "batch window, seconds",
        y: "seconds, dollars, and write units",
        lines: vec![
            line("freshness p99.9, seconds", &|result| result.freshness.seconds_at(99.9)),
            line("write units for a thousand calls", &|result| write_units(result) / 1e3),
            line("baseline: write units for a thousand calls", &|result| {
                result.baseline_writes_per_s / result.calls_per_s * 1e3
            }),
            line("dollars for a million calls", &|result| result.dollars_per_million_calls),
        ],
        x_label: |window_s| format!("{window_s:.0}"),
    };
    plot.svg()
}
