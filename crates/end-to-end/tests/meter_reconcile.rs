//! `meter reconcile`, `status` and `stream`, against a stack that loses log events.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use end_to_end::meter::{Local, documented, meter, stdout};
use serde_json::Value;

/// Runs a command on a stack and returns whether it succeeded and its output.
fn run(local: &Local, arguments: &[&str]) -> (bool, String) {
    let output = meter(&[arguments, &["--data", local.data.to_str().unwrap()]].concat());
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), text)
}

/// Compares the ledger with the access log in this and the previous hour.
fn compared(local: &Local) -> Value {
    let data = local.data.to_str().unwrap();
    let arguments =
        ["reconcile", "--hours", "2", "--with-this-hour", "--whole-ledger", "--json", "--data", data];
    let output = meter(&arguments);
    let found = documented("reconcile", &output.stdout);
    assert_eq!(output.status.success(), found["differences"] == serde_json::json!([]), "{found}");
    found
}

#[test]
fn what_never_arrived_on_the_stream_is_found_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let traffic = |calls| stdout(&meter(&["traffic", "--calls", calls, "--data", data.to_str().unwrap()]));
    let backfill = ["reconcile", "--hours", "2", "--with-this-hour", "--backfill", "--settle-minutes", "0"];
    // No delivery arrives, so no call can be in transit during the comparison.
    let losing = Local::start_with(&data, &["--lose-deliveries", "100"]);
    traffic("2000");
    assert_eq!(compared(&losing)["missing"], 1_400);
    let (succeeded, printed) = run(&losing, &["reconcile", "--hours", "2", "--with-this-hour"]);
    assert!(!succeeded && printed.contains("drift-and-backfill"), "{printed}");
    let (_, printed) = run(&losing, &backfill[..5]);
    assert!(printed.contains("1400 calls of the last 15 minutes were skipped"), "{printed}");
    let (succeeded, printed) = run(&losing, &backfill);
    assert!(succeeded && printed.contains("1400 of 1400 calls have no owner; 1400 were put"), "{printed}");
    // Another operator does the same while the first backfill is in transit.
    let (succeeded, printed) = run(&losing, &backfill);
    assert!(succeeded, "{printed}");
    while compared(&losing)["missing"] != 0 {}
    let (_, printed) = run(&losing, &backfill);
    assert!(printed.contains("0 of 1400 calls have no owner"), "{printed}");
    drop(losing);
    // Calls that were delivered have owners and are not backfilled.
    let local = Local::start(&data);
    traffic("100");
    while compared(&local)["missing"] != 0 {}
    let (_, printed) = run(&local, &backfill);
    assert!(printed.contains("0 of 1470 calls have no owner"), "{printed}");
    let found = compared(&local);
    assert_eq!((&found["logged"], &found["counted"]), (&1_470.into(), &1_470.into()));
}

#[test]
fn the_dashboard_and_the_stream_are_printed_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    stdout(&meter(&["traffic", "--calls", "100", "--data", local.data.to_str().unwrap()]));
    let counted = || {
        let (_, printed) = run(&local, &["status", "--only", "billable", "--json"]);
        let printed = documented("status", printed.as_bytes());
        printed[0]["lines"][0]["latest"].as_f64()
    };
    while counted().is_none() {}
    let (succeeded, printed) = run(&local, &["status", "--only", "freshness"]);
    assert!(succeeded && printed.contains("Freshness p99") && !printed.contains("Quarantine"), "{printed}");
    assert!(!printed.contains("above the limit"), "{printed}");
    let (succeeded, printed) = run(&local, &["status", "--only", "weather"]);
    assert!(!succeeded && printed.contains("no graph of the dashboard"), "{printed}");
    let (succeeded, printed) = run(&local, &["stream", "reshard", "--shards", "4"]);
    assert!(succeeded && printed.contains("From 2 to 4"), "{printed}");
    assert!(run(&local, &["stream", "show"]).1.contains("open shards  4"));
    let (succeeded, printed) = run(&local, &["stream", "reshard", "--shards", "9"]);
    assert!(!succeeded && printed.contains("cannot have 9 shards"), "{printed}");
}
