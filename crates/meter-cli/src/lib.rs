//! The command `meter`: its subcommands, exit codes, and the schemas of its JSON output.

mod attach;
mod classes;
mod closed_output;
mod confirmation;
mod cost;
pub mod customers;
mod dated_lists;
mod doctor;
mod dry_run;
pub mod exit_codes;
mod format;
mod given_up;
mod help_files;
pub mod input;
pub mod keys;
mod local;
mod local_faults;
mod output;
mod portal;
mod quarantine;
mod reconcile;
pub mod replay;
mod rule_arguments;
pub mod schema;
mod signals;
mod status;
mod stream;
mod table;
mod target;
mod traffic;
mod usage;
mod weights;

use std::panic::AssertUnwindSafe;

use clap::{CommandFactory, Parser, Subcommand};
use futures_util::FutureExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Counts the billable calls of an API: runs the usage meter locally, and administers a local or deployed one
#[derive(Parser)]
#[command(name = "meter", version, max_term_width = 100, after_help = exit_codes::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole system on this machine until it is stopped
    Local(local::Arguments),
    /// Create, show, change and delete API keys
    Keys(keys::Arguments),
    /// Create, show and change customers, who pay for the calls of their keys
    Customers(customers::Arguments),
    /// Name groups of routes, by which usage is broken down
    Classes(classes::Arguments),
    /// Say how many credits a call of each route class costs
    Weights(weights::Arguments),
    /// Show the usage of a key, a customer or all customers
    Usage(usage::Arguments),
    /// Sign tokens with which customers open their usage page
    Portal(portal::Arguments),
    /// Check an access-log format, or lines in it, before it is deployed
    Format(format::Arguments),
    /// Send access logs through the whole pipeline and show what it counts
    Replay(replay::Arguments),
    /// Show records that could not be counted, put them back on the stream, or discard them
    Quarantine(quarantine::Arguments),
    /// Show batches that Lambda gave up, and put them back on the stream
    GivenUp(given_up::Arguments),
    /// Show the graphs of the dashboard as text
    Status(status::Arguments),
    /// Compare the ledger with the access log, and put unclaimed calls on the stream
    Reconcile(reconcile::Arguments),
    /// Show the stream, change its number of shards and its retention period
    Stream(stream::Arguments),
    /// Have the calls of an API in API Gateway metered: shows what that changes, and makes the changes on request
    Attach(attach::AttachArguments),
    /// Undo what `meter attach` has changed of an API
    Detach(attach::DetachArguments),
    /// Check in this account what the meter assumes of AWS and AWS does not promise
    Doctor(doctor::Arguments),
    /// Calculate the capacity and the cost of the meter at a rate of calls
    Cost(cost::Arguments),
    /// Send calls through the gateway of a local stack and show the responses
    Traffic(traffic::Arguments),
    /// Print a script with which a shell completes commands and options
    Completions(help_files::CompletionArguments),
    /// Write the manual pages of all commands
    Man(help_files::ManualArguments),
}

/// Runs the command that the arguments of the process name, and returns the exit code.
pub async fn run() -> u8 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done if the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { exit_codes::USAGE } else { exit_codes::SUCCESS };
        }
    };
    show_warnings();
    closed_output::silence();
    match AssertUnwindSafe(Box::pin(execute(arguments.command))).catch_unwind().await {
        Ok(Ok(())) => exit_codes::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("{}", output::failure(&error));
            exit_codes::FAILURE
        }
        Err(panic) if closed_output::is_reason_of(&*panic) => exit_codes::CLOSED_OUTPUT,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Local(arguments) => Box::pin(local::run(arguments)).await,
        Command::Keys(arguments) => keys::run(arguments).await,
        Command::Customers(arguments) => customers::run(arguments).await,
        Command::Classes(arguments) => classes::run(arguments).await,
        Command::Weights(arguments) => weights::run(arguments).await,
        Command::Usage(arguments) => usage::run(arguments).await,
        Command::Portal(arguments) => portal::run(arguments),
        Command::Format(arguments) => format::run(arguments),
        Command::Replay(arguments) => Box::pin(replay::run(arguments)).await,
        Command::Quarantine(arguments) => Box::pin(quarantine::run(arguments)).await,
        Command::GivenUp(arguments) => given_up::run(arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
        Command::Reconcile(arguments) => reconcile::run(arguments).await,
        Command::Stream(arguments) => stream::run(arguments).await,
        Command::Attach(arguments) => Box::pin(attach::attach(arguments)).await,
        Command::Detach(arguments) => Box::pin(attach::detach(arguments)).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(arguments)).await,
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Traffic(arguments) => traffic::run(arguments).await,
        Command::Completions(arguments) => {
            help_files::print_completions(Arguments::command(), &arguments);
            Ok(())
        }
        Command::Man(arguments) => help_files::write_manual(Arguments::command(), &arguments),
    }
}

/// Prints warnings to standard error. The embedded database logs each failed condition as a warning; the
/// fences fail conditions in normal operation, so only its errors are printed.
fn show_warnings() {
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("dynoxide", LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(targets).init();
}
