//! `meter format check`: formats and lines, before anything is deployed.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use access_log::log_format::ApiKind;
use end_to_end::meter::meter;
use lambda_support::clock::now_ms;

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
