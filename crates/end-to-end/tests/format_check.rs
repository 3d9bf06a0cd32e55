//! `meter format check` of formats and lines, before a deployment.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::io::Write;
use std::process::{Command, Stdio};

use access_log::log_format::ApiKind;
use end_to_end::binaries;
use end_to_end::meter::{documented, meter};
use meter_cli::exit_codes::{FAILURE, SUCCESS};
use serde_json::Value;
use system_clock::now_ms;

/// Checks a text, and returns whether the check succeeds and its output.
fn checked(text: &str, more: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("format");
    std::fs::write(&file, text).unwrap();
    let output = meter(&[&["format", "check", file.to_str().unwrap()], more].concat());
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), printed)
}

#[test]
fn the_documented_formats_are_right_for_their_kind_of_api_and_wrong_for_the_other() {
    for (kind, other) in [(ApiKind::Rest, "http"), (ApiKind::Http, "rest")] {
        let (succeeded, printed) = checked(kind.access_log_format(), &[]);
        assert!(succeeded && printed.contains("It is delivered, read and billed to"), "{printed}");
        assert!(printed.contains(&format!("of {kind} APIs")), "{printed}");
        let (succeeded, printed) = checked(kind.access_log_format(), &["--api", other]);
        assert!(printed.contains("problem:") != succeeded, "{printed}");
    }
}

#[test]
fn a_format_that_would_lose_calls_is_refused_with_the_member_that_is_missing() {
    let format = ApiKind::Rest.access_log_format();
    for member in [r#""key":"$context.authorizer.apiKeyId","#, r#""status":"$context.status","#] {
        let (succeeded, printed) = checked(&format.replace(member, ""), &[]);
        assert!(!succeeded && printed.contains("problem:"), "{member}: {printed}");
    }
}

/// Checks standard input, and returns the exit status and the JSON output.
fn piped(text: &str) -> (Option<i32>, Vec<Value>) {
    let mut command = Command::new(binaries().join("meter"));
    command.args(["format", "check", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.lines().map(|line| documented("format-check", line.as_bytes())).collect())
}

#[test]
fn the_result_for_programs_is_in_json_and_the_exit_status() {
    let format = ApiKind::Rest.access_log_format().replace("\"status\":", "\"code\":");
    let (code, printed) = piped(&format);
    assert_eq!(
        (code, &printed[0]["api"], &printed[0]["sample"]["delivered"]),
        (Some(FAILURE.into()), &"rest".into(), &false.into())
    );
    assert_eq!(printed[0]["findings"][0]["about"], "not_delivered");

    let line = format!(r#"{{"id":"a","key":"k","time":"{}","status":"200","route":"/orders"}}"#, now_ms());
    // The meter reads a dash without quotes, which is not JSON.
    let good = [line.clone(), line.replace("\"a\"", "-"), line.replace("/orders", "/usage"), String::new()];
    let (code, printed) = piped(&good.join("\n"));
    let summary = &printed[3]["summary"];
    assert_eq!(
        (code, &summary["billed"], &summary["readable_lines"]),
        (Some(SUCCESS.into()), &2.into(), &2.into())
    );

    let bad =
        [line.clone(), line.replace("/orders", "a\"b"), line.replace('"', "'"), "no call at all".to_owned()];
    let (code, printed) = piped(&bad.join("\n"));
    let outcomes: Vec<&Value> = printed[..4].iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["billed", "quarantined", "lost", "ignored"]);
    assert_eq!((code, &printed[4]["summary"]["keys"]["k"]), (Some(FAILURE.into()), &1.into()));
    assert_eq!(piped(" \n"), (Some(FAILURE.into()), vec![]), "an empty file has no output");
}

#[test]
fn the_outcome_of_each_line_is_printed() {
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
    let (succeeded, printed) = checked(&lines[..3].join("\n"), &[]);
    assert!(succeeded && printed.contains("line 1: delivered, billed to k"), "{printed}");
    assert!(
        printed.contains("line 2: not delivered") && printed.contains("line 3: delivered, not billed"),
        "{printed}"
    );
    let (succeeded, printed) = checked(&lines.join("\n"), &[]);
    let byte = lines[3].find("quoted").unwrap();
    assert!(!succeeded && printed.contains("line 4: delivered, quarantined"), "{printed}");
    assert!(printed.contains(&format!("at byte {byte}")), "{printed}");
    assert!(printed.contains("LoggedLines 4, ReadableLines 3"), "{printed}");
}
