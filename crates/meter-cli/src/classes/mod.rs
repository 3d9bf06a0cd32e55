//! `meter classes`: lists of route classes, by which usage is broken down.

mod apply;
mod test;

use clap::Subcommand;
use metering_aws::dated_lists::CLASS_LISTS;
use metering_core::class_lists::ClassLists;
use metering_core::route_class::RouteClasses;
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

pub use test::ClassCalls;

use crate::dated_lists;
use crate::output::time_text;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter classes`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a list of classes, which applies to the calls from a time on
    Apply(apply::Arguments),
    /// Remove a list that does not apply yet
    Remove(apply::RemoveArguments),
    /// Show the lists of classes with the times from which they apply
    Show(ShowArguments),
    /// Show the class of each call of an access log, by the present lists or those of a file
    Test(test::Arguments),
}

/// Arguments of `meter classes show`.
#[derive(clap::Args)]
struct ShowArguments {
    /// Print each list as a line of JSON (docs/schemas/meter-classes-show.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A list of route classes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClassList {
    /// Request time from which the list applies, as RFC 3339.
    pub from: String,
    /// `true` if the list applies to calls that are made now.
    pub applies: bool,
    /// Classes in their order, as lines of a file.
    pub classes: Vec<String>,
}

impl ClassList {
    /// Returns the output for a list that applies from `from_ms` on.
    pub fn new(from_ms: i64, classes: &RouteClasses, lists: &ClassLists) -> Self {
        Self {
            from: time_text(from_ms),
            applies: lists.in_force_ms(now_ms()) == Some(from_ms),
            classes: classes.to_string().lines().map(str::to_owned).collect(),
        }
    }

    fn print(&self) {
        dated_lists::print(&self.from, self.applies, &self.classes, "no classes");
    }
}

/// Runs a subcommand of `meter classes`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Apply(arguments) => apply::run(arguments).await,
        Action::Remove(arguments) => apply::remove(arguments).await,
        Action::Show(arguments) => show(arguments).await,
        Action::Test(arguments) => test::run(arguments).await,
    }
}

async fn show(arguments: ShowArguments) -> anyhow::Result<()> {
    let lists = read_lists(&Target::find(&arguments.target).await?).await?;
    let shown = lists.lists().iter().map(|(from_ms, classes)| ClassList::new(*from_ms, classes, &lists));
    let if_none = "There are no route classes. `meter classes apply FILE` adds some.";
    dated_lists::show(shown, arguments.json, if_none, ClassList::print)
}

/// Reads the lists of a system.
pub async fn read_lists(target: &Target) -> anyhow::Result<ClassLists> {
    let lists = CLASS_LISTS.read(&target.dynamodb, &target.meter.names.claims_table).await?;
    Ok(ClassLists::from_stored(lists))
}
