//! `meter keys`, used interactively, against a running local stack.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use end_to_end::meter::{Local, documented, meter, stdout};
use serde_json::{Value, json};

/// A stack, and the output of all commands on it.
struct Operator {
    local: Local,
    printed: Vec<Vec<u8>>,
}

impl Operator {
    fn start(data: &Path) -> Self {
        Self { local: Local::start(data), printed: Vec::new() }
    }

    fn run(&mut self, arguments: &[&str]) -> Output {
        let data = self.local.data.to_str().unwrap();
        let output = meter(&[&["keys"], arguments, &["--data", data]].concat());
        self.printed.extend([output.stdout.clone(), output.stderr.clone()]);
        output
    }

    fn json(&mut self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        documented(&format!("keys-{}", arguments[0]), stdout(&output).as_bytes())
    }

    fn json_lines(&mut self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--json"]].concat());
        let name = format!("keys-{}", arguments[0]);
        stdout(&output).lines().map(|line| documented(&name, line.as_bytes())).collect()
    }

    fn refused(&mut self, arguments: &[&str], words: &str) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{arguments:?}: {text}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_key_lives_from_create_to_delete() {
    let folder = tempfile::tempdir().unwrap();
    let mut operator = Operator::start(folder.path());
    let made = operator.json(&[
        "create",
        "--owner",
        "acme",
        "--name",
        "build",
        "--plan",
        "gold",
        "--monthly-limit",
        "100",
        "--expires",
        "2999-01-01",
        "--label",
        "team=a",
    ]);
    let (id, secret) = (text(&made["api_key_id"]), text(&made["api_key"]));
    assert!(secret.starts_with("um_") && secret.len() == 46);
    let response = operator.local.response("/status/200", Some(&secret));
    assert!(
        response.contains("HTTP/1.1 200") && response.contains("x-ratelimit-limit: 100\r\n"),
        "{response}"
    );

    let shown = operator.json(&["show", &id]);
    assert_eq!(
        (&shown["owner"], &shown["plan"], &shown["labels"]),
        (&json!("acme"), &json!("gold"), &json!({"team": "a"}))
    );
    assert_eq!(
        (&shown["monthly_limit"], &shown["expires_at"]),
        (&json!(100), &json!("2999-01-01T00:00:00Z"))
    );
    assert!(!shown.to_string().contains(&secret), "the secret is shown only once");
    let listed = stdout(&operator.run(&["list", "--owner", "acme"]));
    assert!(listed.contains(&id) && listed.ends_with("1 key\n"), "{listed}");

    operator.json(&["update", &id, "--plan", "silver", "--no-monthly-limit"]);
    let updated = operator.json(&["show", &id]);
    assert_eq!(
        (&updated["plan"], &updated["monthly_limit"], &updated["name"]),
        (&json!("silver"), &Value::Null, &json!("build"))
    );

    let rotated = operator.json(&["rotate", &id, "--overlap", "1h"]);
    let new_secret = text(&rotated["api_key"]);
    assert_eq!(rotated["message_published"], true);
    for secret in [&secret, &new_secret] {
        assert_eq!(operator.local.call("/status/200", Some(secret)), 200);
    }
    operator.refused(&["rotate", &id], "wait, or end it with --end-previous");

    let on_terminal = |answer: &str| operator.local.on_terminal(&["keys", "delete", &id], answer);
    let refusal = on_terminal("n\n");
    assert!(refusal.contains("Delete the key") && refusal.contains("the key was not deleted"), "{refusal}");
    let preview = stdout(&operator.run(&["delete", &id, "--dry-run"]));
    assert_eq!(preview, format!("The key {id} of acme would be deleted.\n"));
    assert_eq!(operator.json(&["show", &id])["deleted_at"], Value::Null);
    let deleted = operator.json(&["delete", &id, "--yes"]);
    assert!(text(&deleted["everywhere_by"]) > text(&deleted["deleted_at"]));
    let gone = (0..10_000).any(|_| operator.local.call("/status/200", Some(&new_secret)) == 403);
    assert!(gone, "the deleted key is denied");
    assert!(operator.local.response("/status/200", Some(&secret)).contains("\"reason\":\"deleted\""));
    assert_eq!(operator.json(&["show", &id])["api_key_id"], json!(id));
    assert!(stdout(&operator.run(&["list", "--owner", "acme"])).ends_with("0 keys\n"));
    operator.refused(&["delete", &id], "was deleted");
    operator.refused(&["delete", "no-such-key"], "there is no key no-such-key");
}

#[test]
fn what_cannot_be_a_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut operator = Operator::start(folder.path());
    operator.refused(&["create", "--owner", "acme", "--id", "key-1"], "already in use");
    operator.refused(&["create", "--owner", "acme", "--id", "a#b"], "a key id has letters");
    operator.refused(&["create", "--owner", "acme", "--expires", "soon"], "is not a time");
    operator.refused(&["create", "--owner", "acme", "--expires", "2020-01-01"], "has passed");
    operator.refused(&["create", "--owner", " "], "a blank text");
    operator.refused(
        &["create", "--owner", "acme", "--name", "red\u{1b}[31m"],
        "one line without control characters",
    );
    operator.refused(&["update", "key-1"], "there is nothing to change");
    operator.refused(&["update", "key-1", "--expires", "2020-01-01"], "has passed");
    operator.refused(&["rotate", "key-1", "--overlap", "soon"], "is not a duration");
}

#[test]
fn an_import_can_be_repeated_and_continued_and_loses_no_good_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut operator = Operator::start(&folder.path().join("data"));
    let rows: Vec<String> = (0..450)
        .map(|row| json!({"owner": "acme", "api_key": format!("opaque-{row}")}).to_string())
        .collect();
    let file = folder.path().join("keys.jsonl");
    std::fs::write(&file, rows.join("\n")).unwrap();
    let path = file.to_str().unwrap();
    // The progress file of an import that was stopped after 200 rows.
    let sha256 = metering_core::api_key::KeyDigest::of_bytes(&std::fs::read(&file).unwrap()).to_string();
    let progress = folder.path().join("keys.jsonl.progress");
    std::fs::write(&progress, json!({"sha256": sha256, "rows": 200}).to_string()).unwrap();
    let keys = operator.json_lines(&["list"]);
    let outcome = operator.json(&["import", path, "--dry-run"]);
    assert_eq!(
        outcome,
        json!({"applied": false, "created": 250, "updated": 0, "unchanged": 0, "rejected": 0})
    );
    assert_eq!(operator.json_lines(&["list"]), keys, "--dry-run creates no key");
    let outcome = operator.json(&["import", path]);
    let created = json!({"applied": true, "created": 250, "updated": 0, "unchanged": 0, "rejected": 0});
    assert_eq!(outcome, created);
    assert!(!progress.exists());
    let outcome = operator.json(&["import", path]);
    let rest = json!({"applied": true, "created": 200, "updated": 0, "unchanged": 250, "rejected": 0});
    assert_eq!(outcome, rest);
    assert_eq!(operator.local.call("/status/200", Some("opaque-449")), 200);
}

#[test]
fn an_import_names_each_row_that_it_rejects_also_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let mut operator = Operator::start(&folder.path().join("data"));
    let csv = folder.path().join("more.csv");
    let hash = metering_core::api_key::KeyDigest::of_secret("hashed-elsewhere").unwrap();
    std::fs::write(
        &csv,
        format!(
            "api_key_id,owner,sha256,monthly_limit\nold-1,acme,{hash},7\nold-2,acme,zz,7\nkey-1,acme,{},7\n",
            metering_core::api_key::KeyDigest::of_secret("another").unwrap()
        ),
    )
    .unwrap();
    let customers = folder.path().join("customers.csv");
    std::fs::write(
        &customers,
        format!("api_key_id,customer_id,sha256\nnew,zen,{hash}\nnew,zen,{hash}\nkey-2,,\nkey-3,zen,\n"),
    )
    .unwrap();
    let output = operator.run(&["import", customers.to_str().unwrap(), "--dry-run"]);
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        printed, "Keys: 1 would be created, 0 would be updated, 2 unchanged, 1 would be rejected.\n",
        "{errors}"
    );
    assert!(errors.contains("line 5: the key key-3 belongs to another customer"), "{errors}");
    assert!(errors.contains("would create the customers zen\n"), "{errors}");
    let output = operator.run(&["import", csv.to_str().unwrap(), "--dry-run"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.starts_with("Keys: 1 would be created, 0 would be updated, 0 unchanged, 2 would be"),
        "{printed}"
    );
    let output = operator.run(&["import", csv.to_str().unwrap()]);
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        !output.status.success() && printed.contains("Keys: 1 created, 0 updated, 0 unchanged, 2 rejected."),
        "{printed}"
    );
    assert!(errors.contains("line 3: sha256 is not 64 hexadecimal digits"), "{errors}");
    assert!(errors.contains("line 4: the key key-1 has another secret"), "{errors}");
    let response = operator.local.response("/status/200", Some("hashed-elsewhere"));
    assert!(response.contains("x-ratelimit-limit: 7\r\n"), "{response}");
    assert_eq!(operator.json(&["show", "old-1"])["monthly_limit"], 7);
}

/// Returns all files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn no_secret_is_in_any_log_metric_table_or_message() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut operator = Operator::start(&data);
    let made = operator.json(&["create", "--owner", "acme", "--monthly-limit", "10"]);
    let (id, first) = (text(&made["api_key_id"]), text(&made["api_key"]));
    let second = text(&operator.json(&["rotate", &id])["api_key"]);
    // Both commands show a secret once, intentionally.
    operator.printed.clear();
    let file = folder.path().join("import.jsonl");
    std::fs::write(&file, "{\"owner\":\"a\",\"api_key\":\"imported-secret\"}\n{\"owner\":\"a\",\"api_key\":\"bad secret\"}\n{\"owner\":\"a\",\"api_key\":9182736455}").unwrap();
    operator.run(&["import", file.to_str().unwrap()]);
    let near_miss = format!("{}x", &first[..first.len() - 1]);
    let strange = "strange\u{7f}secret";
    let long = "long-secret-".repeat(900);
    let secrets = [
        &first,
        &second,
        "imported-secret",
        &operator.local.key(),
        &near_miss,
        strange,
        &long,
        "unknown-secret",
    ]
    .map(str::to_owned);
    for secret in &secrets {
        for path in ["/status/200", "/status/500", "/usage", "/public/status/200"] {
            operator.local.call(path, Some(secret));
        }
    }
    operator.run(&["list", "--all"]);
    operator.json(&["delete", &id]);
    for secret in &secrets {
        operator.local.call("/status/200", Some(secret));
    }
    operator.refused(&["rotate", &id], "was deleted");
    operator.local.signal("-TERM");
    operator.local.process.wait().unwrap();

    let mode = std::fs::metadata(data.join("demo-keys.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner can read the secrets");
    let looked_at: Vec<_> =
        files(&data).into_iter().filter(|path| !path.ends_with("demo-keys.json")).collect();
    let names: Vec<_> = looked_at.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    for name in ["functions.log", "metrics.jsonl", "notifications.jsonl", "logs.sqlite", "dynamodb.sqlite"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let mut haystacks: Vec<Vec<u8>> = looked_at.iter().map(|path| std::fs::read(path).unwrap()).collect();
    haystacks.append(&mut operator.printed);
    for secret in secrets.iter().map(String::as_str).chain(["bad secret", "9182736455"]) {
        let secret = &secret[..secret.len().min(40)];
        for (place, bytes) in haystacks.iter().enumerate() {
            assert!(!holds(bytes, secret), "{secret:?} is in {:?}", names.get(place));
        }
    }
    assert!(haystacks.iter().any(|bytes| holds(bytes, &id)), "the search does not find the key id");
}

#[test]
fn exported_keys_are_the_same_keys_elsewhere() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut here = Operator::start(here.path());
    let mut there = Operator::start(there.path());
    let made = here.json(&["create", "--owner", "acme", "--monthly-limit", "5", "--label", "team=blue"]);
    let deleted = here.json(&["create", "--owner", "gone"]);
    here.json(&["delete", deleted["api_key_id"].as_str().unwrap()]);
    let exported = stdout(&here.run(&["export"]));
    exported.lines().for_each(|key| drop(documented("keys-export", key.as_bytes())));
    assert!(
        !exported.contains(made["api_key"].as_str().unwrap()) && !exported.contains("gone"),
        "{exported}"
    );
    let file = there.local.data.join("keys.jsonl");
    std::fs::write(&file, &exported).unwrap();
    // Both stacks have the same demo keys.
    there.run(&["import", file.to_str().unwrap()]);
    let shown = there.json(&["show", made["api_key_id"].as_str().unwrap()]);
    assert_eq!(
        (&shown["owner"], &shown["monthly_limit"], &shown["labels"]),
        (&json!("acme"), &json!(5), &json!({"team": "blue"}))
    );
    assert_eq!(there.local.call("/status/200", made["api_key"].as_str()), 200);
}
