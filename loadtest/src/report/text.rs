//! What a run showed, for a terminal.

use std::fmt::Write as _;

use crate::harness::outcome::Outcome;
use crate::histogram::{Times, seconds_at};
use crate::profile::StackSettings;

/// Percentiles that are shown.
pub(super) const SHOWN: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// What is modelled of AWS, and what not.
pub(super) fn modelled(outcome: &Outcome) -> String {
    if outcome.environment != local_stack::gateway::STAGE {
        return "Everything is measured, on AWS.".to_owned();
    }
    let settings = &outcome.profile.stack;
    let StackSettings { poll_interval_ms, batch_window_ms, delivery_lag, delivery_delay_ms, .. } = *settings;
    let named = match settings.unlike_deployed().as_slice() {
        [] => "All settings are those that are deployed.".to_owned(),
        others => format!("Not as deployed: {}.", others.join(", ")),
    };
    let lag = match delivery_lag {
        Some(lag) => format!(
            "log delivery lags by a log-normal time, half of it below {:.1} s and 99 % below {:.1} s",
            lag.median_ms / 1e3,
            lag.p99_ms / 1e3
        ),
        None => {
            format!("log delivery has no lag beside the {delivery_delay_ms} ms in which events are collected")
        }
    };
    format!(
        "Modelled: {lag}; an empty shard is asked again after {poll_interval_ms} ms; the batch window is {batch_window_ms} ms. Measured: everything else, with the deployed binaries, on this machine. Not modelled: AWS's network, its latency for DynamoDB and Kinesis, and its cold starts. {named}"
    )
}

/// The verdict in one line.
pub(super) fn verdict(outcome: &Outcome) -> String {
    let failures: Vec<String> =
        outcome.failures.iter().map(|failure| format!("{}: {}", failure.name(), failure.detail())).collect();
    if failures.is_empty() { "PASSED".to_owned() } else { failures.join("\n") }
}

/// Everything of importance.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    let (tally, counts) = (&outcome.tally, &outcome.counts);
    let _ = writeln!(
        text,
        "{}: {} of {} calls answered in {:.1} s ({:.0}/s), {} otherwise than asked, {} not at all",
        outcome.profile.name,
        tally.answers(),
        outcome.planned_calls,
        outcome.took_s,
        outcome.answered_per_s(),
        tally.unexpected,
        tally.unanswered
    );
    let _ = writeln!(
        text,
        "clients saw {} successful calls, with those of probes; the ledger has {}: {} missing, {} too many, {} keys and hours compared",
        counts.seen, counts.counted, counts.missing, counts.surplus, counts.compared
    );
    let _ = writeln!(
        text,
        "\n{:<16}{:>10}{}",
        "seconds",
        "samples",
        SHOWN.map(|percentile| format!("{:>10}", column(percentile))).concat()
    );
    let mut row = |name: &str, times: &Times| {
        let values = SHOWN.map(|percentile| format!("{:>10.3}", seconds_at(times, percentile))).concat();
        let _ = writeln!(text, "{name:<16}{:>10}{values}", times.len());
    };
    row("freshness", &outcome.freshness);
    for (name, times) in outcome.split.parts() {
        row(&format!("  {name}"), times);
    }
    row("response time", &tally.response);
    row("sent too late", &tally.lateness);
    let _ = writeln!(text, "\n{}", modelled(outcome));
    consumption(outcome, &mut text);
    for recovery in &outcome.recoveries {
        let _ = writeln!(
            text,
            "fault at {} s for {} s, {:?}: worst freshness {:.1} s, as before {:.1} s after its end",
            recovery.fault.at_s,
            recovery.fault.for_s,
            recovery.fault.kind,
            recovery.worst_s,
            recovery.recovered_after_s
        );
    }
    for growth in &outcome.growth {
        let _ = writeln!(
            text,
            "memory of {}: {:.1} MiB in the second quarter, {:.1} in the last ({:+.1} %)",
            growth.name,
            growth.second_quarter_mib,
            growth.last_quarter_mib,
            growth.percent()
        );
    }
    let _ = writeln!(text, "\n{}", verdict(outcome));
    text
}

/// How a percentile is called.
pub(super) fn column(percentile: f64) -> String {
    if percentile < 100.0 { format!("p{percentile}") } else { "max".to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn consumption(outcome: &Outcome, text: &mut String) {
    let _ = writeln!(text, "\nfor a million successful calls:");
    for line in &outcome.consumption {
        let _ = writeln!(text, "  {:<24}{:>16.0}{:>12.4} $", line.what, line.per_million_calls, line.dollars);
    }
    let dollars: f64 = outcome.consumption.iter().map(|line| line.dollars).sum();
    let _ = writeln!(text, "  {:<24}{:>16}{dollars:>12.4} $", "together", "");
    if let (Some(naive), Some(ours)) = (outcome.naive, outcome.per_million_calls("ledger write units")) {
        let theirs = naive.writes as f64 / naive.calls.max(1) as f64 * 1e6;
        let _ = writeln!(
            text,
            "  one bare ADD per key and batch of log events: {theirs:.0} writes, {:.1} times the ledger's; {:.1} times with claims",
            theirs / ours,
            theirs / (ours + outcome.per_million_calls("claim write units").unwrap_or(0.0))
        );
    }
    let _ = writeln!(
        text,
        "  {} of the calls were probes, each a write of its own; they read the ledger {} times",
        outcome.probes.samples.len(),
        outcome.probes.reads
    );
}
