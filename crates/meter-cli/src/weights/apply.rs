//! `meter weights apply` and `meter weights remove`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use metering_aws::dated_lists::WEIGHT_LISTS;
use metering_core::class_lists::ClassLists;
use metering_core::window::{HOUR_MS, hour_start_ms};
use system_clock::now_ms;
use usage_report::weights::{ClassWeights, PastHours, WEIGHT_LIST_LEAD_MS};

use super::{WeightList, read_lists};
use crate::classes;
use crate::dated_lists::{self, Added};
use crate::dry_run::DryRun;
use crate::keys::time_ms;
use crate::output::{print_json, time_text};
use crate::target::{Target, TargetArguments};

/// Arguments of `meter weights apply`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File with a line for each class: NAME CREDITS, as in `search 2.5`. The line `* 0.5` is for all other
    /// calls, which are one credit without it
    file: PathBuf,
    /// Start of the first hour in which the list applies: a day or a time [default: the first full hour that
    /// is at least 5 minutes ahead]
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    from: Option<i64>,
    /// Also change credits that may have been read, of hours that have begun or begin within 5 minutes, and
    /// replace a list
    #[arg(long)]
    restate: bool,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print JSON, as described in docs/schemas/meter-weights-apply.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let weights: ClassWeights = dated_lists::read_file(&arguments.file, "list of weights")?;
    let target = Target::find(&arguments.target).await?;
    check_classes(&weights, &classes::read_lists(&target).await?)?;
    let now_ms = now_ms();
    let default_ms = hour_start_ms(now_ms + WEIGHT_LIST_LEAD_MS) + HOUR_MS;
    let from_ms = arguments.from.unwrap_or(default_ms);
    let lists = read_lists(&target).await?;
    let replaced = lists.from_exactly(from_ms).cloned();
    let lists = lists.with(from_ms, weights.clone(), now_ms, past(arguments.restate));
    let lists = lists.context("the list cannot be added")?;
    let words = |is, would_be| arguments.dry_run.words(is, would_be);
    let table = &target.meter.names.claims_table;
    if !arguments.dry_run.is_on()
        && !WEIGHT_LISTS.add(&target.dynamodb, table, from_ms, &weights, replaced.as_ref()).await?
    {
        bail!("another list was added or changed at the same time; see `meter weights show`");
    }
    if let Some(replaced) = replaced {
        let (from, [is, was]) = (time_text(from_ms), [words("is", "would be"), words("was", "is")]);
        eprintln!("warning: the list from {from} on {is} replaced. It {was}:\n{replaced}");
    }
    let list = WeightList::new(from_ms, &weights, &lists);
    if arguments.json {
        return print_json(&Added { applied: !arguments.dry_run.is_on(), list });
    }
    match list.weights.as_slice() {
        [] => println!("From {} on, each call {} one credit.", list.from, words("is", "would be")),
        weights => println!(
            "From {} on, calls {} these credits: {}.",
            list.from,
            words("have", "would have"),
            weights.join(", ")
        ),
    }
    Ok(())
}

/// Arguments of `meter weights remove`.
#[derive(clap::Args)]
pub struct RemoveArguments {
    /// Start of the first hour in which the list applies
    #[arg(value_name = "TIME", value_parser = time_ms)]
    from: i64,
    /// Also change credits that may have been read, of hours that have begun or begin within 5 minutes
    #[arg(long)]
    restate: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Removes a list.
pub async fn remove(arguments: RemoveArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    let from_ms = arguments.from;
    let lists = read_lists(&target).await?.without(from_ms, now_ms(), past(arguments.restate));
    lists.context("the list cannot be removed")?;
    WEIGHT_LISTS.remove(&target.dynamodb, &target.meter.names.claims_table, from_ms).await?;
    println!("Removed the list from {} on.", time_text(from_ms));
    Ok(())
}

fn past(restates: bool) -> PastHours {
    if restates { PastHours::Restate } else { PastHours::Keep }
}

/// Checks that each weight is of a class. A misspelt class would have no effect.
fn check_classes(weights: &ClassWeights, lists: &ClassLists) -> anyhow::Result<()> {
    let names: Vec<&str> = lists.lists().iter().flat_map(|(_, classes)| classes.names()).collect();
    match weights.classes().find(|class| !names.contains(class)) {
        Some(unknown) => bail!(
            "no list of route classes has the class {unknown}; add it with `meter classes apply`, or see `meter classes show`"
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_a_class_that_does_not_exist_is_refused() {
        let lists = ClassLists::from_stored(vec![
            (0, "search GET /search".parse().unwrap()),
            (1, "export GET /export".parse().unwrap()),
        ]);
        let check = |weights: &str| check_classes(&weights.parse().unwrap(), &lists);
        assert!(check("search 2\nexport 3\n* 1").is_ok());
        assert!(
            check("serach 2")
                .unwrap_err()
                .to_string()
                .contains("no list of route classes has the class serach")
        );
        assert!(check_classes(&"* 2".parse().unwrap(), &ClassLists::default()).is_ok());
    }
}
