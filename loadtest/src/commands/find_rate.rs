//! `loadtest find-rate`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use loadtest::harness::find_rate::{Found, Search, find};
use loadtest::profile::Profile;
use loadtest::report;

use super::run::PlaceArguments;

/// Arguments of `loadtest find-rate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Keys, statuses, stack and objectives; its load is replaced. Several are searched side by side
    #[arg(long = "profile", value_name = "FILE", required = true)]
    profiles: Vec<PathBuf>,
    #[command(flatten)]
    place: PlaceArguments,
    /// The first rate, in calls a second
    #[arg(long, value_name = "CALLS", default_value_t = 500.0)]
    from: f64,
    /// How long each rate is tried, in seconds
    #[arg(long, value_name = "S", default_value_t = 45.0)]
    step_s: f64,
    /// How long the rate that was found is run in the end, in seconds
    #[arg(long, value_name = "S", default_value_t = 180.0)]
    confirm_s: f64,
    /// How near the last passed and the first failed rate have to be, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    precision_percent: f64,
    /// Where the results go; those of several profiles in a folder of the profile's name
    #[arg(long, value_name = "FOLDER", default_value = "loadtest-results/find-rate")]
    output: PathBuf,
}

/// Searches and writes the results of the rates that were found.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let profiles: Vec<Profile> =
        arguments.profiles.iter().map(|path| Profile::read(path)).collect::<anyhow::Result<_>>()?;
    let names: BTreeSet<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    ensure!(
        names.len() == profiles.len(),
        "two profiles have the same name; their results need different ones"
    );
    ensure!(arguments.from > 0.0, "--from has to be above 0");
    ensure!(arguments.precision_percent > 0.0, "--precision-percent has to be above 0");
    let search = Search {
        from: arguments.from,
        step_s: arguments.step_s,
        confirm_s: arguments.confirm_s,
        precision: arguments.precision_percent / 100.0,
    };
    let found = find(&profiles, &arguments.place.place()?, search).await?;
    for (profile, found) in profiles.iter().zip(&found) {
        let folder = match profiles.len() {
            1 => arguments.output.clone(),
            _ => arguments.output.join(&profile.name),
        };
        tell(profile, found, search, &folder)?;
    }
    let is_found = found.iter().all(|found| found.best.is_some());
    Ok(if is_found { ExitCode::SUCCESS } else { ExitCode::from(12) })
}

/// Prints what was found for a profile, and writes it to its folder.
fn tell(profile: &Profile, found: &Found, search: Search, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    match profile.stack.unlike_deployed().as_slice() {
        [] => println!("{}, with the deployed settings", profile.name),
        others => println!("{}, not as deployed: {}", profile.name, others.join(", ")),
    }
    println!(
        "{:>10}  {:>10}  {:>12}  {:>12}  verdict",
        "calls/s", "answered/s", "fresh p99.9", "response p99"
    );
    for step in &found.steps {
        println!(
            "{:>10.0}  {:>10.0}  {:>10.2} s  {:>9.1} ms  {}",
            step.calls_per_s, step.answered_per_s, step.freshness_p999_s, step.response_p99_ms, step.verdict
        );
    }
    let path = folder.join("steps.json");
    std::fs::write(&path, serde_json::to_string_pretty(&found.steps)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    match &found.best {
        None => println!("No rate passed, not even {:.0} calls a second.\n", search.from),
        Some((calls_per_s, outcome)) => {
            report::write(outcome, folder)?;
            println!(
                "The highest rate that is sustained for {:.0} s: {calls_per_s:.0} calls a second.\n",
                search.confirm_s
            );
        }
    }
    Ok(())
}
