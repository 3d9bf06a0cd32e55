//! The report as text for a terminal.

use std::fmt::Write as _;

use crate::harness::outcome::Outcome;
use crate::histogram::LatencyHistogram;
use crate::profile::StackSettings;

/// Percentiles in the tables of a report; 100 is the maximum.
pub(super) const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// Describes which delays are modelled and which are measured.
pub(super) fn models(outcome: &Outcome) -> String {
    if outcome.environment != deployment::names::LOCAL {
        return "Everything was measured on AWS.".to_owned();
    }
    let settings = &outcome.profile.stack;
    let StackSettings { poll_interval_ms, batch_window_ms, delivery_lag, delivery_delay_ms, .. } = *settings;
    let differences = match settings.differences_from_deployed().as_slice() {
        [] => "All settings are the deployed ones.".to_owned(),
        others => format!("Settings that differ from the deployed ones: {}.", others.join(", ")),
    };
    let lag = match delivery_lag {
        Some(lag) => format!(
            "log delivery lags by a log-normal time (p50 {:.1} s, p99 {:.1} s)",
            lag.median_ms / 1e3,
            lag.p99_ms / 1e3
        ),
        None => {
            format!("log delivery has no lag beyond the {delivery_delay_ms} ms in which events are collected")
        }
    };
    format!(
        "Modelled: {lag}; an empty shard is polled every {poll_interval_ms} ms; the batch window is {batch_window_ms} ms. Measured: everything else, with the deployed binaries, on this machine. Not included: the latency of AWS's network, DynamoDB and Kinesis, and cold starts. {differences}"
    )
}

/// Formats the verdict: `PASSED`, or one line for each failure.
pub(super) fn verdict(outcome: &Outcome) -> String {
    let failures: Vec<String> =
        outcome.failures.iter().map(|failure| format!("{}: {}", failure.name(), failure.detail())).collect();
    match failures.as_slice() {
        [] if outcome.is_interrupted => "STOPPED before the end; the counts until then agree".to_owned(),
        [] => "PASSED".to_owned(),
        failures => failures.join("\n"),
    }
}

/// Formats the report as text.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    let (tally, counts) = (&outcome.tally, &outcome.counts);
    let _ = writeln!(
        text,
        "{}: {} of {} calls answered in {:.1} s ({:.0}/s), {} with an unexpected status, {} without a response",
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
        "the clients count {} successful calls, probes included; the ledger has {}: {} missing, {} surplus, {} pairs of key and hour compared",
        counts.client_calls, counts.ledger_calls, counts.missing, counts.surplus, counts.compared
    );
    if let Some(identities) = &outcome.identities {
        let _ = writeln!(text, "{}", identities.sentence());
    }
    let _ = writeln!(
        text,
        "\n{:<16}{:>10}{}",
        "seconds",
        "samples",
        PERCENTILES.map(|percentile| format!("{:>10}", column(percentile))).concat()
    );
    let mut row = |name: &str, histogram: &LatencyHistogram| {
        let values =
            PERCENTILES.map(|percentile| format!("{:>10.3}", histogram.seconds_at(percentile))).concat();
        let _ = writeln!(text, "{name:<16}{:>10}{values}", histogram.len());
    };
    row("freshness", &outcome.freshness);
    for (name, histogram) in outcome.latency_breakdown.stages() {
        row(&format!("  {name}"), histogram);
    }
    row("response time", &tally.response);
    row("send lateness", &tally.lateness);
    let _ = writeln!(text, "\n{}", models(outcome));
    consumption(outcome, &mut text);
    faults(outcome, &mut text);
    for growth in &outcome.memory_growth {
        let _ = writeln!(
            text,
            "memory of {}: {:.1} MiB in the second quarter, {:.1} MiB in the last ({:+.1} %)",
            growth.name,
            growth.second_quarter_mib,
            growth.last_quarter_mib,
            growth.percent()
        );
    }
    let _ = writeln!(text, "\n{}", verdict(outcome));
    text
}

/// Formats the schedule of faults, with the recovery from each.
fn faults(outcome: &Outcome, text: &mut String) {
    if outcome.recoveries.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nfaults, in seconds; the seed of the schedule is {}:", outcome.profile.seed);
    let _ = writeln!(
        text,
        "{:>8}{:>8}{:>10}{:>14}{:>16}{:>16}{:>16}  fault",
        "start", "length", "effects", "failed calls", "answers after", "max freshness", "fresh after"
    );
    for recovery in &outcome.recoveries {
        let length_s = recovery.ended_s - recovery.began_s;
        let _ = writeln!(
            text,
            "{:>8.1}{length_s:>8.1}{:>10}{:>14}{:>16.0}{:>16.1}{:>16.1}  {:?}",
            recovery.began_s,
            recovery.effects,
            recovery.failed_calls,
            recovery.answered_after_s,
            recovery.max_freshness_s,
            recovery.recovered_after_s,
            recovery.fault.kind
        );
    }
    if outcome.probes.failed_reads > 0 {
        let _ =
            writeln!(text, "{} of the probes' reads failed and were repeated", outcome.probes.failed_reads);
    }
    text.push('\n');
}

/// Formats the name of a percentile as a column header.
pub(super) fn column(percentile: f64) -> String {
    if percentile < 100.0 { format!("p{percentile}") } else { "max".to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn consumption(outcome: &Outcome, text: &mut String) {
    let _ = writeln!(text, "\nconsumption for a million successful calls:");
    for line in &outcome.consumption {
        let _ = writeln!(text, "  {:<24}{:>16.0}{:>12.4} $", line.what, line.per_million_calls, line.dollars);
    }
    let dollars: f64 = outcome.consumption.iter().map(|line| line.dollars).sum();
    let _ = writeln!(text, "  {:<24}{:>16}{dollars:>12.4} $", "total", "");
    if let (Some(baseline), Some(ledger)) =
        (outcome.baseline, outcome.per_million_calls("ledger write units"))
    {
        let per_million = baseline.writes as f64 / baseline.calls.max(1) as f64 * 1e6;
        let _ = writeln!(
            text,
            "  baseline (one ADD for each key of each batch of log events): {per_million:.0} writes, {:.1} times the ledger's, {:.1} times those of ledger and claims",
            per_million / ledger,
            per_million / (ledger + outcome.per_million_calls("claim write units").unwrap_or(0.0))
        );
    }
    let _ = writeln!(
        text,
        "  {} of the calls were probes, each with a separate write; they read the ledger {} times",
        outcome.probes.samples.len(),
        outcome.probes.reads
    );
}
