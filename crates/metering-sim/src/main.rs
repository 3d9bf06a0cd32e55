//! The command `metering-sim`.

use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use metering_sim::arguments::Arguments;
use metering_sim::faults::Fault;
use metering_sim::search::{Summary, search, shorten};
use metering_sim::simulation::{Settings, simulate};

const NO_PROBLEM: &str = "no call is lost, counted twice or wrongly admitted";

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let settings = arguments.settings();
    let is_right = match arguments.seed {
        Some(seed) => print_trace(seed, &settings),
        None => run(&arguments, &settings),
    };
    std::process::ExitCode::from(u8::from(!is_right))
}

/// Prints the trace of a seed. Returns `true` if no problem was found.
fn print_trace(seed: u64, settings: &Settings) -> bool {
    let outcome = simulate(seed, settings, true);
    for line in outcome.trace {
        println!("{line}");
    }
    println!("{}", outcome.problem.as_deref().unwrap_or(NO_PROBLEM));
    outcome.problem.is_none()
}

fn run(arguments: &Arguments, settings: &Settings) -> bool {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} seeds, {per_sec}, {eta} left");
    let progress =
        ProgressBar::new(arguments.seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let ends = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let continues = || {
        progress.inc(1);
        ends.is_none_or(|ends| Instant::now() < ends)
    };
    let last = arguments.first.saturating_add(arguments.seeds.saturating_sub(1));
    let summary = search(arguments.first, last, settings, &continues);
    progress.finish_and_clear();
    report(&summary, settings, arguments.as_found)
}

fn report(summary: &Summary, settings: &Settings, as_found: bool) -> bool {
    let Summary { seeds, billable_calls, invocations, decisions, .. } = summary;
    println!(
        "{seeds} seeds, {billable_calls} billable calls, {invocations} invocations, {decisions} decisions"
    );
    let mut is_right = true;
    for fault in settings.faults.iter() {
        let count = summary.faults.count(fault);
        println!("  {:<20} {count}", fault.name());
        if count == 0 {
            println!("    never injected: simulate more seeds, or fix the simulation");
            is_right = false;
        }
    }
    if let Some((seed, problem)) = &summary.failure {
        println!("seed {seed}: {problem}");
        if as_found {
            return false;
        }
        println!("looking for a shorter trace");
        let (seed, settings) = shorten(*seed, settings);
        let without = Fault::ALL.into_iter().filter(|fault| !settings.faults.contains(*fault));
        let options: Vec<String> = without.map(|fault| format!(" --without {}", fault.name())).collect();
        print_trace(seed, &settings);
        println!("reproduce with: --seed {seed} --steps {}{}", settings.steps, options.concat());
        println!(
            "keep as a test: add these options as a line of crates/metering-sim/tests/kept-failures.txt"
        );
        return false;
    }
    println!("{NO_PROBLEM}");
    is_right
}
