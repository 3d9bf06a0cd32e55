//! Compares the checks with docs/AWS.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the cells of the tables in docs/AWS.md, without the headers.
fn rows() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(repository().join("docs/AWS.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| assumption"));
    lines.filter(|line| !line.starts_with("| ---")).map(cells).collect()
}

/// Returns the texts between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Returns all Rust and TypeScript of the repository, except for generated and installed files.
fn sources() -> String {
    let mut text = String::new();
    let mut folders: Vec<PathBuf> =
        ["crates", "loadtest", "stack"].map(|name| repository().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["node_modules", "target", "cdk.out", "dist"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "ts") {
                text += &std::fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

#[test]
fn each_check_stands_in_the_documentation() {
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[3])).collect();
    for check in checks() {
        assert!(named.contains(check.name), "docs/AWS.md has no row with the check {}", check.name);
    }
}

#[test]
fn each_row_of_the_documentation_names_code_and_a_test_or_check() {
    let (rows, sources) = (rows(), sources());
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in &rows {
        let [assumption, words, relied_on, held_by] = row.as_slice() else {
            panic!("{row:?} has not four cells")
        };
        assert!(!assumption.is_empty() && !words.is_empty(), "{row:?}");
        let (items, holders) = (quoted(relied_on), quoted(held_by));
        assert!(!items.is_empty() && !holders.is_empty(), "{row:?}");
        for item in items {
            let is_there = repository().join(item).exists() || sources.contains(item);
            assert!(is_there, "{item} is neither a file nor in one: {row:?}");
        }
        for holder in holders {
            let is_check = checks().any(|check| check.name == holder);
            let is_test =
                sources.contains(&format!("fn {holder}(")) || sources.contains(&format!("test('{holder}'"));
            assert!(is_check || is_test, "{holder} is neither a check nor a test: {row:?}");
        }
    }
}

#[test]
fn names_are_stable_words_and_each_is_there_once() {
    let names: Vec<&str> = checks().map(|check| check.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}

#[test]
fn a_false_assumption_is_printed_with_the_assumption_and_the_remedy() {
    let check = checks().next().unwrap();
    let text = table(&[(check, Finding::is_false("it is not", "fix it"))]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..2],
        ["verdict  check                 found", "false    subscription_pattern  it is not"]
    );
    assert!(text.contains(check.assumption) && text.contains("do: fix it"), "{text}");
    let findings = [(check, Finding::ok("it is")), (check, Finding::unknown("no calls", "make some"))];
    let hint = "An unknown result is not a failure.";
    assert_eq!(summary(&findings), format!("1 ok, 0 false, 1 unknown, 0 skipped. {hint}\n"));
    let output = CheckOutput::new(check, &Finding::ok("it is"));
    assert_eq!((output.check.as_str(), output.verdict), ("subscription_pattern", Verdict::Ok));
}
