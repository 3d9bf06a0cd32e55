//! The command `loadtest`.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "loadtest",
    about = "Proves that the usage meter is fresh and exact under load",
    after_help = "Exit status: 0 passed, 10 counts differ, 11 the load test could not keep its rate, 12 an objective was missed, 1 it could not run, 2 wrong arguments."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends the load of a profile, measures freshness and compares the ledger with what clients saw
    Run(commands::run::Arguments),
    /// Finds the highest rate at which a profile passes
    FindRate(commands::find_rate::Arguments),
    /// Simulates a rate that no machine here can run, and says which limit of AWS it strains most
    Simulate(commands::simulate::Arguments),
    /// Simulates several batch windows: what freshness costs, as a table and a plot
    TradeOff(commands::trade_off::Arguments),
    /// Sends a share of a load, as standard input says
    #[command(hide = true)]
    Worker,
    /// Runs a local stack, as standard input says
    #[command(hide = true)]
    Stack,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(commands::log_level()).init();
    let cli = Cli::parse();
    // A worker has one thread, so that several share the cores evenly.
    let runtime = if matches!(cli.command, Command::Worker) {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(cli.command)));
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => Box::pin(commands::run::run(arguments)).await,
        Command::FindRate(arguments) => Box::pin(commands::find_rate::run(arguments)).await,
        Command::Simulate(arguments) => commands::simulate::run(&arguments),
        Command::TradeOff(arguments) => commands::trade_off::run(&arguments),
        Command::Worker => loadtest::harness::worker::run().await.map(|()| ExitCode::SUCCESS),
        Command::Stack => loadtest::harness::local::run_stack().await.map(|()| ExitCode::SUCCESS),
    }
}
