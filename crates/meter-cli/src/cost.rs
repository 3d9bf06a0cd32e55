//! `meter cost`: what the meter needs and costs, by the model.

use cost_model::{Capacity, Costs, LIST_PRICES, Workload, costs};

/// Calls a month, and keys, of the table.
const CALLS: [(&str, f64); 4] =
    [("10 M", 1e7), ("100 M", 1e8), ("1 B", 1e9), ("1 M/s", 1e6 * 30.0 * 86_400.0)];
const KEYS: [f64; 3] = [50.0, 5_000.0, 500_000.0];

/// Events of a stream record, of the table that shows what they decide.
const EVENTS_PER_RECORD: [f64; 4] = [1.0, 3.0, 10.0, 38.0];
/// More than anybody has of anything.
const MOST: f64 = 1e15;

/// Arguments of `meter cost`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Calls a month
    #[arg(long, default_value_t = 1e8)]
    calls: f64,
    /// Keys
    #[arg(long, default_value_t = 5_000.0)]
    keys: f64,
    /// Shards of a provisioned stream [default: on demand, as many as needed]
    #[arg(long)]
    shards: Option<f64>,
    /// How long a batch waits to fill, in seconds
    #[arg(long, default_value_t = 5.0)]
    batch_window_s: f64,
    /// Events of each stream record, where they were measured [default: as CloudWatch Logs is assumed to deliver]
    #[arg(long, value_name = "EVENTS")]
    events_per_record: Option<f64>,
    /// Bytes of a line of the access log, where they were measured
    #[arg(long, value_name = "BYTES")]
    line_bytes: Option<f64>,
    /// Print the tables of docs/CAPACITY_AND_COST.md instead
    #[arg(long)]
    tables: bool,
}

/// Prints one workload part by part, or the tables.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let is_amount = |value: f64, least: f64| value >= least && value <= MOST;
    anyhow::ensure!(
        is_amount(arguments.calls, 1.0)
            && is_amount(arguments.keys, 1.0)
            && arguments.shards.is_none_or(|shards| is_amount(shards, 1.0))
            && arguments.events_per_record.is_none_or(|events| is_amount(events, 1.0))
            && arguments.line_bytes.is_none_or(|bytes| is_amount(bytes, 1.0))
            && is_amount(arguments.batch_window_s, 0.0),
        "calls, keys, shards, events and bytes are between 1 and {MOST:e}, and a window is no less than 0 seconds"
    );
    if arguments.tables {
        print!("{}", tables());
        return Ok(());
    }
    let mut workload = Workload {
        shards: arguments.shards,
        batch_window_s: arguments.batch_window_s,
        events_per_record: arguments.events_per_record,
        ..Workload::new(arguments.calls, arguments.keys)
    };
    workload.line_bytes = arguments.line_bytes.unwrap_or(workload.line_bytes);
    let capacity = Capacity::of(&workload);
    let costs = costs(&workload, &capacity, &LIST_PRICES);
    println!(
        "{:.1} calls/s, {} shards, {:.1} records/s, {:.1} invocations/s of {:.0} ms",
        capacity.calls, capacity.shards, capacity.records, capacity.invocations, capacity.invocation_ms
    );
    println!(
        "{:.0} ledger writes and {:.0} claims for a million calls\n",
        capacity.per_million_calls(capacity.ledger_writes),
        capacity.per_million_calls(capacity.claim_writes)
    );
    println!("{:<16} {:>14} {:>18}", "", "$ a month", "$ a million calls");
    for (name, dollars) in costs.parts() {
        println!("{name:<16} {dollars:>14.2} {:>18.4}", dollars / arguments.calls * 1e6);
    }
    println!("{:<16} {:>14.2} {:>18.4}", "total", costs.total(), costs.total() / arguments.calls * 1e6);
    println!("\nList prices: {}. What the API itself costs is not in it.", LIST_PRICES.of);
    Ok(())
}

/// The tables of the documentation, in Markdown.
pub fn tables() -> String {
    let mut text = "| calls a month | keys | calls/s | shards | busy | consumer invocations/s, of ms | ledger writes for a million calls | writes/s of one key | $ a month | $ a million calls |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n".to_owned();
    let each = CALLS.iter().flat_map(|calls| KEYS.map(|keys| (*calls, keys)));
    for ((name, calls), keys) in each.clone() {
        let (capacity, costs) = priced(calls, keys);
        text += &[
            format!("| {name} | {keys:.0} | {:.0} | {}", capacity.calls, shards(&capacity)),
            format!("{:.0} %", capacity.busy * 100.0),
            format!("{:.1}, {:.0}", capacity.invocations, capacity.invocation_ms),
            format!("{:.0}", capacity.per_million_calls(capacity.ledger_writes)),
            format!("{:.2}", capacity.writes_per_key),
            format!("{:.0} | {:.3} |\n", costs.total(), costs.total() / calls * 1e6),
        ]
        .join(" | ");
    }
    text += "\n| $ for a million calls | keys | authorizer | access log | stream | consumer | ledger writes | claim writes | storage | watching |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    let rows = each.map(|((name, calls), keys)| {
        let parts = priced(calls, keys).1.parts().map(|(_, dollars)| format!("{:.3}", dollars / calls * 1e6));
        format!("| {name} | {keys:.0} | {} |\n", parts.join(" | "))
    });
    text.extend(rows);
    text += "\n| 1 B calls, 5000 keys: events of a record | records/s | stream | consumer | claim writes | $ a million calls |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for events in EVENTS_PER_RECORD {
        let workload = Workload { events_per_record: Some(events), ..Workload::new(1e9, 5_000.0) };
        let capacity = Capacity::of(&workload);
        let costs = costs(&workload, &capacity, &LIST_PRICES);
        let million = |dollars: f64| format!("{:.3}", dollars / 1e9 * 1e6);
        text += &format!(
            "| {events:.0} | {:.0} | {} | {} | {} | {} |\n",
            capacity.records,
            million(costs.stream),
            million(costs.consumer),
            million(costs.claim_writes),
            million(costs.total())
        );
    }
    text
}

/// The number of shards, and in which mode.
fn shards(capacity: &Capacity) -> String {
    let mode = if capacity.is_provisioned { "provisioned" } else { "on demand" };
    format!("{:.0} {mode}", capacity.shards)
}

fn priced(calls: f64, keys: f64) -> (Capacity, Costs) {
    let workload = Workload::new(calls, keys);
    let capacity = Capacity::of(&workload);
    (capacity, costs(&workload, &capacity, &LIST_PRICES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_tables_of_this_model() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CAPACITY_AND_COST.md");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        assert!(text.contains(&tables()), "put the output of `meter cost --tables` into {file}");
    }
}
