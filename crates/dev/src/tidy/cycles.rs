//! Modules of a crate do not use one another in a circle.
//!
//! The graph has the files of a crate as nodes and the paths `crate::...` and
//! `super::...` as edges. A module declares and re-exports its submodules, so an
//! edge to a file's own submodule does not count; the edge back does. Unit
//! tests may use any module.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{crate_folders, without_tests};

/// The modules of a crate by path, as in `["stack", "options"]`, with their code.
type Modules = BTreeMap<Vec<String>, (PathBuf, String)>;

/// Reads the modules of the crate in a folder. The root is the module `[]`.
fn modules(folder: &Path) -> Modules {
    let source = folder.join("src");
    let files = super::sources_in(&source, "rs").into_iter();
    let modules = files.filter_map(|(path, text)| {
        let relative = path.strip_prefix(&source).ok()?.with_extension("");
        let mut names: Vec<String> =
            relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        if names.len() == 1 && names[0] == "main" && source.join("lib.rs").exists() || names[0] == "bin" {
            return None;
        }
        if ["lib", "main", "mod"].contains(&names.last()?.as_str()) {
            names.pop();
        }
        let is_test = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
        let code = if is_test { String::new() } else { without_comments(&without_tests(&text)) };
        Some((names, (path, code)))
    });
    modules.collect()
}

fn without_comments(code: &str) -> String {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// The paths that a module's code names, relative to the root of the crate.
fn paths_of(module: &[String], code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (start, word) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || "_:$".contains(letter)) {
            continue;
        }
        let parents = code[start..].split("::").take_while(|name| *name == "super").count();
        let base = if word == "crate::" { &[] } else { &module[..module.len().saturating_sub(parents)] };
        let rest = code[start..].trim_start_matches("super::").trim_start_matches("crate::");
        expand(base, rest, &mut found);
    }
    found
}

/// Adds the paths that the text begins with: `a::b`, or the group `a::{b, c::d}`.
/// Returns the rest of the text.
fn expand<'text>(base: &[String], text: &'text str, found: &mut Vec<Vec<String>>) -> &'text str {
    let mut path = base.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            rest = group;
            while !rest.trim_start().starts_with('}') && !rest.is_empty() {
                rest = expand(&path, rest, found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest);
                let next = rest.trim_start();
                if next.starts_with(|letter: char| !letter.is_alphanumeric() && !"_{}*".contains(letter)) {
                    return rest;
                }
            }
            return rest.trim_start().strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(next) if end > 0 => rest = next,
            _ => break,
        }
    }
    found.push(path);
    rest.strip_prefix('*').unwrap_or(rest)
}

/// The edges of the graph, without those to a module's own submodules.
fn edges(modules: &Modules) -> BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> {
    let used = |module: &Vec<String>, code: &str| -> BTreeSet<&Vec<String>> {
        let paths = paths_of(module, code).into_iter();
        let files = paths.filter_map(|path| {
            (0..=path.len())
                .rev()
                .find_map(|length| modules.get_key_value(&path[..length]))
                .map(|(name, _)| name)
        });
        files.filter(|used| !used.starts_with(module)).collect()
    };
    modules.iter().map(|(module, (_, code))| (module, used(module, code))).collect()
}

/// The circles of a graph: each set of modules that all reach one another.
fn circles<'name>(
    edges: &BTreeMap<&'name Vec<String>, BTreeSet<&'name Vec<String>>>,
) -> BTreeSet<BTreeSet<&'name Vec<String>>> {
    let reached = |from: &'name Vec<String>| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<_> = edges[from].iter().copied().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(edges[next].iter().copied());
            }
        }
        reached
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|from| (*from, reached(from))).collect();
    let circle = |from: &'name Vec<String>| -> BTreeSet<_> {
        reached[from].iter().copied().filter(|to| reached[to].contains(from)).collect()
    };
    edges.keys().map(|from| circle(from)).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn modules_do_not_use_one_another_in_a_circle() {
    let mut found = Vec::new();
    for folder in crate_folders() {
        let crate_name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let modules = modules(&folder);
        for circle in circles(&edges(&modules)) {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            found.push(format!("{crate_name}: {}", names.join(", ")));
        }
    }
    assert!(found.is_empty(), "move what these modules share to a module below them:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_through_groups_and_parents() {
    let module = |name: &str, code: &str| {
        let path = name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        (path, (PathBuf::new(), code.to_owned()))
    };
    let modules: Modules = [
        module("", "mod a; mod b; pub use a::A;"),
        module("a", "use crate::{b::{self, B}, c::C};"),
        module("b", "fn f() { super::c::g(); }"),
        module("c", "pub mod d;\nuse d::D;"),
        module("c::d", "use super::super::a::A; use super::C;"),
    ]
    .into();
    assert_eq!(
        paths_of(&["c".to_owned(), "d".to_owned()], "use super::super::a::A;"),
        [["a".to_owned(), "A".to_owned()]]
    );
    let found = circles(&edges(&modules));
    assert!(found.is_empty(), "{found:?}");
    let modules: Modules = modules.into_iter().chain([module("c", "pub mod d;\nuse crate::a::A;")]).collect();
    let circle: Vec<String> =
        circles(&edges(&modules)).into_iter().flatten().map(|module| module.join("::")).collect();
    assert_eq!(circle, ["a", "b", "c"]);
}
