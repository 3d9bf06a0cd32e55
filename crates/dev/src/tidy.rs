//! Rules for all sources that linters do not check.

mod consistent_reads;
mod cycles;
mod dependencies;
mod limits;
mod literals;
mod short_docs;

use std::path::{Path, PathBuf};

use deployment::names::Names;

use crate::repository::repository;

/// Maximum number of lines of a function, which fits on a screen.
const MAX_FUNCTION_LINES: usize = 70;
/// Exceptions: functions that are lists of cases.
const LONG_FUNCTIONS: [&str; 2] = ["cases", "what_aws_does_not_document_is_refused"];

/// Reads the sources below a folder of the repository that have this ending.
fn sources(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    sources_in(&repository().join(folder), ending)
}

fn sources_in(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !["node_modules", "generated", "dist"].iter().any(|name| path.ends_with(name))
            {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

fn rust() -> Vec<(PathBuf, String)> {
    [sources("crates", "rs"), sources("loadtest", "rs")].concat()
}

/// Returns the folders of all crates in alphabetical order.
fn crate_folders() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(repository().join("crates")).unwrap();
    let mut folders: Vec<PathBuf> = crates.map(|entry| entry.unwrap().path()).collect();
    folders.push(repository().join("loadtest"));
    folders.retain(|folder| folder.join("Cargo.toml").exists());
    folders.sort();
    folders
}

/// Returns the code of a file before its unit tests, without comments other than documentation.
fn without_tests(text: &str) -> String {
    let end = text.find("mod tests {").map_or(text, |tests| &text[..tests]);
    let end = end.rfind("#[cfg(test)]").filter(|_| end.len() < text.len()).unwrap_or(end.len());
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
    };
    text[..end].lines().filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the number of lines of the function that begins at the first of these
/// lines. In rustfmt's layout, it ends at a brace with the indentation of its first line.
fn lines_of_function(lines: &[&str]) -> usize {
    let indent = lines[0].len() - lines[0].trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    lines.iter().position(|line| *line == end).map_or(1, |place| place + 1)
}

/// Returns the name of the function that begins on a line.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_beginning = before.split_whitespace().all(|word| {
        word.starts_with("pub") || ["async", "const", "unsafe", "super)", "crate)"].contains(&word)
    });
    let end = after.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    (is_beginning && end > 0).then_some(&after[..end])
}

#[test]
fn functions_fit_a_screen() {
    let mut long = Vec::new();
    for (path, text) in rust() {
        let lines: Vec<&str> = text.lines().collect();
        for (place, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            let length = lines_of_function(&lines[place..]);
            if length > MAX_FUNCTION_LINES && !LONG_FUNCTIONS.contains(&name) {
                long.push(format!("{}:{}: {name} has {length} lines", path.display(), place + 1));
            }
        }
    }
    assert!(long.is_empty(), "split these functions:\n{}", long.join("\n"));
}

/// Returns `true` if a line of code contains the name of a resource.
fn names_resource(line: &str, template: &str) -> bool {
    let code = line.trim_start();
    let is_comment = ["//", "*", "/*", "#"].iter().any(|mark| code.starts_with(mark));
    let quoted = ['"', '\'', '`'].map(|quote| format!("{quote}{template}"));
    // Help and error texts use the placeholder `ENVIRONMENT`.
    !is_comment && !code.contains("ENVIRONMENT") && quoted.iter().any(|name| code.contains(name.as_str()))
}

fn is_deployment(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "deployment" || part.as_os_str() == "tests")
}

#[test]
fn names_of_resources_are_declared_in_the_crate_deployment_alone() {
    let beginnings: Vec<&str> = Names::templates()
        .into_iter()
        .filter_map(|(_, template)| template.split_once("{environment}").map(|(before, _)| before))
        .filter(|before| *before != "usage-")
        .collect();
    let stack = ["stack/lib", "stack/verify", "stack/bin"].map(|folder| sources(folder, "ts")).concat();
    let mut copies = Vec::new();
    for (path, text) in [rust(), stack].concat() {
        if is_deployment(&path) || path.ends_with("tidy.rs") {
            continue;
        }
        for (place, line) in text.lines().enumerate() {
            if beginnings.iter().any(|before| names_resource(line, before)) {
                copies.push(format!("{}:{}: {}", path.display(), place + 1, line.trim()));
            }
        }
    }
    assert!(copies.is_empty(), "take these names from the crate deployment:\n{}", copies.join("\n"));
}

#[test]
fn a_function_and_a_copied_name_are_recognised() {
    let text = ["    pub(super) async fn long(", "    ) {", "        work();", "    }", "}"];
    assert_eq!(function_name(text[0]), Some("long"));
    assert_eq!(lines_of_function(&text), 4);
    assert_eq!(function_name("// calls fn that()"), None);
    assert!(names_resource("let table = format!(\"usage-claims-{environment}\");", "usage-claims-"));
    assert!(!names_resource("/// The table `usage-claims-prod`.", "usage-claims-"));
}
