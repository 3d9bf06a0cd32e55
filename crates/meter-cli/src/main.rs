//! The command `meter`.

mod cost;
mod doctor;
mod format;
mod given_up;
mod input;
mod keys;
mod local;
mod local_faults;
mod quarantine;
mod reconcile;
mod replay;
mod status;
mod stream;
mod target;
mod traffic;
mod usage;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
    /// Make, show, change and delete API keys
    Keys(keys::Arguments),
    /// Show the usage of a key
    Usage(usage::Arguments),
    /// Check an access-log format, or lines in it, before it is deployed
    Format(format::Arguments),
    /// Send access logs through the whole pipeline and show what it counts
    Replay(replay::Arguments),
    /// Look at records that could not be counted, put them back or discard them
    Quarantine(quarantine::Arguments),
    /// Look at batches that Lambda gave up, and put them back
    GivenUp(given_up::Arguments),
    /// Show what the dashboard shows
    Status(status::Arguments),
    /// Compare the ledger with the access log, and put calls on the stream that nobody has claimed
    Reconcile(reconcile::Arguments),
    /// Show the stream, change the number of its shards and how long it keeps records
    Stream(stream::Arguments),
    /// Check in this account what the meter assumes of AWS and AWS does not promise
    Doctor(doctor::Arguments),
    /// Work out what the meter needs and costs at a rate of calls
    Cost(cost::Arguments),
    /// Send calls through the gateway of a local stack and show what their client saw
    Traffic(traffic::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    show_warnings();
    match Arguments::parse().command {
        Command::Local(arguments) => Box::pin(local::run(arguments)).await,
        Command::Keys(arguments) => keys::run(arguments).await,
        Command::Usage(arguments) => usage::run(arguments).await,
        Command::Format(arguments) => format::run(arguments),
        Command::Replay(arguments) => Box::pin(replay::run(arguments)).await,
        Command::Quarantine(arguments) => quarantine::run(arguments).await,
        Command::GivenUp(arguments) => given_up::run(arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
        Command::Reconcile(arguments) => reconcile::run(arguments).await,
        Command::Stream(arguments) => stream::run(arguments).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(arguments)).await,
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Traffic(arguments) => traffic::run(arguments).await,
    }
}

/// Warnings go to standard error; the embedded database's do not, since it
/// warns of every condition that does not hold, which is how the fence works.
fn show_warnings() {
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("dynoxide", LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(targets).init();
}
