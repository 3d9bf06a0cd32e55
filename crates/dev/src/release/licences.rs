//! The licences of everything that a release contains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{read, sorted_files};

/// Beginnings of the names of files with licences and notices, in lower case.
const NAMES: [&str; 5] = ["licen", "copying", "notice", "copyright", "unlicense"];

/// The folder of the npm package in the files that the web pages share. The first line of its script names its version.
const UPLOT: &str = "crates/page-parts/src/web/uplot";

/// A package: name and version.
type Package = (String, String);

/// Returns the licences of the packages in the bills of materials of a folder, with their texts. A
/// package that has no such file is named with its licence alone.
///
/// # Errors
/// When a bill of materials or a source cannot be read.
pub fn text(root: &Path, bills: &Path) -> anyhow::Result<String> {
    let folders = source_folders(root)?;
    let mut of_texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut listing = String::new();
    for (package, licence) in linked_packages(bills)? {
        let (name, version) = &package;
        writeln!(listing, "{name} {version}: {licence}")?;
        let folder = folders.get(&package).with_context(|| format!("{name} {version} has no source"))?;
        for path in sorted_files(folder)?.into_iter().filter(|path| is_licence(path)) {
            let text = String::from_utf8_lossy(&read(&path)?).trim().to_owned();
            of_texts.entry(text).or_default().insert(format!("{name} {version}"));
        }
    }
    let (name, licence) = vendored(&root.join(UPLOT))?;
    writeln!(listing, "{name}: MIT")?;
    of_texts.entry(licence).or_default().insert(name);
    let mut all = format!("The packages that the usage meter contains, with their licences:\n\n{listing}");
    for (text, packages) in of_texts {
        let packages: Vec<String> = packages.into_iter().collect();
        write!(all, "\n{}\n{}:\n\n{text}\n", "-".repeat(80), packages.join(", "))?;
    }
    Ok(all)
}

/// Returns the name of the npm package in a folder with its version, and its licence.
fn vendored(folder: &Path) -> anyhow::Result<(String, String)> {
    let script = read(&folder.join("uPlot.js"))?;
    let script = String::from_utf8_lossy(&script);
    let banner = script.lines().next().unwrap_or_default();
    let version =
        banner.split_once("(v").and_then(|(_, rest)| rest.split_once(')')).map(|(version, _)| version);
    let version = version.with_context(|| format!("{} names no version: {banner}", folder.display()))?;
    let licence = read(&folder.join("LICENSE"))?;
    Ok((format!("uPlot {version} (npm)"), String::from_utf8_lossy(&licence).trim().to_owned()))
}

/// Returns the packages of other projects in the bills of materials, with their licences.
fn linked_packages(bills: &Path) -> anyhow::Result<BTreeMap<Package, String>> {
    let mut packages = BTreeMap::new();
    for path in sorted_files(bills)?.iter().filter(|path| path.to_string_lossy().ends_with(".cdx.json")) {
        let bill: Value = serde_json::from_slice(&read(path)?)?;
        let components = bill["components"].as_array().context("a bill of materials without components")?;
        for component in components {
            let text = |name: &str| component[name].as_str().unwrap_or_default().to_owned();
            if text("bom-ref").starts_with("registry+") {
                packages.insert((text("name"), text("version")), licence_of(component));
            }
        }
    }
    ensure!(!packages.is_empty(), "the bills of materials in {} have no packages", bills.display());
    Ok(packages)
}

fn licence_of(component: &Value) -> String {
    let licence = &component["licenses"][0];
    let texts = [&licence["expression"], &licence["license"]["id"], &licence["license"]["name"]];
    texts.into_iter().find_map(Value::as_str).unwrap_or("see its texts").to_owned()
}

/// Returns the folders of the sources of all packages.
fn source_folders(root: &Path) -> anyhow::Result<BTreeMap<Package, PathBuf>> {
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(root)
        .output()?;
    ensure!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata without packages")?;
    let folder = |package: &Value| {
        let text = |name: &str| package[name].as_str().map(str::to_owned);
        let folder = PathBuf::from(text("manifest_path")?).parent()?.to_owned();
        Some(((text("name")?, text("version")?), folder))
    };
    Ok(packages.iter().filter_map(folder).collect())
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    path.is_file() && NAMES.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::repository;

    #[test]
    fn the_licence_of_the_web_page_s_graphs_is_named_with_its_version() {
        let (name, licence) = vendored(&repository().join(UPLOT)).unwrap();
        assert!(name.starts_with("uPlot 1."), "{name}");
        assert!(licence.starts_with("The MIT License"), "{licence}");
    }
}
