//! `loadtest find-rate`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use loadtest::exit_status;
use loadtest::harness::find_rate::{Search, SearchResult, find};
use loadtest::harness::interruption::Interruption;
use loadtest::profile::Profile;
use loadtest::report;

use super::run::SystemArguments;

/// Arguments of `loadtest find-rate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The profile, whose load is replaced; may be repeated to search several profiles in turns
    #[arg(long = "profile", value_name = "FILE", required = true)]
    profiles: Vec<PathBuf>,
    #[command(flatten)]
    system: SystemArguments,
    /// First rate, in calls a second
    #[arg(long, value_name = "CALLS", default_value_t = 500.0)]
    from: f64,
    /// Length of the run at each rate, in seconds
    #[arg(long, value_name = "S", default_value_t = 45.0)]
    step_s: f64,
    /// Length of the confirming run at the rate that was found, in seconds
    #[arg(long, value_name = "S", default_value_t = 180.0)]
    confirm_s: f64,
    /// Maximum gap between the highest rate that passed and the lowest that failed, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    precision_percent: f64,
    /// Folder for the results; with several profiles, each has a subfolder of its name
    #[arg(long, value_name = "FOLDER", default_value = "loadtest-results/find-rate")]
    output: PathBuf,
}

/// Searches the rates, writes the results, and returns the exit status.
pub async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let profiles: Vec<Profile> =
        arguments.profiles.iter().map(|path| Profile::read(path)).collect::<anyhow::Result<_>>()?;
    let names: BTreeSet<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    ensure!(
        names.len() == profiles.len(),
        "two profiles have the same name; rename one, because results are stored by name"
    );
    ensure!(arguments.from > 0.0, "--from must be above 0");
    ensure!(arguments.precision_percent > 0.0, "--precision-percent must be above 0");
    let search = Search {
        from_calls_per_s: arguments.from,
        step_s: arguments.step_s,
        confirm_s: arguments.confirm_s,
        precision: arguments.precision_percent / 100.0,
    };
    let interruption = Interruption::by_signals()?;
    let results = find(&profiles, &arguments.system.choice()?, search, &interruption).await?;
    for (profile, result) in profiles.iter().zip(&results) {
        let folder = match profiles.len() {
            1 => arguments.output.clone(),
            _ => arguments.output.join(&profile.name),
        };
        print(profile, result, search);
        write(result, &folder)?;
    }
    if interruption.is_on() {
        return Ok(exit_status::INTERRUPTED);
    }
    let is_found = results.iter().all(|result| result.best.is_some());
    Ok(if is_found { exit_status::PASSED } else { exit_status::OBJECTIVE_MISSED })
}

/// Writes the steps of a search, and the report of the confirming run.
fn write(result: &SearchResult, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("steps.json");
    std::fs::write(&path, serde_json::to_string_pretty(&result.steps)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    result.best.as_ref().map_or(Ok(()), |best| report::write(&best.outcome, folder))
}

fn print(profile: &Profile, result: &SearchResult, search: Search) {
    match profile.stack.differences_from_deployed().as_slice() {
        [] => println!("{}, with the deployed settings", profile.name),
        others => println!(
            "{}, with settings that differ from the deployed ones: {}",
            profile.name,
            others.join(", ")
        ),
    }
    println!(
        "{:>10}  {:>10}  {:>12}  {:>12}  verdict",
        "calls/s", "answered/s", "fresh p99.9", "response p99"
    );
    for step in &result.steps {
        println!(
            "{:>10.0}  {:>10.0}  {:>10.2} s  {:>9.1} ms  {}",
            step.calls_per_s, step.answered_per_s, step.freshness_p999_s, step.response_p99_ms, step.verdict
        );
    }
    match &result.best {
        None => println!("No rate passed, not even {:.0} calls a second.\n", search.from_calls_per_s),
        Some(best) => println!(
            "The highest rate that is sustained for {:.0} s: {:.0} calls a second.\n",
            search.confirm_s, best.calls_per_s
        ),
    }
}
