//! The command `meter`, as a person uses it.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use end_to_end::binaries;
use end_to_end::meter::{Local, meter, stdout};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The consumers whose environment names this AWS endpoint.
fn consumers_of(aws_endpoint_url: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter(|process| {
            std::fs::read(process.path().join("environ")).is_ok_and(|environment| {
                String::from_utf8_lossy(&environment)
                    .contains(&format!("AWS_ENDPOINT_URL={aws_endpoint_url}\0"))
            })
        })
        .count()
}

#[test]
fn a_restart_continues_after_a_stop_and_after_a_crash_and_loses_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut sent = 0;
    for (round, signal) in ["-INT", "-KILL", "-KILL", "-TERM"].into_iter().enumerate() {
        let mut local = Local::start(folder.path());
        let key = local.key();
        for number in 0..40 {
            let status = [200, 404, 201, 500][number % 4];
            assert_eq!(local.call(&format!("/status/{status}"), Some(&key)), status);
            sent += u64::from(status < 300);
        }
        assert_eq!(local.call("/status/200", None), 403);
        assert_eq!(local.call("/status/200", Some("no-such-key")), 403);
        assert_eq!(local.call("/public/status/200", None), 200);
        if round == 2 {
            // Some of the calls are under way when it is killed.
            assert_eq!(local.wait_for_calls(sent), sent);
            for _ in 0..30 {
                assert_eq!(local.call("/status/200", Some(&key)), 200);
                sent += 1;
            }
        }
        let aws = local.endpoint("awsEndpointUrl");
        local.signal(signal);
        local.process.wait().unwrap();
        let gone = (0..100_000).any(|_| consumers_of(&aws) == 0);
        assert!(gone, "no consumer outlives its stack");
    }
    let local = Local::start(folder.path());
    assert_eq!(local.wait_for_calls(sent), sent);
}

#[test]
fn usage_comes_as_a_table_json_or_csv_by_hour_day_or_month() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let data = folder.path().to_str().unwrap();
    assert_eq!(local.call("/status/200", Some(&local.key())), 200);
    local.wait_for_calls(1);
    for by in ["hour", "day", "month"] {
        let usage: Value =
            serde_json::from_str(&stdout(&meter(&["usage", "key-1", "--by", by, "--json", "--data", data])))
                .unwrap();
        assert_eq!(usage["usage"][0]["calls"], 1);
        let length =
            [("hour", 14), ("day", 10), ("month", 7)].iter().find(|(name, _)| *name == by).unwrap().1;
        assert_eq!(usage["usage"][0]["period"].as_str().unwrap().len(), length);
    }
    let csv = stdout(&meter(&["usage", "key-1", "--csv", "--data", data]));
    assert!(csv.starts_with("api_key_id,period,calls\nkey-1,2"), "{csv}");
    let table = stdout(&meter(&["usage", "key-1", "--data", data]));
    assert!(table.contains("total                       1"), "{table}");
    let unknown = stdout(&meter(&["usage", "key-9", "--data", data]));
    assert!(unknown.contains("total                       0"), "{unknown}");
}

#[test]
fn an_error_says_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let refused = |arguments: &[&str], words: &str| {
        let output = meter(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{arguments:?}: {text}");
    };
    refused(&["usage", "key-1", "--data", data], "run `meter local --data");
    refused(&["usage", "key-1", "--from", "2026-13-01"], "YYYY-MM-DD");
    refused(
        &["usage", "key-1", "--from", "2026-02-02", "--to", "2026-02-01"],
        "--from 2026-02-02 is after --to 2026-02-01",
    );
    refused(&["replay", "/no/such/file"], "/no/such/file is no file");
    refused(&["local", "--data", data, "--binaries", "/no/such/folder"], "scripts/build-local.sh");
    let _local = Local::start(folder.path());
    let binaries = binaries();
    refused(
        &["local", "--data", data, "--binaries", binaries.to_str().unwrap()],
        "another `meter local` uses the data folder",
    );
}

fn line(key: &str, status: &str) -> String {
    json!({"apiKeyId": key, "status": status, "requestTimeEpoch": "1795509270000", "stage": "prod"})
        .to_string()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// The same calls in every form: 300 of key a, 2 of key b, one 404, one
/// without a key and one that is broken.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let mut lines = vec![line("a", "200"); 300];
    lines.extend([line("b", "204"), line("b", "299"), line("b", "404"), line("-", "200"), line("b", "2xx")]);
    let json_lines = lines.join("\n").into_bytes();
    let export: Vec<String> = lines.iter().map(|line| format!("2026-11-24T08:34:30.123Z {line}")).collect();
    let events: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| json!({"id": number.to_string(), "timestamp": 1, "message": line}))
        .collect();
    let envelope =
        json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events});
    let record = gzip(envelope.to_string().as_bytes());
    let kinesis =
        json!({"Records": [{"kinesis": {"data": STANDARD.encode(&record), "sequenceNumber": "1"}}]});
    vec![
        ("calls.jsonl", json_lines.clone()),
        ("calls.jsonl.gz", gzip(&json_lines)),
        ("two-members.gz", [gzip(&json_lines[..1_000]), gzip(&json_lines[1_000..])].concat()),
        ("export.gz", gzip(export.join("\n").as_bytes())),
        (
            "filter-log-events.json",
            serde_json::to_vec_pretty(&json!({"events": events, "searchedLogStreams": []})).unwrap(),
        ),
        ("envelope.json", envelope.to_string().into_bytes()),
        ("record.gz", record.clone()),
        (
            "lambda-logs-event.json",
            json!({"awslogs": {"data": STANDARD.encode(&record)}}).to_string().into_bytes(),
        ),
        ("kinesis-event.json", serde_json::to_vec_pretty(&kinesis).unwrap()),
    ]
}

#[test]
fn a_replay_counts_the_same_calls_in_every_form_people_have() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = binaries();
    for (name, content) in forms() {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let output =
            meter(&["replay", file.to_str().unwrap(), "--json", "--binaries", binaries.to_str().unwrap()]);
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(
            report["usage"],
            json!([{"apiKeyId": "a", "calls": 300}, {"apiKeyId": "b", "calls": 2}]),
            "{name}"
        );
        assert_eq!(
            report["skipped"],
            json!({"calls with a status other than 2xx": 1, "calls without a key id": 1}),
            "{name}"
        );
        assert_eq!(report["quarantined"]["bad-status"]["records"], 1, "{name}");
    }
}

#[test]
fn a_file_that_is_replayed_into_the_same_folder_again_counts_nothing_again() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = binaries();
    let (data, file) = (folder.path().join("data"), folder.path().join("calls.jsonl"));
    std::fs::write(&file, vec![line("a", "200"); 450].join("\n")).unwrap();
    for _ in 0..2 {
        let arguments = [
            "replay",
            file.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
            "--binaries",
            binaries.to_str().unwrap(),
        ];
        let text = stdout(&meter(&arguments));
        assert!(text.contains("total                     450"), "{text}");
    }
}

#[test]
fn quarantine_is_listed_survives_a_restart_and_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let binaries = binaries();
    let file = folder.path().join("calls.jsonl");
    std::fs::write(&file, [line("a", "200"), line("a", "2xx")].join("\n")).unwrap();
    let data = data.to_str().unwrap();
    stdout(&meter(&[
        "replay",
        file.to_str().unwrap(),
        "--data",
        data,
        "--binaries",
        binaries.to_str().unwrap(),
    ]));

    let _local = Local::start(Path::new(data));
    for _ in 0..2 {
        let list = stdout(&meter(&["quarantine", "list", "--data", data]));
        assert!(
            list.contains("bad-status: 1 record")
                && list.contains("1 of 2 events; event 1: the status \"2xx\""),
            "{list}"
        );
        assert!(list.contains("1 record in quarantine."), "{list}");
    }
    let back = stdout(&meter(&["quarantine", "put-back", "--data", data]));
    assert!(back.starts_with("1 record put back on the stream.\n"), "{back}");
    // It is still wrong, and so comes back.
    let listed = (0..2_000)
        .map(|_| stdout(&meter(&["quarantine", "list", "--json", "--data", data])))
        .find(|list| !list.is_empty());
    let record: Value = serde_json::from_str(listed.expect("the record comes back").trim()).unwrap();
    assert_eq!(record["detail"].as_str().unwrap().split(';').next(), Some("1 of 1 events"));
}
