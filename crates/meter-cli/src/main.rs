//! The command `meter`.

mod local;
mod quarantine;
mod replay;
mod target;
mod usage;

use clap::{Parser, Subcommand};

/// Counts what an API company bills: runs the meter, and asks it.
#[derive(Parser)]
#[command(name = "meter", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole system on this machine until it is stopped
    Local(local::Arguments),
    /// Show the usage of a key
    Usage(usage::Arguments),
    /// Send access logs through the whole pipeline and show what it counts
    Replay(replay::Arguments),
    /// Look at records that could not be counted, and put them back
    Quarantine(quarantine::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    match Arguments::parse().command {
        Command::Local(arguments) => local::run(arguments).await,
        Command::Usage(arguments) => usage::run(arguments).await,
        Command::Replay(arguments) => replay::run(arguments).await,
        Command::Quarantine(arguments) => quarantine::run(arguments).await,
    }
}
