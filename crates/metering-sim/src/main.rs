//! The command `metering-sim`.

use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use metering_sim::faults::{Fault, FaultSet};
use metering_sim::search::{Summary, search, shorten};
use metering_sim::simulation::{Settings, simulate};

/// Simulate counting under faults, one seed after another. If a call is lost or
/// counted twice, print a short trace and exit with 1.
#[derive(Debug, Parser)]
struct Arguments {
    /// Number of seeds to simulate
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// First seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Simulate only this seed, and print its trace
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after this number of minutes
    #[arg(long)]
    minutes: Option<u64>,
    /// Steps of a simulation in which faults are injected
    #[arg(long, default_value_t = 400)]
    steps: u32,
    /// A fault that is not injected; may be repeated
    #[arg(long, value_name = "FAULT")]
    without: Vec<Fault>,
}

const NO_PROBLEM: &str = "no call is lost or counted twice";

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let mut faults = FaultSet::all();
    for fault in &arguments.without {
        faults = faults.without(*fault);
    }
    let settings = Settings { steps: arguments.steps, faults };
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
    report(&summary, settings)
}

fn report(summary: &Summary, settings: &Settings) -> bool {
    let Summary { seeds, billable_calls, invocations, .. } = summary;
    println!("{seeds} seeds, {billable_calls} billable calls, {invocations} invocations");
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
        println!("seed {seed}: {problem}\nlooking for a shorter trace");
        let (seed, settings) = shorten(*seed, settings);
        let without = Fault::ALL.into_iter().filter(|fault| !settings.faults.contains(*fault));
        let options: Vec<String> = without.map(|fault| format!(" --without {}", fault.name())).collect();
        print_trace(seed, &settings);
        println!("reproduce with: --seed {seed} --steps {}{}", settings.steps, options.concat());
        return false;
    }
    println!("{NO_PROBLEM}");
    is_right
}
