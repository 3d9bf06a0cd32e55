//! The command `loadtest`.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use loadtest::exit_status;

#[derive(Parser)]
#[command(
    name = "loadtest",
    version,
    about = "Measures freshness and checks exact counts of the usage meter under load",
    after_help = exit_status::help()
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends the load of a profile, measures freshness, and compares the ledger with the clients' counts
    Run(commands::run::Arguments),
    /// Finds the highest rate at which a profile passes
    FindRate(commands::find_rate::Arguments),
    /// Simulates a load that one machine cannot run, and ranks the limits of AWS by their utilization
    Simulate(commands::simulate::Arguments),
    /// Simulates several batch windows, and prints their freshness, writes and cost as a table
    TradeOff(commands::trade_off::Arguments),
    /// Sends the share of a load that standard input describes
    #[command(hide = true)]
    Worker,
    /// Runs the local stack that standard input describes
    #[command(hide = true)]
    Stack,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_max_level(commands::log_level())
        .init();
    let cli = Cli::parse();
    // A worker has one thread, so that several workers share the cores evenly.
    let runtime = if matches!(cli.command, Command::Worker) {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli.command)));
    let status = result.unwrap_or_else(|error| {
        eprintln!("loadtest: {error:#}");
        exit_status::CANNOT_RUN
    });
    ExitCode::from(status)
}

/// Runs a command and returns the exit status.
async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(arguments) => Box::pin(commands::run::run(arguments)).await,
        Command::FindRate(arguments) => Box::pin(commands::find_rate::run(arguments)).await,
        Command::Simulate(arguments) => commands::simulate::run(&arguments).map(|()| exit_status::PASSED),
        Command::TradeOff(arguments) => commands::trade_off::run(&arguments).map(|()| exit_status::PASSED),
        Command::Worker => loadtest::harness::worker::run().await.map(|()| exit_status::PASSED),
        Command::Stack => loadtest::harness::local::run_stack().await.map(|()| exit_status::PASSED),
    }
}
