//! `meter doctor`: checks, in the account of the credentials, what the meter assumes of AWS and AWS does not
//! promise. It writes nothing.
//!
//! docs/AWS.md lists the code that relies on each assumption.

mod check;
mod clocks_and_index;
mod deployed;
mod measured;
mod patterns;
mod queries;
mod subject;
mod traffic;

use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use crate::output::print_json;
use crate::target::{LogArguments, Target, TargetArguments};
pub use check::Verdict;
use check::{Check, Finding};
use subject::Subject;

const MINUTE_MS: i64 = 60_000;

/// Arguments of `meter doctor`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Hours of the access log and of the metrics to check
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=24))]
    hours: i64,
    /// Most recent minutes to leave out, whose lines may not have arrived yet
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = clap::value_parser!(i64).range(0..=30))]
    settle_minutes: i64,
    /// Run only the checks whose names contain this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print JSON, as described in docs/schemas/meter-doctor.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    log: LogArguments,
    #[command(flatten)]
    target: TargetArguments,
}

/// Returns all checks in the order in which they run.
fn checks() -> impl Iterator<Item = &'static Check> {
    [
        patterns::CHECKS,
        deployed::CHECKS,
        queries::CHECKS,
        traffic::CHECKS,
        measured::CHECKS,
        clocks_and_index::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Runs the checks and prints their findings.
///
/// # Errors
/// When an assumption is false, or the system is not found.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let wanted = arguments.only.clone().unwrap_or_default();
    let checks: Vec<&Check> = checks().filter(|check| check.name.contains(&wanted)).collect();
    anyhow::ensure!(!checks.is_empty(), "no check has {wanted:?} in its name");
    let subject = subject(&arguments).await?;
    let mut findings = Vec::new();
    for check in checks {
        findings.push((check, check.finding(&subject).await));
    }
    if arguments.json {
        let findings: Vec<CheckOutput> =
            findings.iter().map(|(check, finding)| CheckOutput::new(check, finding)).collect();
        print_json(&findings)?;
    } else {
        print!("{}\n{}", table(&findings), summary(&findings));
    }
    let is_false = findings.iter().filter(|(_, finding)| finding.verdict == Verdict::False).count();
    anyhow::ensure!(is_false == 0, "{is_false} of {} assumptions are false", findings.len());
    Ok(())
}

async fn subject(arguments: &Arguments) -> anyhow::Result<Subject> {
    let target = Target::find(&arguments.target).await?;
    let log = target.call_log(&arguments.log).await?;
    let now_ms = now_ms();
    // Insights takes whole seconds; the current one is included.
    let to_ms = (now_ms - arguments.settle_minutes * MINUTE_MS).div_euclid(1_000) * 1_000 + 1_000;
    Ok(Subject::new(target, log, to_ms - arguments.hours * 60 * MINUTE_MS, to_ms, now_ms))
}

/// A check and its finding.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckOutput {
    /// Stable name of the check.
    pub check: String,
    /// Assumption of the code.
    pub assumption: String,
    /// Result of the check.
    pub verdict: Verdict,
    /// Observation.
    pub found: String,
    /// Remedy; empty if there is none.
    pub advice: String,
}

impl CheckOutput {
    fn new(check: &Check, finding: &Finding) -> Self {
        let Finding { verdict, found, advice } = finding.clone();
        Self { check: check.name.to_owned(), assumption: check.assumption.to_owned(), verdict, found, advice }
    }
}

fn table(findings: &[(&Check, Finding)]) -> String {
    let width = findings.iter().map(|(check, _)| check.name.len()).max().unwrap_or_default();
    let mut lines = vec![format!("{:<7}  {:<width$}  found", "verdict", "check")];
    for (check, Finding { verdict, found, advice }) in findings {
        lines.push(format!("{verdict:<7}  {:<width$}  {found}", check.name));
        let mut add = |text: String| lines.push(format!("{:<7}  {:<width$}  {text}", "", ""));
        if *verdict == Verdict::False {
            add(format!("assumed: {}", check.assumption));
        }
        if !advice.is_empty() {
            add(format!("do: {advice}"));
        }
    }
    lines.join("\n") + "\n"
}

fn summary(findings: &[(&Check, Finding)]) -> String {
    let count = |verdict| findings.iter().filter(|(_, finding)| finding.verdict == verdict).count();
    let counts = [Verdict::Ok, Verdict::False, Verdict::Unknown, Verdict::Skipped]
        .map(|verdict| format!("{} {verdict}", count(verdict)));
    let hint = match count(Verdict::Unknown) {
        0 => "",
        _ => " An unknown result is not a failure.",
    };
    format!("{}.{hint}\n", counts.join(", "))
}

#[cfg(test)]
mod tests;
