//! `meter classes apply` and `meter classes remove`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use metering_aws::dated_lists::CLASS_LISTS;
use metering_core::billing_rules::BillingRules;
use metering_core::class_lists::{CLASS_LIST_LEAD_MS, check_lead};
use metering_core::route_class::RouteClasses;
use system_clock::now_ms;

use super::{ClassList, read_lists};
use crate::dated_lists::{self, Added};
use crate::dry_run::DryRun;
use crate::keys::time_ms;
use crate::output::{print_json, time_text};
use crate::target::{Target, TargetArguments};

/// Time between the command and the first request time that its list applies to by default, beyond
/// the minimum, in milliseconds. The command may take a while.
const MARGIN_MS: i64 = 5 * 60_000;
/// Length of a minute, in milliseconds.
const MINUTE_MS: i64 = 60_000;

/// Arguments of `meter classes apply`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File with a line for each class: NAME ROUTES [api=ID] [stage=NAME] [status=CODES], as in
    /// `search GET /search, POST /search stage=prod`. A call has the first class that fits. An empty file
    /// ends all classes
    file: PathBuf,
    /// Request time from which the list applies: a day or a time, at least 90 minutes ahead
    /// [default: the full minute 95 minutes ahead]
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    from: Option<i64>,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print JSON, as described in docs/schemas/meter-classes-apply.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let classes = read_file(&arguments.file)?;
    let target = Target::find(&arguments.target).await?;
    let now_ms = now_ms();
    let default_ms = now_ms + CLASS_LIST_LEAD_MS + MARGIN_MS;
    let from_ms = arguments.from.unwrap_or(default_ms - default_ms.rem_euclid(MINUTE_MS));
    let lists = read_lists(&target).await?;
    warn_of_unbilled_statuses(&target, &classes).await?;
    let lists = lists.with(from_ms, classes.clone(), now_ms).context("the list cannot be added")?;
    if !arguments.dry_run.is_on() {
        add(&target, from_ms, &classes).await?;
    }
    let list = ClassList::new(from_ms, &classes, &lists);
    if arguments.json {
        return print_json(&Added { applied: !arguments.dry_run.is_on(), list });
    }
    let words = |is, would_be| arguments.dry_run.words(is, would_be);
    let names: Vec<&str> = classes.names().collect();
    match names.as_slice() {
        [] => println!("From {} on, calls {} no class.", list.from, words("have", "would have")),
        names => println!(
            "From {} on, calls {} counted in these classes: {}.",
            list.from,
            words("are", "would be"),
            names.join(", ")
        ),
    }
    Ok(())
}

async fn add(target: &Target, from_ms: i64, classes: &RouteClasses) -> anyhow::Result<()> {
    let table = &target.meter.names.claims_table;
    if !CLASS_LISTS.add(&target.dynamodb, table, from_ms, classes, None).await? {
        bail!("another list was added at the same time; see `meter classes show`");
    }
    check_was_in_time(from_ms)
}

/// Warns of classes with statuses that the deployed consumer does not bill.
async fn warn_of_unbilled_statuses(target: &Target, classes: &RouteClasses) -> anyhow::Result<()> {
    let Some(BillingRules { billed_statuses, .. }) = target.billing_rules().await? else { return Ok(()) };
    let names: Vec<&str> = classes.with_unbilled_status(&billed_statuses).collect();
    if !names.is_empty() {
        eprintln!(
            "warning: calls with some statuses of {} are not counted, because the deployment bills {billed_statuses}; deploy it with these statuses in the option billed-statuses",
            names.join(", ")
        );
    }
    Ok(())
}

/// Arguments of `meter classes remove`.
#[derive(clap::Args)]
pub struct RemoveArguments {
    /// Request time from which the list applies, at least 90 minutes ahead
    #[arg(value_name = "TIME", value_parser = time_ms)]
    from: i64,
    #[command(flatten)]
    target: TargetArguments,
}

/// Removes a list that does not apply yet.
pub async fn remove(arguments: RemoveArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    let from_ms = arguments.from;
    read_lists(&target).await?.without(from_ms, now_ms()).context("the list cannot be removed")?;
    CLASS_LISTS.remove(&target.dynamodb, &target.meter.names.claims_table, from_ms).await?;
    check_was_in_time(from_ms)?;
    println!("Removed the list from {} on.", time_text(from_ms));
    Ok(())
}

/// Returns an error if a change was written too late, because the machine or the network stood still.
fn check_was_in_time(from_ms: i64) -> anyhow::Result<()> {
    check_lead(from_ms, now_ms()).with_context(|| {
        format!(
            "the change of the list from {} on was written too late: for up to 90 minutes from then on, calls may be counted in two classes. Report it before you bill by class",
            time_text(from_ms)
        )
    })
}

/// Reads a list from a file.
pub fn read_file(file: &Path) -> anyhow::Result<RouteClasses> {
    dated_lists::read_file(file, "list of route classes")
}
