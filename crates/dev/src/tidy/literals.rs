//! A text that has a constant is written by its constant.

use std::path::{Path, PathBuf};

use deployment::environment::{FUNCTION_VARIABLES, TOOL_VARIABLES};
use deployment::{FUNCTIONS, settings};

use super::{repository, rust, sources, without_tests};

/// Literals that remain, by folder and number. A number may only fall.
const REMAINING_NAMES: &[(&str, usize)] = &[];
const REMAINING_VARIABLES: &[(&str, usize)] = &[
    // The baseline is not built from this workspace.
    ("loadtest/peers", 1),
];

/// The files that declare the constants.
fn declares(path: &Path) -> bool {
    ["functions.rs", "settings.rs", "variables.rs"]
        .iter()
        .any(|file| path.ends_with(file) && path.components().any(|part| part.as_os_str() == "deployment"))
}

/// Returns the lines of a source that match, apart from comments.
fn lines_with(path: &Path, code: &str, matches: impl Fn(&str) -> bool) -> Vec<String> {
    let is_comment = |line: &str| ["//", "*", "/*", "#"].iter().any(|mark| line.starts_with(mark));
    let lines = code.lines().map(str::trim_start).filter(|line| !is_comment(line) && matches(line));
    lines
        .map(|line| format!("{}: {line}", path.strip_prefix(repository()).unwrap_or(path).display()))
        .collect()
}

/// Removes as many lines of each folder as remain there, and fails if there are more.
fn check(found: &[String], remaining: &[(&str, usize)], remedy: &str) {
    let mut more = Vec::new();
    let mut unknown: Vec<&String> = found.iter().collect();
    for (folder, count) in remaining {
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|line| line.starts_with(folder));
        if here.len() > *count {
            more.push(format!("{folder} had {count}:"));
            more.extend(here.into_iter().cloned());
        }
        unknown = elsewhere;
    }
    more.extend(unknown.into_iter().cloned());
    assert!(more.is_empty(), "{remedy}:\n{}", more.join("\n"));
}

#[test]
fn services_and_the_path_of_the_usage_endpoint_are_constants() {
    let services = FUNCTIONS.iter().map(|(service, _)| *service);
    let texts: Vec<String> =
        services.chain([settings::USAGE_PATH]).map(|text| format!("\"{text}\"")).collect();
    let is_test =
        |path: &Path| path.iter().any(|part| part == "tests" || part == "tidy") || path.ends_with("tests.rs");
    let found: Vec<String> = rust()
        .into_iter()
        .filter(|(path, _)| !declares(path) && !is_test(path))
        .flat_map(|(path, text)| {
            lines_with(&path, &without_tests(&text), |line| texts.iter().any(|text| line.contains(text)))
        })
        .collect();
    check(&found, REMAINING_NAMES, "take these from the crate deployment");
}

/// Returns `true` if a line of a source in the language with this ending names a variable.
fn names_variable(line: &str, ending: &str, name: &str) -> bool {
    line.match_indices(name).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + name.len()..]);
        let is_part =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let quote = before.chars().next_back().filter(|letter| "'\"".contains(*letter));
        let is_quoted = quote.is_some_and(|quote| after.starts_with(quote));
        if is_part(before.chars().next_back()) || is_part(after.chars().next()) {
            return false;
        }
        match ending {
            "sh" => after.starts_with('=') || before.ends_with('$') || before.ends_with("${"),
            "ts" | "mjs" => {
                is_quoted || before.ends_with('.') || (after.starts_with(':') && !before.ends_with("const "))
            }
            _ => is_quoted,
        }
    })
}

#[test]
fn variables_are_named_by_their_declarations() {
    let variables = FUNCTION_VARIABLES.iter().flat_map(|(_, variables)| variables.iter());
    let names: Vec<&str> = variables.map(|variable| variable.name).collect();
    let tools: Vec<&str> = TOOL_VARIABLES.iter().map(|variable| variable.name).collect();
    let names_one = |ending: &str, line: &str| {
        // A script sets the variable of a tool by its name.
        let tools = tools.iter().filter(|_| ending != "sh");
        names.iter().chain(tools).any(|name| names_variable(line, ending, name))
    };
    let scripts = ["sh", "mjs"].map(|ending| sources("scripts", ending)).concat();
    // The tests of the stack spell the variables of the deployed functions.
    let stack: Vec<(PathBuf, String)> =
        ["lib", "verify", "bin"].map(|folder| sources(&format!("stack/{folder}"), "ts")).concat();
    let peers = sources("loadtest", "mjs");
    // The tests of these rules have examples.
    let is_example = |path: &Path| path.starts_with(repository().join("crates/dev"));
    let found: Vec<String> = [rust(), scripts, stack, peers]
        .concat()
        .into_iter()
        .filter(|(path, _)| {
            !declares(path) && !is_example(path) && !path.ends_with("deployment/src/environment/mod.rs")
        })
        .flat_map(|(path, text)| {
            let ending = path.extension().unwrap().to_string_lossy().into_owned();
            lines_with(&path, &text, |line| names_one(&ending, line))
        })
        .collect();
    check(&found, REMAINING_VARIABLES, "name these variables by deployment::environment or environment.json");
}

/// Returns the code that reads the settings of a service, with that of another service whose settings are a part.
fn settings_code(service: &str) -> String {
    let path = repository().join(format!("crates/{service}/src/config.rs"));
    let code = without_tests(&std::fs::read_to_string(path).unwrap());
    let is_part =
        |other: &&str| *other != service && code.contains(&format!("{}::config", other.replace('-', "_")));
    let others = FUNCTION_VARIABLES.map(|(other, _)| other).into_iter().filter(is_part);
    let parts: String = others.map(settings_code).collect();
    code + &parts
}

#[test]
fn each_function_reads_the_variables_that_are_declared_for_it() {
    for (service, variables) in FUNCTION_VARIABLES {
        let code = settings_code(service);
        let mut read: Vec<&str> = code
            .split("variables::")
            .skip(1)
            .map(|rest| {
                &rest[..rest
                    .find(|letter: char| {
                        !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '_'
                    })
                    .unwrap()]
            })
            .filter(|name| !name.is_empty() && !name.starts_with("AWS_"))
            .collect();
        read.sort_unstable();
        read.dedup();
        let mut declared: Vec<&str> = variables.iter().map(|variable| variable.name).collect();
        declared.sort_unstable();
        assert_eq!(read, declared, "{service}");
    }
}

#[test]
fn a_literal_is_found_in_code_and_not_in_comments() {
    let code = "// \"usage-consumer\"\nlet service = \"usage-consumer\";\n";
    assert_eq!(lines_with(Path::new("a.rs"), code, |line| line.contains("usage-consumer")).len(), 1);
    assert!(names_variable("KEYS_TABLE: this.table,", "ts", "KEYS_TABLE"));
    assert!(!names_variable("export const KEYS_TABLE: string = x;", "ts", "KEYS_TABLE"));
    assert!(names_variable("  (\"KEYS_TABLE\", value)", "rs", "KEYS_TABLE"));
    assert!(!names_variable("variables::KEYS_TABLE.name", "rs", "KEYS_TABLE"));
    assert!(std::panic::catch_unwind(|| check(&["a: x".to_owned()], &[("a", 0)], "")).is_err());
    check(&["a: x".to_owned()], &[("a", 1)], "");
}
