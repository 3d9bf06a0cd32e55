//! The report as one HTML page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot;
use super::text::{SHOWN, column, modelled, verdict};
use crate::harness::outcome::Outcome;
use crate::histogram::{Times, seconds_at};

const STYLE: &str = "
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } section, pre { overflow-x: auto } th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left } figure { margin: 1.5rem 0; background: #fff } figure svg { width: 100%; height: auto }
.verdict { padding: .6rem 1rem; border-left: 6px solid; white-space: pre-line; font-weight: 600 }
.passed { border-color: #2c8c2c } .failed { border-color: #be2832 }
";

/// The page, with the plot of percentiles.
pub(super) fn page(outcome: &Outcome, percentiles: &str) -> anyhow::Result<String> {
    let timeline = plot::timeline(outcome)?;
    let is_passed = outcome.failures.is_empty();
    let name = &outcome.profile.name;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Load test " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Load test " (name) }
                p class={ "verdict " (if is_passed { "passed" } else { "failed" }) } { (verdict(outcome)) }
                section { (calls(outcome)) }
                h2 { "Freshness" }
                p { "From a call's answer to the first read that shows it in the ledger, measured on " (outcome.freshness.len()) " calls of probes." }
                section { (times(outcome)) }
                figure { (PreEscaped(percentiles)) }
                figure { (PreEscaped(&timeline)) }
                p { (modelled(outcome)) }
                section { (faults(outcome)) }
                section { (consumption(outcome)) }
                section { (memory(outcome)) }
                h2 { "Profile" }
                pre { (serde_json::to_string_pretty(&outcome.profile)?) }
            }
        }
    };
    Ok(page.into_string())
}

fn calls(outcome: &Outcome) -> Markup {
    let (tally, counts) = (&outcome.tally, &outcome.counts);
    html! {
        h2 { "Calls" }
        table {
            tr { th { "planned" } td { (outcome.planned_calls) } }
            tr { th { "sent" } td { (tally.sent) } }
            tr { th { "answered" } td { (tally.answers()) } }
            tr { th { "answered a second" } td { (format!("{:.1}", outcome.answered_per_s())) } }
            @for (status, answers) in &tally.answered { tr { th { "answered with " (status) } td { (answers) } } }
            tr { th { "answered otherwise than asked" } td { (tally.unexpected) } }
            tr { th { "not answered" } td { (tally.unanswered) } }
            tr { th { "successful calls that clients saw, with those of probes" } td { (counts.seen) } }
            tr { th { "calls in the ledger" } td { (counts.counted) } }
            tr { th { "missing in the ledger" } td { (counts.missing) } }
            tr { th { "too many in the ledger" } td { (counts.surplus) } }
            tr { th { "keys and hours that were compared" } td { (counts.compared) } }
            tr { th { "everything was counted after the last answer in" } td { (format!("{:.1} s", outcome.settled_after_s)) } }
        }
        @if !counts.differences.is_empty() {
            h3 { "Where they differ" }
            table {
                tr { th { "key" } th { "hour, ms since 1970" } th { "seen" } th { "counted" } }
                @for (key, hour, seen, counted) in &counts.differences {
                    tr { td { (key) } td { (hour) } td { (seen) } td { (counted) } }
                }
            }
        }
    }
}

fn times(outcome: &Outcome) -> Markup {
    let row = |name: &str, times: &Times| {
        html! {
            tr {
                td { (name) } td { (times.len()) }
                @for percentile in SHOWN { td { (format!("{:.3}", seconds_at(times, percentile))) } }
            }
        }
    };
    html! {
        table {
            tr { th { "seconds" } th { "samples" } @for percentile in SHOWN { th { (column(percentile)) } } }
            (row("freshness", &outcome.freshness))
            @for (name, part) in outcome.split.parts() { (row(name, part)) }
            (row("response time, from when a call was due", &outcome.tally.response))
            (row("taken up too late by the load test itself", &outcome.tally.lateness))
        }
        @if outcome.split.not_found > 0 {
            p { "The parts of " (outcome.split.not_found) " calls could not be told, since their batch or record was not found." }
        }
    }
}

fn faults(outcome: &Outcome) -> Markup {
    html! {
        @if !outcome.recoveries.is_empty() {
            h2 { "Faults" }
            table {
                tr { th { "fault" } th { "at, s" } th { "for, s" } th { "worst freshness, s" } th { "as before, s after its end" } }
                @for recovery in &outcome.recoveries {
                    tr {
                        td { (format!("{:?}", recovery.fault.kind)) }
                        td { (recovery.fault.at_s) } td { (recovery.fault.for_s) }
                        td { (format!("{:.1}", recovery.worst_s)) } td { (format!("{:.1}", recovery.recovered_after_s)) }
                    }
                }
            }
        }
    }
}

fn consumption(outcome: &Outcome) -> Markup {
    let dollars: f64 = outcome.consumption.iter().map(|line| line.dollars).sum();
    html! {
        h2 { "Consumption of a million successful calls" }
        p { "Counted in this run by the metrics of each service, and priced with list prices (" (cost_model::LIST_PRICES.of) "). What is paid by the hour is not in it." }
        table {
            tr { th { "" } th { "for a million calls" } th { "dollars" } }
            @for line in &outcome.consumption {
                tr { td { (line.what) } td { (format!("{:.0}", line.per_million_calls)) } td { (format!("{:.4}", line.dollars)) } }
            }
            tr { th { "together" } th {} th { (format!("{dollars:.4}")) } }
        }
        @if let Some(naive) = outcome.naive {
            p { "One bare ADD per key and batch of log events would have made " (naive.writes) " writes for the same " (naive.calls) " calls." }
        }
        p { (outcome.probes.samples.len()) " of the calls were probes, each a write of its own; they read the ledger " (outcome.probes.reads) " times." }
    }
}

fn memory(outcome: &Outcome) -> Markup {
    html! {
        @if !outcome.growth.is_empty() {
            h2 { "Memory" }
            table {
                tr { th { "process" } th { "second quarter, MiB" } th { "last quarter, MiB" } th { "growth, %" } th { "most, MiB" } }
                @for growth in &outcome.growth {
                    tr {
                        td { (growth.name) } td { (format!("{:.1}", growth.second_quarter_mib)) }
                        td { (format!("{:.1}", growth.last_quarter_mib)) } td { (format!("{:+.1}", growth.percent())) }
                        td { (format!("{:.1}", growth.most_mib)) }
                    }
                }
            }
        }
    }
}
