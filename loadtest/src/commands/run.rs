//! `loadtest run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use loadtest::harness::run::{Place, execute};
use loadtest::profile::Profile;
use loadtest::report;

/// Arguments of `loadtest run`.
#[derive(clap::Args)]
pub struct Arguments {
    /// What to run: one of loadtest/profiles, or your own
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    #[command(flatten)]
    place: PlaceArguments,
    /// Where the results go [default: loadtest-results/NAME]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

/// Where a run takes place.
#[derive(clap::Args)]
pub struct PlaceArguments {
    /// The data folder of a running `meter local` [default: a stack is started for the run and thrown away]
    #[arg(long, value_name = "FOLDER", conflicts_with = "aws")]
    data: Option<PathBuf>,
    /// The environment of a deployed meter; needs --gateway
    #[arg(long, value_name = "ENVIRONMENT", requires = "gateway")]
    aws: Option<String>,
    /// Where calls are sent
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The folder of the functions' binaries of the stack that is started [default: those built with this command]
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

impl PlaceArguments {
    /// The place that was chosen.
    ///
    /// # Errors
    /// When a gateway is named that belongs to no system.
    pub fn place(self) -> anyhow::Result<Place> {
        match (self.data, self.aws, self.gateway) {
            (Some(data), _, gateway) => Ok(Place::Local { data, gateway }),
            (None, Some(environment), Some(gateway)) => Ok(Place::Aws { environment, gateway }),
            (None, None, Some(_)) => {
                anyhow::bail!("--gateway needs --data FOLDER or --aws ENVIRONMENT beside it")
            }
            (None, _, None) => Ok(Place::OwnStack { binaries: self.binaries }),
        }
    }
}

/// Runs, writes the results and exits by verdict.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let profile = Profile::read(&arguments.profile)?;
    let folder = arguments.output.unwrap_or_else(|| PathBuf::from("loadtest-results").join(&profile.name));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let outcome = Box::pin(execute(&profile, &arguments.place.place()?, arguments.quiet)).await?;
    report::write(&outcome, &folder)?;
    print!("{}", report::text(&outcome));
    println!("Results are in {}.", folder.display());
    Ok(outcome.failures.first().map_or(ExitCode::SUCCESS, |failure| ExitCode::from(failure.exit_status())))
}
