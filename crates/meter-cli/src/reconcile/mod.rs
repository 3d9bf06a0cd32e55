//! `meter reconcile`: compares the ledger with the access log, and puts unclaimed calls on the stream.

mod backfill;
pub mod identities;

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use jiff::Timestamp;
use metering_aws::CallLog;
use metering_aws::key_usage::{add_hours, usage_of_all_keys};
use metering_aws::logged_events::Judge;
use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT};
use metering_core::ports::{AccessLogCounts, ComparedHours, LedgerCounts};
use metering_core::reconciliation::{self, HourlyCalls, HourlyTotals, Reconciliation};
use metering_core::window::{HOUR_MS, hour_start_ms};
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use crate::output::print_json;
use crate::table::Column::{Number, Text};
use crate::table::Table;
use crate::target::{LogArguments, Target, TargetArguments};
pub use backfill::BackfillSummary;
use backfill::{Backfill, Settings};
use identities::IdentityComparison;

/// Maximum number of differences in the text output.
const SHOWN_KEYS: usize = 20;

/// Arguments of `meter reconcile`.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub struct Arguments {
    /// Number of hours to compare, up to the present hour
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i64).range(1..=744))]
    hours: i64,
    /// Include the present hour, whose last calls may not be counted yet
    #[arg(long)]
    with_this_hour: bool,
    /// Compare each key in each hour, not only in hours whose totals differ
    #[arg(long)]
    by_key: bool,
    /// Compare the calls of each key by identity, on the whole UTC days of these hours; on the present
    /// day only with --with-this-hour. Finds a call that is counted twice in the place of a lost one. Reads
    /// every line of the access log of these days
    #[arg(long, conflicts_with_all = ["whole_ledger", "backfill", "by_key"])]
    by_identity: bool,
    /// Read the whole ledger, to find keys that the access log does not contain
    #[arg(long)]
    whole_ledger: bool,
    /// Accept the difference of the hour with this start, as in 2026-11-25T10:00Z: the reconciler does
    /// not report it any more until the ledger's total of the hour changes
    #[arg(long, value_name = "HOUR", conflicts_with_all = ["backfill", "whole_ledger", "by_key", "by_identity"])]
    accept: Option<Timestamp>,
    /// Put calls of the access log on the stream that no stream record has claimed. This is idempotent,
    /// because a call has one owner. Calls without a request id are skipped
    #[arg(long)]
    backfill: bool,
    /// With --backfill, skip calls that were logged in the last minutes: they may still be delivered
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(i64).range(0..=1_440))]
    settle_minutes: i64,
    /// With --backfill, include calls without a request id. They are counted twice if the ids of their
    /// log events differ from those of their delivery
    #[arg(long, requires = "backfill")]
    include_lines_without_request_id: bool,
    /// With --backfill, the CLAIM_LAYOUT of the deployed consumer
    #[arg(long, value_name = "LAYOUT", default_value = DEFAULT_LAYOUT)]
    claim_layout: ClaimLayout,
    /// Print JSON, as described in docs/schemas/meter-reconcile.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    log: LogArguments,
    #[command(flatten)]
    target: TargetArguments,
}

/// The comparison of the access log with the ledger.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Comparison {
    /// Calls in the access log.
    pub logged: u64,
    /// Calls in the ledger.
    pub counted: u64,
    /// Calls that the access log has and the ledger does not have.
    pub missing: u64,
    /// Calls that the ledger has and the access log does not have.
    pub surplus: u64,
    /// Differences by key and hour.
    pub differences: Vec<Difference>,
    /// Result of the comparison by identity, if one was made. All numbers are then of its days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identities: Option<IdentityComparison>,
    /// Result of the backfill, if one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<BackfillSummary>,
}

/// A difference for one key in one hour.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Difference {
    /// Id of the customer; null if the key belongs to none.
    pub customer_id: Option<String>,
    /// Id of the key.
    pub api_key_id: String,
    /// Start of the hour in UTC, as in `2026-11-25T10:00Z`.
    pub hour: String,
    /// Calls in the access log.
    pub logged: u64,
    /// Calls in the ledger.
    pub counted: u64,
}

impl Comparison {
    fn new(found: &Reconciliation, backfill: Option<BackfillSummary>) -> Self {
        let differences = found.differences.iter().map(|difference| Difference {
            customer_id: difference.key.customer_id.as_deref().map(str::to_owned),
            api_key_id: difference.key.api_key_id.to_string(),
            hour: hour(difference.hour_start_ms),
            logged: difference.logged,
            counted: difference.counted,
        });
        Self {
            logged: found.logged,
            counted: found.counted,
            missing: found.missing(),
            surplus: found.surplus(),
            differences: differences.collect(),
            identities: None,
            backfill,
        }
    }
}

/// Compares, and backfills if asked to. Fails if the counts differ and no backfill was made.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    if let Some(hour) = arguments.accept {
        return accept(&target, hour).await;
    }
    let log = target.call_log(&arguments.log).await?;
    let this_hour_ms = hour_start_ms(now_ms());
    let to_ms = if arguments.with_this_hour { this_hour_ms + HOUR_MS } else { this_hour_ms };
    let from_ms = to_ms - arguments.hours * HOUR_MS;
    if arguments.by_identity {
        let found = identities::compare(&target, &log, &arguments, [from_ms, to_ms]).await?;
        if arguments.json {
            let identities = Some(found.output());
            print_json(&Comparison { identities, ..Comparison::new(&found.counts, None) })?;
        } else {
            let [from_ms, to_ms] = found.span_ms();
            print(&found.counts, Depth::Keys, from_ms, to_ms)?;
            found.print()?;
        }
        return fail_if_different(&found.counts, found.others());
    }
    let depth = match (arguments.whole_ledger, arguments.by_key) {
        (true, _) => Depth::WholeLedger,
        (false, true) => Depth::Keys,
        (false, false) => Depth::Totals,
    };
    let found = compare(&target, &log, from_ms, to_ms, depth).await?;
    if !arguments.json {
        print(&found, depth, from_ms, to_ms)?;
    }
    if arguments.backfill {
        let settle_minutes = arguments.settle_minutes;
        let judge = Judge { layout: arguments.claim_layout, rules: log.rules().clone() };
        let settings = Settings {
            from_ms,
            to_ms,
            settle_minutes,
            includes_lines_without_request_id: arguments.include_lines_without_request_id,
        };
        let summary = Backfill::new(&target, judge, settings).run(&log).await?;
        if arguments.json {
            return print_json(&Comparison::new(&found, Some(summary)));
        }
        summary.print(settle_minutes);
        return Ok(());
    }
    if arguments.json {
        print_json(&Comparison::new(&found, None))?;
    }
    fail_if_different(&found, 0)
}

/// Returns an error if there are differences. `others` is the number of keys and days with other calls
/// than those of the access log.
fn fail_if_different(found: &Reconciliation, others: usize) -> anyhow::Result<()> {
    let counts = || format!("{} calls are missing and {} are surplus", found.missing(), found.surplus());
    let problem = match (found.differences.is_empty(), others) {
        (true, 0) => return Ok(()),
        (false, 0) => counts(),
        (true, _) => format!("keys and days with other calls than those of the access log: {others}"),
        (false, _) => {
            format!("{}; keys and days with other calls than those of the access log: {others}", counts())
        }
    };
    bail!("{problem}; see docs/runbooks/drift-and-backfill.md")
}

/// Message if the access log cannot be read.
const NOT_COUNTED: &str = "the access log cannot be counted";

/// The depth of a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Compares the totals of each hour, and the keys of hours whose totals differ.
    Totals,
    /// Compares the keys of each hour.
    Keys,
    /// Compares the keys of each hour, including keys that only the ledger has.
    WholeLedger,
}

async fn compare(
    target: &Target,
    log: &CallLog,
    from_ms: i64,
    to_ms: i64,
    depth: Depth,
) -> anyhow::Result<Reconciliation> {
    let ledger = target.ledger_counts();
    if depth == Depth::WholeLedger {
        let logged = log.calls_per_key(from_ms, to_ms).await.context(NOT_COUNTED)?;
        let mut counted = HourlyCalls::new();
        for (key, usage) in usage_of_all_keys(&target.dynamodb, &target.meter.names.usage_table).await? {
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
                "In {} the ledger has {} calls of keys that the access log does not contain: --whole-ledger lists them.",
                hour(start_ms),
                totals.counted - by_key.counted
            );
        }
        found.add(by_key);
    }
    Ok(found)
}

/// Accepts the difference of an hour.
async fn accept(target: &Target, start: Timestamp) -> anyhow::Result<()> {
    let start_ms = start.as_millisecond();
    let store = target.reconciliation_store();
    let mut hours = store.hours(start_ms, start_ms + HOUR_MS).await?;
    let Some(compared) = hours.get_mut(&start_ms) else {
        bail!(
            "the reconciler has not compared an hour that starts at {}; give the start of an hour",
            hour(start_ms)
        );
    };
    let totals = target.ledger_counts().totals_by_hour(start_ms, start_ms + HOUR_MS).await?;
    let counted = totals.get(&start_ms).copied().unwrap_or(0);
    let (missing, surplus) = compared.missing_and_surplus(counted);
    compared.accept(counted);
    store.write_hour(start_ms, compared).await?;
    println!("Accepted for {}: {missing} calls are missing and {surplus} are surplus.", hour(start_ms));
    Ok(())
}

/// Formats the start of an hour, as in `2026-11-25T10:00Z`.
fn hour(start_ms: i64) -> String {
    Timestamp::from_millisecond(start_ms)
        .map_or_else(|_| start_ms.to_string(), |time| time.strftime("%Y-%m-%dT%H:%MZ").to_string())
}

/// Sums of the differences of an hour.
#[derive(Default)]
struct HourSums {
    missing: u64,
    surplus: u64,
    keys: usize,
}

/// Prints a comparison as text.
fn print(found: &Reconciliation, depth: Depth, from_ms: i64, to_ms: i64) -> anyhow::Result<()> {
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
        return Ok(());
    }
    let mut hours: BTreeMap<i64, HourSums> = BTreeMap::new();
    for difference in &found.differences {
        let sums = hours.entry(difference.hour_start_ms).or_default();
        sums.missing += difference.missing();
        sums.surplus += difference.surplus();
        sums.keys += 1;
    }
    println!();
    let mut table = Table::new([Text("hour"), Number("missing"), Number("surplus"), Number("keys")]);
    for (start_ms, HourSums { missing, surplus, keys }) in hours {
        table.row([hour(start_ms), missing.to_string(), surplus.to_string(), keys.to_string()])?;
    }
    table.finish()?;
    println!();
    let mut table = Table::new([Text("key"), Text("hour"), Number("logged"), Number("counted")]);
    for reconciliation::Difference { key, hour_start_ms, logged, counted } in
        found.differences.iter().take(SHOWN_KEYS)
    {
        table.row([key.to_string(), hour(*hour_start_ms), logged.to_string(), counted.to_string()])?;
    }
    table.finish()?;
    if found.differences.len() > SHOWN_KEYS {
        println!("and {} more; --json shows all", found.differences.len() - SHOWN_KEYS);
    }
    println!();
    Ok(())
}
