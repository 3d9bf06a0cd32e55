//! `meter classes`, and calls that are counted in classes, on a running local stack.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use end_to_end::meter::{Local, documented, has_row, meter, stdout};
use local_stack::stack::CLAIMS_TABLE;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::dated_lists::CLASS_LISTS;
use serde_json::{Value, json};
use system_clock::now_ms;

const CLASSES: &str =
    "# the local gateway has one route beside /usage\nok GET /{proxy+} status=200\nother *\n";

fn run(data: &Path, arguments: &[&str]) -> String {
    stdout(&meter(&[arguments, &["--data", data.to_str().unwrap()]].concat()))
}

fn refused(data: &Path, arguments: &[&str], words: &str) {
    let output = meter(&[arguments, &["--data", data.to_str().unwrap()]].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(words), "{arguments:?}: {text}");
}

/// Adds a list that has applied since 1970, as no command does.
async fn apply_at_once(local: &Local, classes: &str) {
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let classes = classes.parse().unwrap();
    assert!(CLASS_LISTS.add(&client, CLAIMS_TABLE, 0, &classes, None).await.unwrap());
    assert!(
        !CLASS_LISTS.add(&client, CLAIMS_TABLE, 0, &classes, None).await.unwrap(),
        "there is one already"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_counted_in_its_class() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    apply_at_once(&local, CLASSES).await;
    for status in [200, 200, 204, 404] {
        assert_eq!(local.call(&format!("/status/{status}"), Some(&local.key())), status);
    }
    local.wait_for_calls(3);
    assert_eq!(calls_by_class(&local.data), [(json!("ok"), json!(2)), (json!("other"), json!(1))]);
    weigh(&local);
}

/// Returns the calls of each class.
fn calls_by_class(data: &Path) -> Vec<(Value, Value)> {
    let usage = ["usage", "--all", "--group-by", "class", "--by", "total", "--json"];
    let mut calls: Vec<(Value, Value)> = run(data, &usage)
        .lines()
        .map(|line| documented("usage-groups", line.as_bytes()))
        .map(|line| (line["route_class"].clone(), line["calls"].clone()))
        .collect();
    calls.sort_by_key(|(class, _)| class.to_string());
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_counted_if_its_status_is_billed() {
    let folder = tempfile::tempdir().unwrap();
    let billed = ["--billed-statuses", "200-299,304,410-419"];
    let local = Local::start_with(&folder.path().join("data"), &billed);
    let list = "unchanged * status=304\ngone * status=404,410\nok *\n";
    apply_at_once(&local, list).await;
    for status in [200, 204, 304, 304, 404, 410, 412, 500] {
        assert_eq!(local.call(&format!("/status/{status}"), Some(&local.key())), status);
    }
    local.wait_for_calls(6);
    let calls = [("gone", 1), ("ok", 2), ("unchanged", 2)].map(|(class, calls)| (json!(class), json!(calls)));
    assert_eq!(calls_by_class(&local.data), [&calls[..], &[(json!(null), json!(1))]].concat());

    // The comparison with the access log follows, by totals, by key and by identity.
    let compared = ["reconcile", "--hours", "2", "--with-this-hour", "--json"];
    for how in ["--whole-ledger", "--by-identity"] {
        let found = run(&local.data, &[&compared[..], &[how]].concat());
        let found = documented("reconcile", found.as_bytes());
        assert_eq!(
            [&found["logged"], &found["missing"], &found["surplus"]],
            [&json!(6), &json!(0), &json!(0)]
        );
    }
    let doctor = run(&local.data, &["doctor"]);
    assert!(doctor.contains(r"[234]\d\d"), "{doctor}");

    let path = folder.path().join("classes.txt");
    std::fs::write(&path, list).unwrap();
    let arguments = ["classes", "apply", path.to_str().unwrap(), "--data", local.data.to_str().unwrap()];
    let warned = String::from_utf8(meter(&arguments).stderr).unwrap();
    assert!(warned.contains("some statuses of gone are not counted"), "{warned}");
    assert!(warned.contains("bills 200-299,304,410-419"), "{warned}");
}

/// Weighs the calls of the test above, in this month and from the next hour on.
fn weigh(local: &Local) {
    let file = |content: &str| {
        let path = local.data.join("weights.txt");
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let data = &local.data;
    assert!(run(data, &["weights", "show"]).starts_with("There are no weights"));
    let bad = file("okay 2");
    refused(data, &["weights", "apply", &bad], "no list of route classes has the class okay");
    let list = file("ok 2.25\n* 0.5\n");
    refused(
        data,
        &["weights", "apply", &list, "--from", "2020-01-01"],
        "it has begun, or begins within 5 minutes. With --restate",
    );
    refused(
        data,
        &["weights", "apply", &list, "--from", "2099-01-01T00:30:00Z"],
        "from a full UTC hour on, such as",
    );
    let preview = run(data, &["weights", "apply", &list, "--dry-run"]);
    assert!(preview.contains(" on, calls would have these credits: ok 2.25, * 0.5.\n"), "{preview}");
    assert!(run(data, &["weights", "show"]).starts_with("There are no weights"));
    let mut later = documented("weights-apply", run(data, &["weights", "apply", &list, "--json"]).as_bytes());
    assert_eq!(later.as_object_mut().unwrap().remove("applied"), Some(json!(true)));
    assert_eq!((&later["applies"], &later["weights"]), (&json!(false), &json!(["ok 2.25", "* 0.5"])));
    let usage = ["usage", "key-1", "--json"];
    let credits = || documented("usage", run(data, &usage).as_bytes())["credits"].clone();
    assert_eq!(credits(), json!("3"), "no list applies yet, so each call is one credit");

    run(data, &["weights", "apply", &list, "--from", "2020-01-01", "--restate"]);
    assert_eq!(credits(), json!("5"), "2 calls of 2.25 and one of 0.5");
    // An hour after the default, so that it is in the future for the rest of the test.
    let hour: jiff::Timestamp = later["from"].as_str().unwrap().parse().unwrap();
    let hour = (hour + jiff::SignedDuration::from_hours(1)).to_string();
    run(data, &["weights", "apply", &list, "--from", &hour]);
    refused(data, &["weights", "apply", &list, "--from", &hour], "--restate replaces it");
    run(data, &["weights", "remove", &hour]);
    let list = file("ok 1\n* 1\n");
    run(data, &["weights", "apply", &list, "--from", "2020-01-01", "--restate"]);
    assert_eq!(credits(), json!("3"), "the list is replaced");
    let list = file("ok 2.25\n* 0.5\n");
    run(data, &["weights", "apply", &list, "--from", "2020-01-01", "--restate"]);
    let csv = run(data, &["usage", "--all", "--group-by", "class", "--by", "total", "--csv"]);
    assert!(csv.contains("\nok,") && csv.contains(",2,4.5,0\n") && csv.contains(",1,0.5,0\n"), "{csv}");
    let table = run(data, &["usage", "key-1"]);
    assert!(has_row(&table, &["total", "3", "5"]), "{table}");
    let endpoint = local.json("/usage?group_by=class&by=total", &local.key());
    assert_eq!((&endpoint["calls"], &endpoint["credits"]), (&json!(3), &json!("5")));
    let entries = endpoint["usage"].as_array().unwrap().iter();
    let classes: Vec<_> = entries.map(|entry| [&entry["route_class"], &entry["credits"]]).collect();
    assert_eq!(classes, [[&json!("ok"), &json!("4.5")], [&json!("other"), &json!("0.5")]]);

    refused(data, &["weights", "remove", "2020-01-01"], "With --restate");
    run(data, &["weights", "remove", "2020-01-01", "--restate"]);
    let shown = documented("weights-show", run(data, &["weights", "show", "--json"]).as_bytes());
    assert_eq!(shown, later);
}

#[test]
fn a_list_is_added_for_later_shown_and_tried_on_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (list, bad) = (file("classes.txt", CLASSES), file("bad.txt", "search /a\nsearch /b\n"));
    refused(
        &local.data,
        &["classes", "apply", &list, "--from", "2020-01-01"],
        "90 minutes before it applies",
    );
    refused(&local.data, &["classes", "apply", &bad], "line 2: the class search is there already");
    refused(&local.data, &["classes", "apply", "/no/such/file"], "/no/such/file cannot be read");

    let preview = run(&local.data, &["classes", "apply", &list, "--dry-run"]);
    assert!(preview.ends_with(" on, calls would be counted in these classes: ok, other.\n"), "{preview}");
    assert_eq!(run(&local.data, &["classes", "show", "--json"]), "", "--dry-run adds no list");
    let applied = run(&local.data, &["classes", "apply", &list, "--json"]);
    let mut applied = documented("classes-apply", applied.as_bytes());
    assert_eq!(applied.as_object_mut().unwrap().remove("applied"), Some(json!(true)));
    assert_eq!((&applied["applies"], applied["classes"].as_array().unwrap().len()), (&json!(false), 2));
    refused(
        &local.data,
        &["classes", "apply", &list, "--from", applied["from"].as_str().unwrap()],
        "a new one applies after it",
    );
    let shown = documented("classes-show", run(&local.data, &["classes", "show", "--json"]).as_bytes());
    assert_eq!(shown, applied);
    refused(
        &local.data,
        &["classes", "remove", "2020-01-01"],
        "there is no list from 2020-01-01T00:00:00Z on",
    );
    let text = run(&local.data, &["classes", "show"]);
    assert!(text.contains("  ok GET /{proxy+} status=200\n  other *\n"), "{text}");

    let line = |status: u16, route: &str| {
        let line = json!({"id": route, "key": "k", "time": now_ms(), "status": status.to_string(), "method": "GET", "route": route});
        format!("{line}\n")
    };
    let log = file(
        "calls.log",
        &[line(200, "/{proxy+}"), line(204, "/a"), line(200, "/b"), line(404, "/a"), line(200, "/usage")]
            .concat(),
    );
    let tried = run(&local.data, &["classes", "test", &log, "--classes", &list]);
    assert!(has_row(&tried, &["ok", "1"]) && has_row(&tried, &["other", "2"]), "{tried}");
    assert!(
        tried.contains("2 lines: not billed") || tried.contains("1 line: not billed: the calls of its route"),
        "{tried}"
    );
    let now = run(&local.data, &["classes", "test", &log, "--json"]);
    let now = documented("classes-test", now.as_bytes());
    assert_eq!(now, json!({"route_class": null, "calls": 3}), "no list applies yet");
    run(&local.data, &["classes", "remove", applied["from"].as_str().unwrap()]);
    assert!(run(&local.data, &["classes", "show"]).contains("There are no route classes."));
}
