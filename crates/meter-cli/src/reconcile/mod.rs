//! `meter reconcile`: the ledger against the access log, and what nobody has
//! claimed put on the stream.

mod backfill;

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use jiff::Timestamp;
use lambda_support::clock::now_ms;
use metering_aws::CallLog;
use metering_aws::logged_events::Judge;
use metering_aws::usage_report::{add_hours, hourly_calls_beside, usage_of_all_keys};
use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT};
use metering_core::reconciliation::{HourlyCalls, Reconciliation};
use metering_core::window::HOUR_MS;
use serde_json::{Value, json};

use crate::target::{Target, TargetArguments};
use backfill::Backfill;

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
    /// Read the whole ledger, to find keys that the access log does not know
    #[arg(long)]
    whole_ledger: bool,
    /// Put calls on the stream that are in the access log and that nobody has claimed. A call has
    /// one owner, so nothing is counted twice, however often this is done
    #[arg(long)]
    backfill: bool,
    /// With --backfill, leave calls alone that were logged in the last minutes: they may be on their way
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(i64).range(0..=1_440))]
    settle_minutes: i64,
    /// With --backfill, the CLAIM_LAYOUT that the consumer is deployed with
    #[arg(long, value_name = "LAYOUT", default_value = DEFAULT_LAYOUT)]
    claim_layout: ClaimLayout,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Compares, backfills where that is asked for, and fails where counts differ.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    let log = target.call_log();
    let this_hour_ms = now_ms().div_euclid(HOUR_MS) * HOUR_MS;
    let to_ms = if arguments.with_this_hour { this_hour_ms + HOUR_MS } else { this_hour_ms };
    let from_ms = to_ms - arguments.hours * HOUR_MS;
    let found = compare(&target, &log, from_ms, to_ms, arguments.whole_ledger).await?;
    let mut shown = to_json(&found);
    if !arguments.json {
        print(&found, from_ms, to_ms);
    }
    if arguments.backfill {
        let (hours, settle_minutes) = ((from_ms, to_ms), arguments.settle_minutes);
        let judge = Judge { layout: arguments.claim_layout, unbilled: log.unbilled().clone() };
        let backfill = Backfill::new(&target, &log, judge, hours, settle_minutes);
        let outcome = backfill.run(&log).await?;
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

async fn compare(
    target: &Target,
    log: &CallLog,
    from_ms: i64,
    to_ms: i64,
    whole_ledger: bool,
) -> anyhow::Result<Reconciliation> {
    let logged = log.calls_per_key(from_ms, to_ms).await.context("the access log cannot be counted")?;
    let counted = if whole_ledger {
        let mut counted = HourlyCalls::new();
        for (key, usage) in usage_of_all_keys(&target.dynamodb, &target.usage_table).await? {
            add_hours(&mut counted, &key, &usage, from_ms, to_ms);
        }
        counted
    } else {
        hourly_calls_beside(&target.dynamodb, &target.usage_table, &logged, from_ms, to_ms).await?
    };
    Ok(Reconciliation::of(&logged, &counted))
}

fn hour(start_ms: i64) -> String {
    Timestamp::from_millisecond(start_ms)
        .map_or_else(|_| start_ms.to_string(), |time| time.strftime("%Y-%m-%dT%H:%MZ").to_string())
}

fn print(found: &Reconciliation, from_ms: i64, to_ms: i64) {
    println!(
        "From {} to {}: {} calls in the access log, {} in the ledger.",
        hour(from_ms),
        hour(to_ms),
        found.logged,
        found.counted
    );
    if found.differences.is_empty() {
        println!("They agree, key by key and hour by hour.");
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
