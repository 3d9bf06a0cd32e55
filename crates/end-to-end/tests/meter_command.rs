//! The command `meter`, used interactively.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::binaries;
use end_to_end::meter::{Local, documented, has_row, meter, stdout};
use serde_json::{Value, json};

/// Returns the number of consumer processes whose environment has this AWS endpoint.
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
            // Some calls are in progress when the stack is killed.
            assert_eq!(local.wait_for_calls(sent), sent);
            for _ in 0..30 {
                assert_eq!(local.call("/status/200", Some(&key)), 200);
                sent += 1;
            }
        }
        let aws = local.endpoint("aws_endpoint_url");
        local.signal(signal);
        local.process.wait().unwrap();
        let gone = (0..100_000).any(|_| consumers_of(&aws) == 0);
        assert!(gone, "a consumer has outlived its stack");
    }
    let local = Local::start(folder.path());
    assert_eq!(local.wait_for_calls(sent), sent);
}

#[test]
fn a_shell_completes_commands_and_each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let script = stdout(&meter(&["completions", "bash"]));
    let file = folder.path().join("meter.bash");
    std::fs::write(&file, script).unwrap();
    let words = "COMP_WORDS=(meter keys cre); COMP_CWORD=2; _meter meter cre keys; echo \"${COMPREPLY[@]}\"";
    let shell = format!("source {}; {words}", file.display());
    let output = Command::new("bash").args(["-c", &shell]).output().unwrap();
    assert_eq!(stdout(&output), "create\n");

    stdout(&meter(&["man", folder.path().to_str().unwrap()]));
    let page = std::fs::read_to_string(folder.path().join("meter-keys-create.1")).unwrap();
    assert!(page.contains("Create a key; its secret is shown once"), "{page}");
    let refused = meter(&["man", "no/such/folder"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot be written to no/such/folder"));
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
    assert!(csv.starts_with("api_key_id,period,calls,credits,response_bytes\nkey-1,2"), "{csv}");
    let table = stdout(&meter(&["usage", "key-1", "--data", data]));
    assert!(has_row(&table, &["total", "1"]), "{table}");
    let unknown = stdout(&meter(&["usage", "key-9", "--data", data]));
    assert!(has_row(&unknown, &["total", "0"]), "{unknown}");
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
    refused(&["replay", "/no/such/file"], "/no/such/file does not exist");
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
    // The record is still wrong, so it returns to the quarantine.
    let listed = (0..2_000)
        .map(|_| stdout(&meter(&["quarantine", "list", "--json", "--data", data])))
        .find(|list| !list.is_empty());
    let record: Value = serde_json::from_str(listed.expect("the record comes back").trim()).unwrap();
    assert_eq!(record["detail"].as_str().unwrap().split(';').next(), Some("1 of 1 events"));
}

#[test]
fn traffic_that_is_stopped_shows_the_responses_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let traffic = Command::new(binaries().join("meter"))
        .args(["traffic", "--calls", "100000000", "--json", "--data", local.data.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let counted = local.wait_for_calls(10);
    assert!(Command::new("kill").args(["-INT", &traffic.id().to_string()]).status().unwrap().success());
    let ended = traffic.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    let printed = String::from_utf8(ended.stdout).unwrap();
    let keys: Vec<Value> = printed.lines().map(|line| documented("traffic", line.as_bytes())).collect();
    let sent = |name: &str| keys.iter().map(|key| key[name].as_u64().unwrap()).sum::<u64>();
    assert!(keys[0]["successful"].as_u64().unwrap() >= counted, "{printed}");
    let all = sent("successful") + sent("client_errors") + sent("server_errors");
    assert_eq!(said, format!("Stopped after {all} of 100000000 calls.\n"));
}

#[test]
fn the_cost_as_json_is_that_of_the_text() {
    let words = ["cost", "--calls", "1e9", "--keys", "50"];
    let cost = documented("cost", stdout(&meter(&[&words[..], &["--json"]].concat())).as_bytes());
    let parts = cost["parts"].as_array().unwrap().iter();
    let sum: f64 = parts.map(|part| part["per_month"].as_f64().unwrap()).sum();
    let total = cost["total_per_month"].as_f64().unwrap();
    assert!((sum - total).abs() < 1e-6 && total > 1.0, "{cost:#}");
    assert!(stdout(&meter(&words)).contains(&format!("{total:.2}")), "{total}");
}

#[test]
fn a_command_whose_output_is_closed_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    // With `println!`, and through the writers of text, JSON and CSV.
    for arguments in
        ["cost", "stream show", "status", "keys list", "keys list --json", "keys export", "usage --all --csv"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Command::new(binaries().join("meter"))
            .args(arguments.split(' '))
            .env("METER_DATA", &local.data)
            .env_remove("METER_ENV")
            .stdout(writer)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), &*said), (Some(141), ""), "{arguments}");
    }
}
