//! `meter reconcile`, `status` and `stream`, against a stack that loses log events.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use end_to_end::meter::{Local, meter, stdout};
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
    let data = folder.path().join("data");
    let traffic = |calls| stdout(&meter(&["traffic", "--calls", calls, "--data", data.to_str().unwrap()]));
    let backfill = ["reconcile", "--hours", "2", "--with-this-hour", "--backfill", "--settle-minutes", "0"];
    // Nothing is delivered, so nothing can be on its way while it is looked for.
    let losing = Local::start_with(&data, &["--lose-deliveries", "100"]);
    traffic("2000");
    assert_eq!(compared(&losing)["missing"], 1_400);
    let (succeeded, told) = run(&losing, &["reconcile", "--hours", "2", "--with-this-hour"]);
    assert!(!succeeded && told.contains("drift-and-backfill"), "{told}");
    let (_, told) = run(&losing, &backfill[..5]);
    assert!(told.contains("1400 calls of the last 15 minutes were left alone"), "{told}");
    let (succeeded, told) = run(&losing, &backfill);
    assert!(succeeded && told.contains("1400 of 1400 calls have no owner; 1400 were put"), "{told}");
    // Another operator does the same, while the first one's calls are on their way.
    let (succeeded, told) = run(&losing, &backfill);
    assert!(succeeded, "{told}");
    while compared(&losing)["missing"] != 0 {}
    let (_, told) = run(&losing, &backfill);
    assert!(told.contains("0 of 1400 calls have no owner"), "{told}");
    drop(losing);
    // What arrives by itself is left alone.
    let local = Local::start(&data);
    traffic("100");
    while compared(&local)["missing"] != 0 {}
    let (_, told) = run(&local, &backfill);
    assert!(told.contains("0 of 1470 calls have no owner"), "{told}");
    let found = compared(&local);
    assert_eq!((&found["logged"], &found["counted"]), (&1_470.into(), &1_470.into()));
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
