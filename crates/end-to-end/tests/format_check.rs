//! `meter format check`: formats and lines, before anything is deployed.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::io::Write;
use std::process::{Command, Stdio};

use access_log::log_format::ApiKind;
use end_to_end::binaries;
use end_to_end::meter::meter;
use lambda_support::clock::now_ms;
use serde_json::Value;

/// Whether the check of a text succeeds, and what it says.
fn checked(text: &str, more: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("format");
    std::fs::write(&file, text).unwrap();
    let output = meter(&[&["format", "check", file.to_str().unwrap()], more].concat());
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), told)
}

#[test]
fn the_documented_formats_are_right_for_their_kind_of_api_and_wrong_for_the_other() {
    for (kind, other) in [(ApiKind::Rest, "http"), (ApiKind::Http, "rest")] {
        let (succeeded, told) = checked(kind.access_log_format(), &[]);
        assert!(succeeded && told.contains("It is delivered, read and billed to"), "{told}");
        assert!(told.contains(&format!("of {kind} APIs")), "{told}");
        let (succeeded, told) = checked(kind.access_log_format(), &["--api", other]);
        assert!(told.contains("problem:") != succeeded, "{told}");
    }
}

#[test]
fn a_format_that_would_lose_calls_is_refused_with_the_member_that_is_missing() {
    let format = ApiKind::Rest.access_log_format();
    for member in [r#""key":"$context.authorizer.apiKeyId","#, r#""status":"$context.status","#] {
        let (succeeded, told) = checked(&format.replace(member, ""), &[]);
        assert!(!succeeded && told.contains("problem:"), "{member}: {told}");
    }
}

/// The check of what comes from standard input, as programs read it.
fn piped(text: &str) -> (Option<i32>, Vec<Value>) {
    let mut command = Command::new(binaries().join("meter"));
    command.args(["format", "check", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn programs_are_told_by_json_and_the_exit_status() {
    let format = ApiKind::Rest.access_log_format().replace("\"status\":", "\"code\":");
    let (code, told) = piped(&format);
    assert_eq!(
        (code, &told[0]["api"], &told[0]["sample"]["delivered"]),
        (Some(1), &"rest".into(), &false.into())
    );
    assert_eq!(told[0]["findings"][0]["about"], "not_delivered");

    let line = format!(r#"{{"id":"a","key":"k","time":"{}","status":"200","route":"/orders"}}"#, now_ms());
    // The meter reads a dash without quotes, which is no JSON.
    let good = [line.clone(), line.replace("\"a\"", "-"), line.replace("/orders", "/usage"), String::new()];
    let (code, told) = piped(&good.join("\n"));
    let summary = &told[3]["summary"];
    assert_eq!((code, &summary["billed"], &summary["readable_lines"]), (Some(0), &2.into(), &2.into()));

    let bad =
        [line.clone(), line.replace("/orders", "a\"b"), line.replace('"', "'"), "no call at all".to_owned()];
    let (code, told) = piped(&bad.join("\n"));
    let outcomes: Vec<&Value> = told[..4].iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["billed", "quarantined", "lost", "ignored"]);
    assert_eq!((code, &told[4]["summary"]["keys"]["k"]), (Some(1), &1.into()));
    assert_eq!(piped(" \n"), (Some(1), vec![]), "an empty file says nothing");
}

#[test]
fn each_line_is_told_what_becomes_of_it() {
    let line = format!(
        r#"{{"id":"a","key":"k","time":"{}","status":"200","route":"/orders","method":"GET"}}"#,
        now_ms()
    );
    let lines = [
        line.clone(),
        line.replace("\"200\"", "\"404\""),
        line.replace("\"GET\"", "\"OPTIONS\""),
        line.replace("/orders", "a \"quoted\" name"),
    ];
    let (succeeded, told) = checked(&lines[..3].join("\n"), &[]);
    assert!(succeeded && told.contains("line 1: delivered, billed to k"), "{told}");
    assert!(
        told.contains("line 2: not delivered") && told.contains("line 3: delivered, not billed"),
        "{told}"
    );
    let (succeeded, told) = checked(&lines.join("\n"), &[]);
    let byte = lines[3].find("quoted").unwrap();
    assert!(!succeeded && told.contains("line 4: delivered, quarantined"), "{told}");
    assert!(told.contains(&format!("at byte {byte}")), "{told}");
    assert!(told.contains("LoggedLines 4, ReadableLines 3"), "{told}");
}
