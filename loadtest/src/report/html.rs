//! The report as a self-contained HTML page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot;
use super::text::{PERCENTILES, column, models, verdict};
use crate::harness::outcome::Outcome;
use crate::histogram::LatencyHistogram;

const STYLE: &str = "
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } section, pre { overflow-x: auto } th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left } figure { margin: 1.5rem 0; background: #fff } figure svg { width: 100%; height: auto }
.verdict { padding: .6rem 1rem; border-left: 6px solid; white-space: pre-line; font-weight: 600 }
.passed { border-color: #2c8c2c } .failed { border-color: #be2832 }
";

/// Renders the page. `percentiles` is the SVG of the percentile plot.
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
                p { "The time from a call's response to the first ledger read that shows the call, measured with " (outcome.freshness.len()) " probes." }
                section { (latencies(outcome)) }
                figure { (PreEscaped(percentiles)) }
                figure { (PreEscaped(&timeline)) }
                p { (models(outcome)) }
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
            tr { th { "answered per second" } td { (format!("{:.1}", outcome.answered_per_s())) } }
            @for (status, answers) in &tally.answered { tr { th { "answered with status " (status) } td { (answers) } } }
            tr { th { "answered with an unexpected status" } td { (tally.unexpected) } }
            tr { th { "without a response" } td { (tally.unanswered) } }
            tr { th { "successful calls of the clients, probes included" } td { (counts.client_calls) } }
            tr { th { "calls in the ledger" } td { (counts.ledger_calls) } }
            tr { th { "missing in the ledger" } td { (counts.missing) } }
            tr { th { "surplus in the ledger" } td { (counts.surplus) } }
            tr { th { "pairs of key and hour that were compared" } td { (counts.compared) } }
            @if let Some(identities) = &outcome.identities { tr { td colspan="2" { (identities.sentence()) } } }
            tr { th { "time from the last response until all calls were counted" } td { (format!("{:.1} s", outcome.settled_after_s)) } }
        }
        @if !counts.differences.is_empty() {
            h3 { "Differences" }
            table {
                tr { th { "key" } th { "hour, ms since 1970" } th { "calls of the clients" } th { "calls in the ledger" } }
                @for difference in &counts.differences {
                    tr {
                        td { (difference.api_key_id) } td { (difference.hour_start_ms) }
                        td { (difference.client_calls) } td { (difference.ledger_calls) }
                    }
                }
            }
        }
    }
}

fn latencies(outcome: &Outcome) -> Markup {
    let row = |name: &str, histogram: &LatencyHistogram| {
        html! {
            tr {
                td { (name) } td { (histogram.len()) }
                @for percentile in PERCENTILES { td { (format!("{:.3}", histogram.seconds_at(percentile))) } }
            }
        }
    };
    html! {
        table {
            tr { th { "seconds" } th { "samples" } @for percentile in PERCENTILES { th { (column(percentile)) } } }
            (row("freshness", &outcome.freshness))
            @for (name, stage) in outcome.latency_breakdown.stages() { (row(name, stage)) }
            (row("response time, from the scheduled send", &outcome.tally.response))
            (row("send lateness of the load test itself", &outcome.tally.lateness))
        }
        @if outcome.latency_breakdown.not_found > 0 {
            p { "The stages of " (outcome.latency_breakdown.not_found) " calls are unknown, because their batch or record was not found." }
        }
    }
}

fn faults(outcome: &Outcome) -> Markup {
    html! {
        @if !outcome.recoveries.is_empty() {
            h2 { "Faults" }
            table {
                tr {
                    th { "fault" } th { "start, s" } th { "length, s" } th { "effects" } th { "failed calls" }
                    th { "answers after its end, s" } th { "maximum freshness, s" } th { "fresh after its end, s" }
                }
                @for recovery in &outcome.recoveries {
                    tr {
                        td { (format!("{:?}", recovery.fault.kind)) }
                        td { (format!("{:.1}", recovery.began_s)) }
                        td { (format!("{:.1}", recovery.ended_s - recovery.began_s)) }
                        td { (recovery.effects) } td { (recovery.failed_calls) }
                        td { (format!("{:.0}", recovery.answered_after_s)) }
                        td { (format!("{:.1}", recovery.max_freshness_s)) }
                        td { (format!("{:.1}", recovery.recovered_after_s)) }
                    }
                }
            }
        }
    }
}

fn consumption(outcome: &Outcome) -> Markup {
    let dollars: f64 = outcome.consumption.iter().map(|line| line.dollars).sum();
    html! {
        h2 { "Consumption for a million successful calls" }
        p { "From the CloudWatch metrics of each service in this run, with list prices (" (cost_model::LIST_PRICES.valid_for) "). Resources that are billed by the hour are not included." }
        table {
            tr { th { "resource" } th { "for a million calls" } th { "dollars" } }
            @for line in &outcome.consumption {
                tr { td { (line.what) } td { (format!("{:.0}", line.per_million_calls)) } td { (format!("{:.4}", line.dollars)) } }
            }
            tr { th { "total" } th {} th { (format!("{dollars:.4}")) } }
        }
        @if let Some(baseline) = outcome.baseline {
            p { "The baseline, one ADD for each key of each batch of log events, would have made " (baseline.writes) " writes for the same " (baseline.calls) " calls." }
        }
        p { (outcome.probes.samples.len()) " of the calls were probes, each with a separate write; they read the ledger " (outcome.probes.reads) " times." }
    }
}

fn memory(outcome: &Outcome) -> Markup {
    html! {
        @if !outcome.memory_growth.is_empty() {
            h2 { "Memory" }
            table {
                tr { th { "process" } th { "second quarter, MiB" } th { "last quarter, MiB" } th { "growth, %" } th { "maximum, MiB" } }
                @for growth in &outcome.memory_growth {
                    tr {
                        td { (growth.name) } td { (format!("{:.1}", growth.second_quarter_mib)) }
                        td { (format!("{:.1}", growth.last_quarter_mib)) } td { (format!("{:+.1}", growth.percent())) }
                        td { (format!("{:.1}", growth.max_mib)) }
                    }
                }
            }
        }
    }
}
