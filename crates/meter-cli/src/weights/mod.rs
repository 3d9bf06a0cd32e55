//! `meter weights`: what a call of a route class costs, in credits.

mod apply;

use clap::Subcommand;
use metering_aws::dated_lists::WEIGHT_LISTS;
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;
use usage_report::weights::{ClassWeights, WeightLists};

use crate::dated_lists;
use crate::output::time_text;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter weights`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a list of weights, which applies to the calls from an hour on
    Apply(apply::Arguments),
    /// Remove a list of weights
    Remove(apply::RemoveArguments),
    /// Show the lists of weights with the times from which they apply
    Show(ShowArguments),
}

/// Arguments of `meter weights show`.
#[derive(clap::Args)]
struct ShowArguments {
    /// Print each list as a line of JSON (docs/schemas/meter-weights-show.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A list of weights.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WeightList {
    /// Start of the first hour in which the list applies, as RFC 3339.
    pub from: String,
    /// `true` if the list applies to calls that are made now.
    pub applies: bool,
    /// Class and credits of a call, as lines of a file.
    pub weights: Vec<String>,
}

impl WeightList {
    fn new(from_ms: i64, weights: &ClassWeights, lists: &WeightLists) -> Self {
        Self {
            from: time_text(from_ms),
            applies: lists.in_force_ms(now_ms()) == Some(from_ms),
            weights: weights.to_string().lines().map(str::to_owned).collect(),
        }
    }

    fn print(&self) {
        dated_lists::print(&self.from, self.applies, &self.weights, "* 1");
    }
}

/// Runs a subcommand of `meter weights`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Apply(arguments) => apply::run(arguments).await,
        Action::Remove(arguments) => apply::remove(arguments).await,
        Action::Show(arguments) => show(arguments).await,
    }
}

async fn show(arguments: ShowArguments) -> anyhow::Result<()> {
    let lists = read_lists(&Target::find(&arguments.target).await?).await?;
    let shown = lists.lists().iter().map(|(from_ms, weights)| WeightList::new(*from_ms, weights, &lists));
    let if_none =
        "There are no weights, and usage is shown without credits. `meter weights apply FILE` adds some.";
    dated_lists::show(shown, arguments.json, if_none, WeightList::print)
}

/// Reads the lists of a system.
async fn read_lists(target: &Target) -> anyhow::Result<WeightLists> {
    let lists = WEIGHT_LISTS.read(&target.dynamodb, &target.meter.names.claims_table).await?;
    Ok(WeightLists::from_stored(lists))
}
