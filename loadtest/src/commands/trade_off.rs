//! `loadtest trade-off`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use loadtest::histogram::seconds_at;
use loadtest::report::plot::{Line, Plot, png};
use loadtest::simulation::{Simulated, simulate};

use super::simulate::LoadArguments;

/// Arguments of `loadtest trade-off`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    load: LoadArguments,
    /// The batch windows, in seconds
    #[arg(long, value_name = "S", value_delimiter = ',', default_values_t = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0])]
    batch_windows_s: Vec<f64>,
    /// Where the plot goes, as SVG and PNG
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Simulates each window and prints a table.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    println!(
        "| batch window | freshness p50 | p99 | p99.9 | write units for a million calls | bare ADD | dollars for a million calls |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut points = Vec::new();
    for &window_s in &arguments.batch_windows_s {
        let found = simulate(&arguments.load.settings(window_s))?;
        let fresh = |percentile| seconds_at(&found.freshness, percentile);
        println!(
            "| {window_s} s | {:.1} s | {:.1} s | {:.1} s | {:.0} | {:.0} | {:.3} |",
            fresh(50.0),
            fresh(99.0),
            fresh(99.9),
            writes(&found),
            found.naive_writes_per_s / found.calls_per_s * 1e6,
            found.dollars_per_million_calls
        );
        points.push((window_s, found));
    }
    if let Some(folder) = &arguments.output {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let svg = plot(&points)?;
        for (name, content) in [("trade-off.png", png(&svg)?), ("trade-off.svg", svg.into_bytes())] {
            let path = folder.join(name);
            std::fs::write(&path, content)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Write units for a million calls, those of claims among them.
fn writes(found: &Simulated) -> f64 {
    (found.ledger_writes_per_s + found.claim_writes_per_s) / found.calls_per_s * 1e6
}

fn plot(points: &[(f64, Simulated)]) -> anyhow::Result<String> {
    let line = |name: &str, of: &dyn Fn(&Simulated) -> f64| Line {
        name: name.to_owned(),
        points: points.iter().map(|(window_s, found)| (*window_s, of(found))).collect(),
    };
    let plot = Plot {
        title: "What freshness costs",
        x: "batch window, seconds",
        y: "seconds, dollars, and write units",
        lines: vec![
            line("freshness p99.9, seconds", &|found| seconds_at(&found.freshness, 99.9)),
            line("write units for a thousand calls", &|found| writes(found) / 1e3),
            line("bare ADD per key and record: write units for a thousand calls", &|found| {
                found.naive_writes_per_s / found.calls_per_s * 1e3
            }),
            line("dollars for a million calls", &|found| found.dollars_per_million_calls),
        ],
        x_label: |window_s| format!("{window_s:.0}"),
    };
    plot.svg()
}
