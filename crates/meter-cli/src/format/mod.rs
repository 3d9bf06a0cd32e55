//! `meter format check`: checks an access-log format, or sample lines, before anything is deployed.

pub(crate) mod lines;
mod sample;
mod template;
mod variables;

use std::io::Read;
use std::path::PathBuf;

use access_log::log_format::ApiKind;
use anyhow::{Context, bail};
use clap::Subcommand;
use local_stack::call_judge::Judge;
use metering_core::class_lists::ClassLists;

use crate::input::open::{Source, text, with_head};
use crate::rule_arguments::RuleArguments;
pub use lines::{CheckedLine, SummaryLine};
pub use template::{Report, problems};

/// Number of bytes in which a variable has to occur for the file to be a format. API Gateway accepts formats
/// of 3 KB.
const HEAD_BYTES: usize = 64 << 10;
/// The prefix of each variable of a format.
const VARIABLE: &str = "$context.";

/// Arguments of `meter format`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check whether calls in this access-log format, or these lines, are delivered, read and billed
    Check(CheckArguments),
}

/// Arguments of `meter format check`.
#[derive(clap::Args)]
struct CheckArguments {
    /// File with an access-log format with its `$context.` variables, or lines of an access log; `-`
    /// reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Kind of the API: rest or http [default: detected from the variables]
    #[arg(long, value_name = "KIND")]
    api: Option<ApiKind>,
    #[command(flatten)]
    rules: RuleArguments,
    /// Print JSON: an object for a format; an object per line and a summary for lines
    /// (docs/schemas/meter-format-check.json)
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand of `meter format`.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Check(arguments) => check(arguments),
    }
}

fn check(arguments: CheckArguments) -> anyhow::Result<()> {
    let source = Source::from_path(&arguments.file);
    let unreadable = || format!("{source} cannot be read");
    let (head, mut reader) = with_head(text(source.open().with_context(unreadable)?), HEAD_BYTES);
    let judge = Judge::new(arguments.rules.into(), ClassLists::default())?;
    let head = String::from_utf8_lossy(&head);
    if head.trim().is_empty() {
        bail!("{source} is empty; give an access-log format or lines of an access log");
    }
    if !head.contains(VARIABLE) {
        return lines::check(reader, judge, arguments.json);
    }
    let mut format = String::new();
    reader.read_to_string(&mut format).with_context(unreadable)?;
    template::check(format.trim_end(), arguments.api, judge, arguments.json)
}
