//! `loadtest run`.

use std::path::PathBuf;

use anyhow::Context;
use loadtest::exit_status;
use loadtest::harness::interruption::Interruption;
use loadtest::harness::run::{SystemChoice, execute};
use loadtest::harness::verdict::Failure;
use loadtest::profile::Profile;
use loadtest::report;

/// Arguments of `loadtest run`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The profile: a file of loadtest/profiles, or your own
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    #[command(flatten)]
    system: SystemArguments,
    /// Seed of the calls and of the schedule of faults [default: that of the profile]
    #[arg(long)]
    seed: Option<u64>,
    /// Folder for the results [default: loadtest-results/NAME]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Do not print the progress
    #[arg(long)]
    quiet: bool,
}

/// The choice of the system under test.
#[derive(clap::Args)]
pub struct SystemArguments {
    /// Data folder of a running `meter local` [default: a local stack is started for the run]
    #[arg(long, value_name = "FOLDER", conflicts_with = "aws")]
    data: Option<PathBuf>,
    /// Environment of a deployed meter; needs --gateway
    #[arg(long, value_name = "ENVIRONMENT", requires = "gateway")]
    aws: Option<String>,
    /// URL that calls are sent to [default: the gateway of the local stack]
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Folder of the functions' binaries, for the stack that is started [default: the folder of this command]
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

impl SystemArguments {
    /// Returns the chosen system.
    ///
    /// # Errors
    /// Returns an error if there is a gateway but no system to compare its calls with.
    pub fn choice(self) -> anyhow::Result<SystemChoice> {
        match (self.data, self.aws, self.gateway) {
            (Some(data_folder), _, gateway) => Ok(SystemChoice::Local { data_folder, gateway }),
            (None, Some(environment), Some(gateway)) => Ok(SystemChoice::Aws { environment, gateway }),
            (None, None, Some(_)) => anyhow::bail!("--gateway needs --data FOLDER or --aws ENVIRONMENT"),
            (None, _, None) => Ok(SystemChoice::OwnStack { binaries: self.binaries }),
        }
    }
}

/// Runs the profile, writes the results, and returns the exit status of the verdict.
pub async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let profile = Profile::read_with_seed(&arguments.profile, arguments.seed)?;
    let folder = arguments.output.unwrap_or_else(|| PathBuf::from("loadtest-results").join(&profile.name));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let interruption = Interruption::by_signals()?;
    let choice = arguments.system.choice()?;
    let outcome = Box::pin(execute(&profile, &choice, &interruption, arguments.quiet)).await?;
    report::write(&outcome, &folder)?;
    print!("{}", report::text(&outcome));
    println!("The results are in {}.", folder.display());
    let unless_failed = if outcome.is_interrupted { exit_status::INTERRUPTED } else { exit_status::PASSED };
    Ok(outcome.failures.first().map_or(unless_failed, Failure::exit_status))
}
