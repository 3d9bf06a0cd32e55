//! The tables of docs/CAPACITY_AND_COST.md.

use std::fmt::Write as _;

use cost_model::{Capacity, Costs, LIST_PRICES, Workload, advantage, costs};

use super::rate;

/// Rows of the tables: names and numbers of calls per month.
const CALLS: [(&str, f64); 4] =
    [("10 M", 1e7), ("100 M", 1e8), ("1 B", 1e9), ("1 M/s", 1e6 * 30.0 * 86_400.0)];
const KEYS: [f64; 3] = [50.0, 5_000.0, 500_000.0];
/// Number of keys in the tables that do not compare numbers of keys.
const SOME_KEYS: f64 = 5_000.0;
/// Events per stream record in the table that compares them.
const EVENTS_PER_RECORD: [f64; 4] = [1.0, 3.0, 10.0, 38.0];

/// Returns the tables of the documentation, in Markdown.
pub fn tables() -> String {
    [needs(), parts(), records(), streams(), prices()].join("\n")
}

/// Formats a table. The first column is left-aligned, the others are right-aligned.
fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n| ---{} |\n", columns.join(" | "), " | ---:".repeat(columns.len() - 1));
    for row in rows {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn each() -> impl Iterator<Item = (&'static str, f64, f64)> {
    CALLS.iter().flat_map(|(name, calls)| KEYS.map(|keys| (*name, *calls, keys)))
}

fn priced(workload: &Workload) -> (Capacity, Costs) {
    let capacity = Capacity::from_workload(workload);
    (capacity, costs(workload, &capacity, &LIST_PRICES))
}

/// Formats the capacity that each workload needs.
fn needs() -> String {
    let columns = [
        "calls a month",
        "keys",
        "calls/s",
        "shards",
        "busy",
        "consumer invocations/s, of ms",
        "ledger writes for a million calls",
        "claim writes for a million calls",
        "writes/s of one key",
        "$ a month",
        "$ a million calls",
    ];
    let rows = each().map(|(name, calls, keys)| {
        let (capacity, costs) = priced(&Workload::new(calls, keys));
        vec![
            name.to_owned(),
            format!("{keys:.0}"),
            format!("{:.0}", capacity.calls),
            shards(&capacity),
            format!("{:.0} %", capacity.busy * 100.0),
            format!("{}, {:.0}", rate(capacity.invocations), capacity.invocation_ms),
            format!("{:.0}", capacity.per_million_calls(capacity.ledger_writes)),
            format!("{:.0}", capacity.per_million_calls(capacity.claim_writes)),
            format!("{:.2}", capacity.writes_per_key),
            format!("{:.0}", costs.total()),
            format!("{:.3}", costs.total() / calls * 1e6),
        ]
    });
    table(&columns, rows)
}

/// Formats the cost of each part.
fn parts() -> String {
    let names = priced(&Workload::new(1e9, SOME_KEYS)).1.parts().map(|(name, _)| name);
    let columns = [&["$ for a million calls", "keys"], &names[..]].concat();
    let rows = each().map(|(name, calls, keys)| {
        let parts = priced(&Workload::new(calls, keys)).1.parts();
        let dollars = parts.iter().map(|(_, dollars)| format!("{:.3}", dollars / calls * 1e6));
        [name.to_owned(), format!("{keys:.0}")].into_iter().chain(dollars).collect()
    });
    table(&columns, rows)
}

/// Formats the cost by number of events per record.
fn records() -> String {
    let calls = 1e9;
    let columns = [
        "1 B calls, 5000 keys: events of a record",
        "records/s",
        "stream",
        "consumer",
        "ledger writes",
        "claim writes",
        "$ a million calls",
    ];
    let rows = EVENTS_PER_RECORD.map(|events| {
        let workload = Workload { events_per_record: Some(events), ..Workload::new(calls, SOME_KEYS) };
        let (capacity, costs) = priced(&workload);
        let dollars = [costs.stream, costs.consumer, costs.ledger_writes, costs.claim_writes, costs.total()];
        let dollars = dollars.map(|dollars| format!("{:.3}", dollars / calls * 1e6));
        [format!("{events:.0}"), format!("{:.0}", capacity.records)].into_iter().chain(dollars).collect()
    });
    table(&columns, rows)
}

/// Formats the cost by mode of the stream.
fn streams() -> String {
    let columns = [
        "5000 keys, $ a month",
        "as above",
        "stream",
        "in all",
        "on demand",
        "stream",
        "in all",
        "stream, On-demand Advantage",
    ];
    let rows = CALLS.map(|(name, calls)| {
        let workload = Workload::new(calls, SOME_KEYS);
        let mut row = vec![name.to_owned()];
        for capacity in [Capacity::from_workload(&workload), Capacity::on_demand_for(&workload)] {
            let costs = costs(&workload, &capacity, &LIST_PRICES);
            row.extend([shards(&capacity), format!("{:.0}", costs.stream), format!("{:.0}", costs.total())]);
        }
        row.push(format!("{:.0}", advantage(&Capacity::from_workload(&workload), &LIST_PRICES)));
        row
    });
    table(&columns, rows)
}

/// Formats the list prices.
fn prices() -> String {
    let mut from_gb = 0.0;
    let tiers = LIST_PRICES.log_gb.map(|tier| {
        let what = format!("CloudWatch Logs: a GB taken in, from {from_gb:.0} GB of the month on");
        from_gb = tier.up_to_gb;
        vec![what, tier.dollars.to_string()]
    });
    let others = LIST_PRICES.list().map(|(what, dollars)| vec![what.to_owned(), dollars.to_string()]);
    table(&["price", "$"], tiers.into_iter().chain(others))
}

/// Formats the number of shards with the mode of the stream.
fn shards(capacity: &Capacity) -> String {
    let mode = if capacity.is_provisioned { "provisioned" } else { "on demand" };
    format!("{:.0} {mode}", capacity.shards)
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
