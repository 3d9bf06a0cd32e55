//! Every limit has a row in `docs/LIMITS.md`, and every row a test.

use std::path::Path;

use super::{repository, rust, without_tests};
use crate::limits::{Limit, OTHERS, Row, SECTIONS};

/// Crates whose limits the document does not list: tools of the developer, models, and the local services, of
/// which it lists some.
const UNLISTED: [&str; 8] = [
    "crates/cost-model",
    "crates/dev",
    "crates/end-to-end",
    "crates/fuzz-targets",
    "crates/local-stack",
    "crates/metering-models",
    "crates/metering-sim",
    "loadtest",
];

fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|section| section.rows)
}

/// Returns `true` if a source has a test function of this name.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let attributes = before.lines().rev().skip_while(|line| !line.trim_start().starts_with("#["));
    let is_test = |line: &str| line.trim_start().starts_with("#[test]") || line.contains("#[tokio::test");
    attributes.take(1).any(is_test)
}

#[test]
fn each_limit_names_a_test_that_exists() {
    let mut missing = Vec::new();
    for Row { test, .. } in rows() {
        let (file, name) = test.split_once("::").unwrap_or((test, ""));
        let source = std::fs::read_to_string(repository().join(file)).unwrap_or_default();
        if !has_test(&source, name) {
            missing.push(*test);
        }
    }
    assert!(missing.is_empty(), "these tests of limits do not exist:\n{}", missing.join("\n"));
}

/// Returns the names of the constants that a source declares and that begin with `MAX_`.
fn limits_of(source: &str) -> Vec<&str> {
    let lines = source.lines().filter_map(|line| {
        let (before, after) = line.split_once("const ")?;
        let is_declaration = before.trim_start().is_empty() || before.trim_start().starts_with("pub");
        let (name, _) = after.split_once(':')?;
        (is_declaration && name.starts_with("MAX_")).then_some(name)
    });
    lines.collect()
}

#[test]
fn each_constant_that_limits_something_is_in_the_document() {
    let is_listed = |path: &Path, name: &str| {
        rows().any(|row| matches!(row.limit, Limit::Constant(file, constant) if path.ends_with(file) && constant == name))
    };
    let mut missing = Vec::new();
    for (path, text) in rust() {
        let path = path.strip_prefix(repository()).unwrap_or(&path).to_owned();
        if UNLISTED.iter().any(|folder| path.starts_with(folder)) || path.iter().any(|part| part == "tests") {
            continue;
        }
        for name in limits_of(&without_tests(&text)) {
            if !is_listed(&path, name) && !OTHERS.contains(&name) {
                missing.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "give these limits a row in crates/dev/src/limits/rows.rs and a test that goes one past:\n{}",
        missing.join("\n")
    );
}

#[test]
fn a_test_and_a_limit_are_recognised() {
    let source = "    #[test]\n    fn it_ends() {}\n#[tokio::test]\nasync fn it_waits() {}\nfn helper() {}\n";
    assert!(has_test(source, "it_ends") && has_test(source, "it_waits"));
    assert!(!has_test(source, "it"), "another name");
    assert!(!has_test("#[derive(Debug)]\nstruct S;\nfn helper() {}\n", "helper"));
    let declared =
        "pub const MAX_A: usize = 1;\n    const MAX_B: u32 = 2;\n// const MAX_C: u32 = 3;\nuse MAX_D;\n";
    assert_eq!(limits_of(declared), ["MAX_A", "MAX_B"]);
}
