//! `meter cost`: calculates the capacity and the cost of the meter with the cost model.

mod tables;

use cost_model::{Architecture, Capacity, Costs, LIST_PRICES, Workload, canary, costs};
use deployment::settings;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{count, print_json};
use crate::table::Column::{Number, Text};
use crate::table::Table;

/// The highest accepted number of anything.
const MAX_AMOUNT: f64 = 1e15;
/// Maximum batching window, in seconds. Source: Lambda API Reference,
/// `CreateEventSourceMapping`, `MaximumBatchingWindowInSeconds`.
const MAX_BATCH_WINDOW_S: f64 = 300.0;

/// Arguments of `meter cost`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Calls per month
    #[arg(long, default_value_t = 1e8)]
    calls: f64,
    /// Number of keys
    #[arg(long, default_value_t = 5_000.0)]
    keys: f64,
    /// Number of shards of a provisioned stream [default: the deployed number, or as many as needed]
    #[arg(long)]
    shards: Option<f64>,
    /// Batching window of the consumer, in seconds
    #[arg(long, default_value_t = f64::from(settings::BATCH_WINDOW_S))]
    batch_window_s: f64,
    /// Measured number of events per stream record [default: the assumption of the cost model]
    #[arg(long, value_name = "EVENTS")]
    events_per_record: Option<f64>,
    /// Measured size of a line of the access log, in bytes [default: the assumption of the cost model]
    #[arg(long, value_name = "BYTES")]
    line_bytes: Option<f64>,
    /// Architecture of the functions: arm64 or x86_64
    #[arg(long, default_value = "arm64", value_parser = architecture)]
    architecture: Architecture,
    /// Print JSON, as described in docs/schemas/meter-cost.json
    #[arg(long, conflicts_with = "tables")]
    json: bool,
    /// Print the tables of docs/CAPACITY_AND_COST.md instead
    #[arg(long)]
    tables: bool,
}

/// The capacity and the cost of a workload.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CostOutput {
    /// Calls in a month.
    calls_per_month: f64,
    /// Calls in a second, on average.
    calls_per_s: f64,
    /// Number of shards of the stream.
    shards: f64,
    /// Stream records in a second.
    records_per_s: f64,
    /// Invocations of the consumer in a second.
    invocations_per_s: f64,
    /// Duration of an invocation of the consumer, in milliseconds.
    invocation_ms: f64,
    /// Write units of the ledger for a million calls.
    ledger_writes_per_million: f64,
    /// Write units of the claims for a million calls.
    claim_writes_per_million: f64,
    /// Cost of each part in a month, in US dollars at list prices.
    parts: Vec<PartCost>,
    /// Cost of all parts in a month, in US dollars.
    total_per_month: f64,
    /// Cost of all parts for a million calls, in US dollars.
    total_per_million: f64,
    /// Cost of a canary in a month, in US dollars, which the total does not include.
    canary_per_month: f64,
    /// Region and day of the prices.
    prices: String,
}

/// The cost of a part.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PartCost {
    /// Name of the part.
    part: String,
    /// Dollars in a month.
    per_month: f64,
}

impl CostOutput {
    fn new(arguments: &Arguments, capacity: &Capacity, costs: &Costs) -> Self {
        let part = |(part, per_month): (&str, f64)| PartCost { part: part.to_owned(), per_month };
        Self {
            calls_per_month: arguments.calls,
            calls_per_s: capacity.calls,
            shards: capacity.shards,
            records_per_s: capacity.records,
            invocations_per_s: capacity.invocations,
            invocation_ms: capacity.invocation_ms,
            ledger_writes_per_million: capacity.per_million_calls(capacity.ledger_writes),
            claim_writes_per_million: capacity.per_million_calls(capacity.claim_writes),
            parts: costs.parts().map(part).into(),
            total_per_month: costs.total(),
            total_per_million: costs.total() / arguments.calls * 1e6,
            canary_per_month: canary(arguments.architecture, &LIST_PRICES),
            prices: LIST_PRICES.valid_for.to_owned(),
        }
    }
}

/// Prints the capacity and the cost of one workload, or the tables of the documentation.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check(arguments)?;
    if arguments.tables {
        print!("{}", tables::tables());
        return Ok(());
    }
    let mut workload = Workload {
        shards: arguments.shards,
        batch_window_s: arguments.batch_window_s,
        events_per_record: arguments.events_per_record,
        architecture: arguments.architecture,
        ..Workload::new(arguments.calls, arguments.keys)
    };
    workload.line_bytes = arguments.line_bytes.unwrap_or(workload.line_bytes);
    let capacity = Capacity::from_workload(&workload);
    let costs = costs(&workload, &capacity, &LIST_PRICES);
    if arguments.json {
        return print_json(&CostOutput::new(arguments, &capacity, &costs));
    }
    println!(
        "{} calls/s, {}, {} records/s, {} invocations/s of {:.0} ms",
        rate(capacity.calls),
        count(capacity.shards, "shard"),
        rate(capacity.records),
        rate(capacity.invocations),
        capacity.invocation_ms
    );
    println!(
        "{:.0} ledger writes and {:.0} claims per million calls\n",
        capacity.per_million_calls(capacity.ledger_writes),
        capacity.per_million_calls(capacity.claim_writes)
    );
    let mut table = Table::new([Text("part"), Number("$ per month"), Number("$ per million calls")]);
    for (name, dollars) in costs.parts().into_iter().chain([("total", costs.total())]) {
        let per_million = dollars / arguments.calls * 1e6;
        table.row([name, &format!("{dollars:.2}"), &format!("{per_million:.4}")])?;
    }
    table.finish()?;
    println!(
        "\nList prices: {}. The cost of the API itself is not included. A canary adds ${:.2} per month.",
        LIST_PRICES.valid_for,
        canary(arguments.architecture, &LIST_PRICES)
    );
    Ok(())
}

/// Formats a rate, a small one with more decimal places.
fn rate(per_s: f64) -> String {
    match per_s {
        0.95.. => format!("{per_s:.1}"),
        0.095.. => format!("{per_s:.2}"),
        _ => format!("{per_s:.3}"),
    }
}

/// Refuses amounts that are out of range, infinite or not a number.
fn check(arguments: &Arguments) -> anyhow::Result<()> {
    let amounts = [
        ("calls", Some(arguments.calls), 1.0, MAX_AMOUNT),
        ("keys", Some(arguments.keys), 1.0, MAX_AMOUNT),
        ("shards", arguments.shards, 1.0, MAX_AMOUNT),
        ("batch-window-s", Some(arguments.batch_window_s), 0.0, MAX_BATCH_WINDOW_S),
        ("events-per-record", arguments.events_per_record, 1.0, MAX_AMOUNT),
        ("line-bytes", arguments.line_bytes, 1.0, MAX_AMOUNT),
    ];
    for (name, value, least, most) in amounts {
        let most_text = if most < MAX_AMOUNT { most.to_string() } else { format!("{most:e}") };
        let is_in_range = value.is_none_or(|value| (least..=most).contains(&value));
        anyhow::ensure!(
            is_in_range,
            "--{name} is {}: give a number from {least} to {most_text}",
            value.unwrap_or(f64::NAN)
        );
    }
    Ok(())
}

fn architecture(text: &str) -> Result<Architecture, &'static str> {
    match text {
        "arm64" => Ok(Architecture::Arm64),
        "x86_64" => Ok(Architecture::X86_64),
        _ => Err("use arm64 or x86_64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn cost(options: &[&str]) -> anyhow::Result<()> {
        let options = ["cost"].iter().chain(options);
        run(&Command::try_parse_from(options)?.arguments)
    }

    #[test]
    fn what_is_no_amount_is_refused_by_name() {
        for (option, value) in [
            ("--calls", "0"),
            ("--calls", "1e400"),
            ("--calls", "NaN"),
            ("--calls", "inf"),
            ("--keys", "0"),
            ("--keys", "1e16"),
            ("--shards", "0.5"),
            ("--batch-window-s", "301"),
            ("--batch-window-s", "NaN"),
            ("--events-per-record", "0"),
            ("--line-bytes", "0"),
        ] {
            let error = cost(&[option, value]).unwrap_err().to_string();
            assert!(
                error.contains(option) && error.contains("give a number from"),
                "{option} {value}: {error}"
            );
        }
        for options in [["--calls", "-1"], ["--calls", "many"], ["--architecture", "mips"]] {
            assert!(cost(&options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn whatever_is_an_amount_has_a_price() {
        let most = "1e15";
        for [calls, keys, events] in
            [["1", "1", "1"], [most, "1", "1"], [most, most, "1"], ["1", most, most], [most; 3]]
        {
            cost(&["--calls", calls, "--keys", keys, "--events-per-record", events]).unwrap();
        }
        for shards in ["1", most] {
            cost(&["--shards", shards, "--line-bytes", most, "--batch-window-s", "0"]).unwrap();
        }
    }
}
