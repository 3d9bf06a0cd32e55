//! Complete runs of the load test: with faults, over HTTP/2, with all output files.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use end_to_end::binaries;
use end_to_end::load::{MACHINE, profile, run};
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use loadtest::harness::outcome::Outcome;
use loadtest::histogram::LatencyHistogram;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_happens_and_nothing_is_lost_or_counted_twice() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let faults = "
[[fault]]
kind = 'kill'
per_s = 5
at_s = 3
for_s = 3
[[fault]]
kind = 'throttle'
share = 0.7
at_s = 8
for_s = 3
[[fault]]
kind = 'reshard'
shards = 4
at_s = 13
[[fault]]
kind = 'duplicate'
share = 0.5
at_s = 16
for_s = 3
[[fault]]
kind = 'delay'
delay_ms = 3000
at_s = 21
for_s = 2
";
    let more = format!(
        "[stack]\nbatch_window_ms = 2000\nshards = 2\nevents_per_record = 20\n[objectives]\nunexpected_answers = 50\n{faults}"
    );
    let (_, text, outcome) = run(folder.path(), &profile(300, 30, 10, &more), &[]).await;
    assert_eq!((outcome.counts.missing, outcome.counts.surplus), (0, 0), "{text}");
    assert!(outcome.counts.client_calls > 7_000 && outcome.counts.is_settled, "{text}");
    let [_, _, _, _, delay] = outcome.recoveries.as_slice() else { panic!("{text}") };
    assert!(delay.max_freshness_s >= 3.0, "a delay of 3 s was not measured: {delay:?}");
    assert!(outcome.per_million_calls("stream records").unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_compares_its_calls_and_leaves_nothing_behind() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let [path, results, temporary] = ["profile.toml", "results", "tmp"].map(|name| folder.path().join(name));
    std::fs::create_dir(&temporary).unwrap();
    let late_fault = "[[fault]]\nkind = 'kill'\nper_s = 5\nat_s = 500\nfor_s = 3\n";
    std::fs::write(&path, profile(100, 600, 10, &format!("[stack]\nbatch_window_ms = 2000\n{late_fault}")))
        .unwrap();
    let mut run = Command::new(binaries().join("loadtest"))
        .args(["run", "--profile", path.to_str().unwrap(), "--output", results.to_str().unwrap()])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let before: Vec<String> =
        lines.by_ref().map(Result::unwrap).take_while(|line| !line.contains("sent/s")).collect();
    let _ = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    let ended = run.wait_with_output().unwrap();
    let printed = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{printed}{before:#?}{said:#?}");
    assert!(printed.contains("STOPPED before the end; the counts until then agree"), "{printed}");
    let outcome = Outcome::read(&results).unwrap();
    assert!(outcome.is_interrupted && outcome.tally.sent > 100 && outcome.tally.sent < outcome.planned_calls);
    assert_eq!(outcome.tally.answers(), outcome.tally.sent, "no call is cut off");
    assert!(outcome.counts.is_settled && outcome.counts.client_calls > 100, "{printed}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "the local stack is deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_http2_leaves_all_its_files_behind() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let (_, text, outcome) = run(
        folder.path(),
        &profile(200, 5, 10, "[stack]\nbatch_window_ms = 2000\n[client]\nprotocol = 'http2'\n"),
        &[],
    )
    .await;
    assert_eq!(
        (outcome.counts.missing, outcome.counts.surplus, outcome.tally.answers()),
        (0, 0, 1_000),
        "{text}"
    );
    let file = |name: &str| std::fs::read(folder.path().join("results").join(name)).unwrap();

    let page = String::from_utf8(file("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("Freshness"));
    assert!(!page.contains("src=") && !page.contains("href="), "the page has no external resources");
    assert!(file("freshness.png").starts_with(b"\x89PNG\r\n"));

    // The interval log has as many values as the whole histogram.
    let log = file("response.hlog");
    let mut count = 0;
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let histogram = LatencyHistogram::from_text(interval.encoded_histogram()).unwrap();
            count += histogram.len();
        }
    }
    assert_eq!(count, outcome.tally.response.len(), "every response is in the log");
    let distribution = String::from_utf8(file("freshness.hgrm")).unwrap();
    let total = format!("Total count    = {:>12}]", outcome.freshness.len());
    assert!(distribution.contains(&total), "{distribution}");

    // The sum of the stages is the whole, within the rounding of clocks to milliseconds.
    let parts: f64 = outcome.latency_breakdown.stages().iter().map(|(_, times)| times.mean()).sum();
    assert_eq!(
        (outcome.latency_breakdown.not_found, outcome.latency_breakdown.commit.len()),
        (0, outcome.freshness.len()),
        "{text}"
    );
    assert!((parts - outcome.freshness.mean()).abs() < 5_000.0, "{parts} {} us", outcome.freshness.mean());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_design_without_aggregation_writes_more() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let more = "[stack]\nbatch_window_ms = 2000\nevents_per_record = 50\n";
    let (_, text, outcome) = run(folder.path(), &profile(400, 8, 10, more), &[]).await;
    let baseline = outcome.baseline.unwrap();
    assert_eq!(baseline.calls, outcome.counts.ledger_calls, "both designs count the same calls");
    let ours = outcome.per_million_calls("ledger write units").unwrap() / 1e6
        * f64::from(u32::try_from(baseline.calls).unwrap());
    assert!(
        f64::from(u32::try_from(baseline.writes).unwrap()) > 1.5 * ours,
        "{} {ours}\n{text}",
        baseline.writes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lags_is_seen_as_that_and_loses_nothing() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let more = "[stack]\nbatch_window_ms = 2000\ndelivery_lag = { median_ms = 1500, p99_ms = 4000 }\n";
    let (_, text, outcome) = run(folder.path(), &profile(200, 8, 10, more), &[]).await;
    assert_eq!(
        (outcome.counts.missing, outcome.counts.surplus, outcome.counts.is_settled),
        (0, 0, true),
        "{text}"
    );
    let breakdown = &outcome.latency_breakdown;
    // Eighty independent deliveries: half of them lag by more than 1.5 s, nearly all by more than 0.5 s.
    assert!(breakdown.log_delivery.value_at_percentile(50.0) > 1_000_000, "{text}");
    assert!(
        breakdown.log_delivery.max() > breakdown.log_delivery.value_at_percentile(50.0) + 500_000,
        "{text}"
    );
    assert!(text.contains("log delivery lags by a log-normal time"), "{text}");
}

#[test]
fn every_profile_can_be_run() {
    let mut names = Vec::new();
    for file in std::fs::read_dir("../../loadtest/profiles").unwrap() {
        let path = file.unwrap().path();
        let profile = loadtest::profile::Profile::read(&path).unwrap();
        assert_eq!(Some(profile.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        names.push(profile.name);
    }
    for name in ["constant", "ramp", "spike", "soak", "faults", "chaos", "aws"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
}
