//! Crates depend on what their invariants in `docs/ARCHITECTURE.md` allow.

use std::path::Path;

use super::crate_folders;

/// All that these crates may depend on, apart from tests.
const ALLOWED: [(&str, &[&str]); 4] = [
    ("deployment", &["serde", "serde_json"]),
    ("invalidation-message", &["serde_json"]),
    ("page-parts", &[]),
    ("system-clock", &[]),
];

/// The crates of functions, and this one, which lists their metrics.
const USERS_OF_LAMBDA_SUPPORT: [&str; 9] = [
    "api-authorizer",
    "dev",
    "functions",
    "invalidation-fanout",
    "usage-canary",
    "usage-consumer",
    "usage-endpoint",
    "usage-portal",
    "usage-reconciler",
];

/// Returns the names in the section `[dependencies]` of a manifest, in alphabetical order.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]\n"));
    let lines = section.unwrap_or_default().lines();
    let mut names: Vec<&str> = lines
        .filter_map(|line| Some(line.split_once('=')?.0.trim().trim_end_matches(".workspace")))
        .collect();
    names.sort_unstable();
    names
}

/// Reads the manifest of each crate, by the crate's name.
fn manifests() -> Vec<(String, String)> {
    let read = |folder: &Path| std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let name = |folder: &Path| folder.file_name().unwrap().to_string_lossy().into_owned();
    crate_folders().iter().map(|folder| (name(folder), read(folder))).collect()
}

#[test]
fn a_crate_that_others_build_on_depends_on_little() {
    for (name, allowed) in ALLOWED {
        let (_, manifest) = manifests().into_iter().find(|(found, _)| found == name).unwrap();
        assert_eq!(dependencies(&manifest), allowed, "{name}");
    }
}

#[test]
fn only_functions_use_lambda_support() {
    let users: Vec<String> = manifests()
        .into_iter()
        .filter(|(_, manifest)| dependencies(manifest).contains(&"lambda-support"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(users, USERS_OF_LAMBDA_SUPPORT);
}

#[test]
fn the_dependencies_of_a_manifest_are_found() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nb = { workspace = true }\na.workspace = true\n\n[dev-dependencies]\nc = \"1\"\n";
    assert_eq!(dependencies(manifest), ["a", "b"]);
    assert!(dependencies("[package]\nname = \"x\"\n").is_empty());
}
