//! `meter reconcile`: the ledger against the access log, and what nobody has
//! claimed put on the stream.

mod backfill;

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use jiff::Timestamp;
use lambda_support::clock::now_ms;
use metering_aws::CallLog;
use metering_aws::logged_events::Judge;
use metering_aws::usage_report::{add_hours, usage_of_all_keys};
use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT};
use metering_core::ports::{AccessLogCounts, ComparedHours, LedgerCounts};
use metering_core::reconciliation::{HourlyCalls, HourlyTotals, Reconciliation};
use metering_core::window::{HOUR_MS, hour_start_ms};
use serde_json::{Value, json};

use crate::target::{LogArguments, Target, TargetArguments};
use backfill::{Backfill, Wanted};

/// How many keys with a difference are shown.
const SHOWN_KEYS: usize = 20;

/// Arguments of `meter reconcile`.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub struct Arguments {
    /// How many hours to compare, up to the present one
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i64).range(1..=744))]
    hours: i64,
    /// Compare the present hour as well, whose last calls may be under way
    #[arg(long)]
    with_this_hour: bool,
    /// Compare each key in each hour, and not only in hours whose totals differ
    #[arg(long)]
    by_key: bool,
    /// Read the whole ledger, to find keys that the access log does not know
    #[arg(long)]
    whole_ledger: bool,
    /// Take the difference of an hour for right, named by its start as in 2026-11-25T10:00Z: the
    /// reconciler stops telling of it until the ledger's total of the hour changes
    #[arg(long, value_name = "HOUR", conflicts_with_all = ["backfill", "whole_ledger", "by_key"])]
    accept: Option<Timestamp>,
    /// Put calls on the stream that are in the access log and that nobody has claimed. A call has
    /// one owner, so nothing is counted twice, however often this is done. Calls without a request
    /// id are left alone
    #[arg(long)]
    backfill: bool,
    /// With --backfill, leave calls alone that were logged in the last minutes: they may be on their way
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(i64).range(0..=1_440))]
    settle_minutes: i64,
    /// With --backfill, also put calls on the stream that have no request id. If the ids of their log
    /// events are not those of their delivery, they are counted twice
    #[arg(long, requires = "backfill")]
    include_lines_without_request_id: bool,
    /// With --backfill, the CLAIM_LAYOUT that the consumer is deployed with
    #[arg(long, value_name = "LAYOUT", default_value = DEFAULT_LAYOUT)]
    claim_layout: ClaimLayout,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    log: LogArguments,
    #[command(flatten)]
    target: TargetArguments,
}

/// Compares, backfills where that is asked for, and fails where counts differ.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    if let Some(hour) = arguments.accept {
        return accept(&target, hour).await;
    }
    let log = target.call_log(&arguments.log).await?;
    let this_hour_ms = hour_start_ms(now_ms());
    let to_ms = if arguments.with_this_hour { this_hour_ms + HOUR_MS } else { this_hour_ms };
    let from_ms = to_ms - arguments.hours * HOUR_MS;
    let depth = match (arguments.whole_ledger, arguments.by_key) {
        (true, _) => Depth::WholeLedger,
        (false, true) => Depth::Keys,
        (false, false) => Depth::Totals,
    };
    let found = compare(&target, &log, from_ms, to_ms, depth).await?;
    let mut shown = to_json(&found);
    if !arguments.json {
        print(&found, depth, from_ms, to_ms);
    }
    if arguments.backfill {
        let settle_minutes = arguments.settle_minutes;
        let judge = Judge { layout: arguments.claim_layout, unbilled: log.unbilled().clone() };
        let wanted = Wanted {
            hours: (from_ms, to_ms),
            settle_minutes,
            includes_lines_without_request_id: arguments.include_lines_without_request_id,
        };
        let outcome = Backfill::new(&target, judge, &wanted).run(&log).await?;
        if arguments.json {
            shown["backfill"] = json!(outcome);
            println!("{shown}");
        } else {
            outcome.print(settle_minutes);
        }
        return Ok(());
    }
    if arguments.json {
        println!("{shown}");
    }
    if !found.differences.is_empty() {
        bail!(
            "{} calls are missing and {} too many; see docs/runbooks/drift-and-backfill.md",
            found.missing(),
            found.surplus()
        );
    }
    Ok(())
}

/// How deep two counts are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The totals of each hour, and the keys where they differ.
    Totals,
    /// The keys of each hour.
    Keys,
    /// The keys of each hour, with those that only the ledger knows.
    WholeLedger,
}

async fn compare(
    target: &Target,
    log: &CallLog,
    from_ms: i64,
    to_ms: i64,
    depth: Depth,
) -> anyhow::Result<Reconciliation> {
    const NOT_COUNTED: &str = "the access log cannot be counted";
    let ledger = target.ledger_counts();
    if depth == Depth::WholeLedger {
        let logged = log.calls_per_key(from_ms, to_ms).await.context(NOT_COUNTED)?;
        let mut counted = HourlyCalls::new();
        for (key, usage) in usage_of_all_keys(&target.dynamodb, &target.usage_table).await? {
            add_hours(&mut counted, &key, &usage, from_ms, to_ms);
        }
        return Ok(Reconciliation::compare(&logged, &counted));
    }
    let logged = log.calls_by_hour(from_ms, to_ms).await.context(NOT_COUNTED)?;
    let counted = ledger.totals_by_hour(from_ms, to_ms).await?;
    let mut found = Reconciliation::default();
    for start_ms in (from_ms..to_ms).step_by(usize::try_from(HOUR_MS)?) {
        let calls = |totals: &HourlyTotals| totals.get(&start_ms).copied().unwrap_or(0);
        let totals =
            Reconciliation { logged: calls(&logged), counted: calls(&counted), differences: Vec::new() };
        if depth == Depth::Totals && totals.logged == totals.counted {
            found.add(totals);
            continue;
        }
        let logged = log.calls_per_key(start_ms, start_ms + HOUR_MS).await.context(NOT_COUNTED)?;
        let counted = ledger.calls_for_keys_of(&logged, start_ms, start_ms + HOUR_MS).await?;
        let by_key = Reconciliation::compare(&logged, &counted);
        if by_key.counted < totals.counted {
            eprintln!(
                "In {} the ledger has {} calls of keys that the access log does not know: --whole-ledger names them.",
                hour(start_ms),
                totals.counted - by_key.counted
            );
        }
        found.add(by_key);
    }
    Ok(found)
}

/// Takes the difference of an hour for right.
async fn accept(target: &Target, start: Timestamp) -> anyhow::Result<()> {
    let start_ms = start.as_millisecond();
    let store = target.reconciliation_store();
    let mut hours = store.hours(start_ms, start_ms + HOUR_MS).await?;
    let Some(compared) = hours.get_mut(&start_ms) else {
        bail!(
            "the reconciler has not compared an hour that begins at {}; an hour is named by its start",
            hour(start_ms)
        );
    };
    let totals = target.ledger_counts().totals_by_hour(start_ms, start_ms + HOUR_MS).await?;
    let counted = totals.get(&start_ms).copied().unwrap_or(0);
    let (missing, surplus) = compared.missing_and_surplus(counted);
    compared.accept(counted);
    store.write_hour(start_ms, compared).await?;
    println!("Accepted for {}: {missing} calls are missing and {surplus} too many.", hour(start_ms));
    Ok(())
}

fn hour(start_ms: i64) -> String {
    Timestamp::from_millisecond(start_ms)
        .map_or_else(|_| start_ms.to_string(), |time| time.strftime("%Y-%m-%dT%H:%MZ").to_string())
}

fn print(found: &Reconciliation, depth: Depth, from_ms: i64, to_ms: i64) {
    println!(
        "From {} to {}: {} calls in the access log, {} in the ledger.",
        hour(from_ms),
        hour(to_ms),
        found.logged,
        found.counted
    );
    if found.differences.is_empty() {
        let by_key = if depth == Depth::Totals { "" } else { "key by key and " };
        println!("They agree, {by_key}hour by hour.");
        return;
    }
    let mut hours: BTreeMap<i64, (u64, u64, usize)> = BTreeMap::new();
    for difference in &found.differences {
        let sums = hours.entry(difference.hour_start_ms).or_default();
        *sums = (sums.0 + difference.missing(), sums.1 + difference.surplus(), sums.2 + 1);
    }
    println!("\n{:<18} {:>10} {:>10} {:>8}", "hour", "missing", "too many", "keys");
    for (start_ms, (missing, surplus, keys)) in hours {
        println!("{:<18} {missing:>10} {surplus:>10} {keys:>8}", hour(start_ms));
    }
    println!("\n{:<28} {:<18} {:>10} {:>10}", "key", "hour", "logged", "counted");
    for difference in found.differences.iter().take(SHOWN_KEYS) {
        println!(
            "{:<28} {:<18} {:>10} {:>10}",
            difference.api_key_id,
            hour(difference.hour_start_ms),
            difference.logged,
            difference.counted
        );
    }
    if found.differences.len() > SHOWN_KEYS {
        println!("and {} more; --json shows all", found.differences.len() - SHOWN_KEYS);
    }
    println!();
}

fn to_json(found: &Reconciliation) -> Value {
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|difference| {
            json!({"apiKeyId": difference.api_key_id, "hour": hour(difference.hour_start_ms),
                "logged": difference.logged, "counted": difference.counted})
        })
        .collect();
    json!({"logged": found.logged, "counted": found.counted, "missing": found.missing(), "surplus": found.surplus(), "differences": differences})
}
