//! `meter classes test`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use local_stack::call_judge::{Judge, Outcome};
use metering_core::class_lists::ClassLists;
use schemars::JsonSchema;
use serde::Serialize;

use super::apply::read_file;
use super::read_lists;
use crate::closed_output::stdout;
use crate::format::lines::{describe, next_line};
use crate::input::open::{Source, text};
use crate::output::{count, write_json};
use crate::rule_arguments::RuleArguments;
use crate::table::Column::{Number, Text};
use crate::table::Table;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter classes test`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Access log with a line for each call, or - for standard input
    file: PathBuf,
    /// File with a list, as for `meter classes apply`, instead of the lists of the system
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArguments,
    /// Print a line of JSON for each class (docs/schemas/meter-classes-test.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// The calls of a class in an access log.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClassCalls {
    /// Name of the class; null for calls that no rule names.
    pub route_class: Option<String>,
    /// Number of lines that are counted in the class.
    pub calls: u64,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let classes = match &arguments.classes {
        Some(file) => ClassLists::from_stored(vec![(i64::MIN, read_file(file)?)]),
        None => read_lists(&Target::find(&arguments.target).await?).await?,
    };
    let source = Source::from_path(&arguments.file);
    let mut reader = text(source.open().with_context(|| format!("{source} cannot be read"))?);
    let mut judge = Judge::new(arguments.rules.into(), classes)?;
    let (mut calls, mut others) = (BTreeMap::<Option<String>, u64>::new(), BTreeMap::<String, u64>::new());
    while let Some(line) = next_line(&mut reader)? {
        match judge.judge(line.trim_end()).outcome {
            Outcome::Billed { route_class, .. } => *calls.entry(route_class).or_default() += 1,
            other => *others.entry(describe(&other)).or_default() += 1,
        }
    }
    let mut output = stdout();
    if arguments.json {
        let mut classes = calls.into_iter().map(|(route_class, calls)| ClassCalls { route_class, calls });
        return classes.try_for_each(|class| write_json(&mut output, &class));
    }
    let mut table = Table::new([Text("class"), Number("calls")]);
    for (class, calls) in calls {
        table.row([class.unwrap_or_else(|| "without a class".to_owned()), calls.to_string()])?;
    }
    table.finish()?;
    for (reason, lines) in others {
        writeln!(output, "{}: {reason}", count(lines, "line"))?;
    }
    Ok(())
}
