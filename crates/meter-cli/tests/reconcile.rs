//! `meter reconcile`, `status` and `stream`, against a stack that loses log events.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use common::{Local, meter, stdout};
use serde_json::Value;

/// Runs a command on a stack and returns whether it succeeded and what it said.
fn run(local: &Local, arguments: &[&str]) -> (bool, String) {
    let output = meter(&[arguments, &["--data", local.data.to_str().unwrap()]].concat());
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

/// How far ledger and access log are apart, of this hour and the one before.
fn compared(local: &Local) -> Value {
    let data = local.data.to_str().unwrap();
    let arguments =
        ["reconcile", "--hours", "2", "--with-this-hour", "--whole-ledger", "--json", "--data", data];
    let output = meter(&arguments);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.success(), found["differences"] == serde_json::json!([]), "{found}");
    found
}

#[test]
fn what_never_arrived_on_the_stream_is_found_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start_with(folder.path(), &["--lose-deliveries", "50"]);
    stdout(&meter(&["traffic", "--calls", "2000", "--data", local.data.to_str().unwrap()]));
    // Half of the batches are lost; more calls, in case that this was none of them.
    while compared(&local)["missing"] == 0 {
        stdout(&meter(&["traffic", "--calls", "100", "--data", local.data.to_str().unwrap()]));
    }
    let (succeeded, told) = run(&local, &["reconcile", "--with-this-hour"]);
    assert!(!succeeded && told.contains("drift-and-backfill"), "{told}");
    for _ in 0..2 {
        let (succeeded, told) = run(&local, &["reconcile", "--hours", "2", "--with-this-hour", "--backfill"]);
        assert!(succeeded, "{told}");
    }
    while compared(&local)["missing"] != 0 {}
    let found = compared(&local);
    assert_eq!(found["logged"], found["counted"]);
    assert_eq!(found["surplus"], 0);
    let (succeeded, told) = run(&local, &["reconcile", "--hours", "48", "--backfill"]);
    assert!(!succeeded && told.contains("the stream keeps 24 h"), "{told}");
}

#[test]
fn the_dashboard_and_the_stream_are_told_in_text() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    stdout(&meter(&["traffic", "--calls", "100", "--data", local.data.to_str().unwrap()]));
    let counted = || {
        let (_, told) = run(&local, &["status", "--only", "billable", "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        told[0]["lines"][0]["latest"].as_f64()
    };
    while counted().is_none() {}
    let (succeeded, told) = run(&local, &["status", "--only", "freshness"]);
    assert!(succeeded && told.contains("Freshness p99") && !told.contains("Quarantine"), "{told}");
    assert!(!told.contains("above the limit"), "{told}");
    let (succeeded, told) = run(&local, &["status", "--only", "weather"]);
    assert!(!succeeded && told.contains("no graph of the dashboard"), "{told}");
    let (succeeded, told) = run(&local, &["stream", "reshard", "--shards", "4"]);
    assert!(succeeded && told.contains("From 2 to 4"), "{told}");
    assert!(run(&local, &["stream", "show"]).1.contains("open shards  4"));
    let (succeeded, told) = run(&local, &["stream", "reshard", "--shards", "9"]);
    assert!(!succeeded && told.contains("cannot have 9 shards"), "{told}");
}
