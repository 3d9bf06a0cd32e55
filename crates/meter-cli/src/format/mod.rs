//! `meter format check`: what becomes of the lines of an access-log format, or
//! of sample lines, before anything is deployed.

mod judge;
mod lines;
mod sample;
mod template;
mod variables;

use std::io::Read;
use std::path::PathBuf;

use access_log::log_format::ApiKind;
use anyhow::{Context, bail};
use clap::Subcommand;
use local_stack::stack::UNBILLED_ROUTES;
use metering_core::unbilled::UnbilledRoutes;

use crate::input::open::{Source, text, with_head};
use judge::Judge;

/// How much of a file tells whether it is a format, in bytes. API Gateway takes
/// formats of 3 KB.
const HEAD_BYTES: usize = 64 << 10;
/// What begins each variable of a format.
const VARIABLE: &str = "$context.";

/// Arguments of `meter format`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Tell whether calls in this access-log format, or these lines, are delivered, read and billed
    Check(CheckArguments),
}

/// Arguments of `meter format check`.
#[derive(clap::Args)]
struct CheckArguments {
    /// An access-log format with its `$context.` variables, or lines of an access log; `-` reads
    /// standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The kind of the API, rest or http [default: as the variables tell]
    #[arg(long, value_name = "KIND")]
    api: Option<ApiKind>,
    /// The UNBILLED_ROUTES of the consumer
    #[arg(long, value_name = "ROUTES", default_value = UNBILLED_ROUTES)]
    unbilled: UnbilledRoutes,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Check(arguments) => check(arguments),
    }
}

fn check(arguments: CheckArguments) -> anyhow::Result<()> {
    let source = Source::of(&arguments.file);
    let unreadable = || format!("{source} cannot be read");
    let (head, mut reader) = with_head(text(source.open().with_context(unreadable)?), HEAD_BYTES);
    let judge = Judge::new(arguments.unbilled)?;
    let head = String::from_utf8_lossy(&head);
    if head.trim().is_empty() {
        bail!("{source} is empty; give it an access-log format or lines of an access log");
    }
    if !head.contains(VARIABLE) {
        return lines::check(reader, judge, arguments.json);
    }
    let mut format = String::new();
    reader.read_to_string(&mut format).with_context(unreadable)?;
    template::check(format.trim_end(), arguments.api, judge, arguments.json)
}
