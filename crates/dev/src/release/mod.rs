//! `dev release`: the files of a release.

mod archives;
mod licences;
mod sums;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::repository::repository;

/// Version of all packages.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commands of a release, besides the functions that `meter local` runs.
const COMMANDS: [&str; 2] = ["meter", "loadtest"];

/// Name of the file with the licences of what is linked.
const LICENCES: &str = "THIRD_PARTY_LICENCES.txt";

/// Shells for which a release has completions.
const SHELLS: [&str; 3] = ["bash", "fish", "zsh"];

#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the release; an earlier release there is replaced
    #[arg(long, value_name = "FOLDER", default_value = "dist")]
    out: PathBuf,
    /// Folder with the functions, as scripts/stage-lambdas.sh writes it, instead of building them
    #[arg(long, value_name = "FOLDER")]
    functions: Option<PathBuf>,
    /// Folder with the commands and the functions for this machine, instead of building them
    #[arg(long, value_name = "FOLDER")]
    commands: Option<PathBuf>,
    /// Leave out the licences and the bills of materials, whose tool takes minutes to build
    #[arg(long)]
    without_licences: bool,
}

/// Builds the functions and the commands, unless they are given, and writes the release.
///
/// # Errors
/// When a program fails, or a file cannot be written. The error names it.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let root = repository();
    require_kept(&root)?;
    let functions = arguments.functions.map_or_else(|| build_functions(&root), Ok)?;
    let commands = arguments.commands.map_or_else(|| build_commands(&root), Ok)?;
    Release { root, functions: functions.canonicalize()?, commands, out: arguments.out }
        .write(!arguments.without_licences)
}

/// Requires what tests upgrade from this version once there is a later one.
fn require_kept(root: &Path) -> anyhow::Result<()> {
    let archive = format!("crates/end-to-end/releases/{VERSION}.tar.gz");
    let template = format!("stack/test/releases/{VERSION}.template.json");
    for file in [archive, template] {
        ensure!(
            root.join(&file).is_file(),
            "{file} is missing; write it with scripts/keep-release.sh and commit it"
        );
    }
    Ok(())
}

fn build_functions(root: &Path) -> anyhow::Result<PathBuf> {
    step("the functions");
    script(root, "scripts/build-lambdas.sh", &[])?;
    Ok(root.join("target/lambda"))
}

fn build_commands(root: &Path) -> anyhow::Result<PathBuf> {
    step("the commands");
    script(root, "scripts/build-release.sh", &["meter-cli", "loadtest"])?;
    Ok(root.join("target/release"))
}

struct Release {
    root: PathBuf,
    /// Folder with `SERVICE/bootstrap` for each function, and their architecture.
    functions: PathBuf,
    commands: PathBuf,
    out: PathBuf,
}

impl Release {
    fn write(&self, with_licences: bool) -> anyhow::Result<()> {
        remove_release(&self.out)?;
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let out = self.out.canonicalize()?;
        let architecture = std::fs::read_to_string(self.functions.join("architecture")).context(
            "the folder of the functions has no file architecture; write it with scripts/stage-lambdas.sh",
        )?;
        let architecture = architecture.trim();
        step("the zip files of the functions");
        self.zip_functions(&out.join("functions").join(architecture))?;
        step("the templates, the Terraform modules, and the constructs for npm and Python");
        script(&self.root, "scripts/install-stack-tools.sh", &[])?;
        self.write_templates(&out, architecture)?;
        self.pack_constructs(&out)?;
        if with_licences {
            step("the licences and the bills of materials");
            script(&self.root, "scripts/bill-of-materials.sh", &[&path_text(&out)?])?;
            std::fs::write(out.join(LICENCES), licences::text(&self.root, &out)?)?;
        }
        step("the archive of the commands");
        self.pack_commands(&out, with_licences)?;
        sums::write(&out)?;
        println!("{}", out.display());
        Ok(())
    }

    fn zip_functions(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        for service in deployment::FUNCTIONS.map(|(service, _)| service) {
            let binary = self.functions.join(service).join("bootstrap");
            let zip = folder.join(format!("{service}.zip"));
            archives::zip(&zip, "bootstrap", &read(&binary)?)?;
        }
        Ok(())
    }

    fn write_templates(&self, out: &Path, architecture: &str) -> anyhow::Result<()> {
        let words = [
            "tsx",
            "release/write.ts",
            &path_text(out)?,
            &path_text(&self.functions)?,
            architecture,
            VERSION,
        ];
        program(Command::new("npx").args(words).current_dir(self.root.join("stack")))
    }

    fn pack_constructs(&self, out: &Path) -> anyhow::Result<()> {
        let words = ["pack", "--silent", "--pack-destination", &path_text(out)?];
        program(Command::new("npm").args(words).current_dir(self.root.join("stack")))?;
        script(&self.root, "scripts/build-python.sh", &[&path_text(out)?])
    }

    /// Packs the commands with the functions, manual pages and completions, so that a machine without
    /// Rust runs everything.
    fn pack_commands(&self, out: &Path, with_licences: bool) -> anyhow::Result<()> {
        let folder = format!("usage-meter-{VERSION}");
        let processor = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
        let archive = out.join(format!("{folder}-linux-{processor}.tar.gz"));
        let mut tar = archives::TarGz::create(&archive, &folder)?;
        let functions = deployment::FUNCTIONS.map(|(service, _)| service);
        for name in COMMANDS.into_iter().chain(functions) {
            let binary = without_symbols(&self.commands.join(name))?;
            tar.add(name, &binary, archives::EXECUTABLE)?;
        }
        let meter = self.commands.join("meter");
        for shell in SHELLS {
            let script = Command::new(&meter).args(["completions", shell]).output()?;
            ensure!(script.status.success(), "{} completions {shell} fails", meter.display());
            tar.add(&format!("completions/meter.{shell}"), &script.stdout, archives::FILE)?;
        }
        let pages = tempfile::tempdir()?;
        program(Command::new(&meter).arg("man").arg(pages.path()).stdout(std::process::Stdio::null()))?;
        for page in sorted_files(pages.path())? {
            let name = page.file_name().and_then(|name| name.to_str()).context("a page without a name")?;
            tar.add(&format!("man/man1/{name}"), &read(&page)?, archives::FILE)?;
        }
        for name in ["LICENSE", "CHANGELOG.md"] {
            tar.add(name, &read(&self.root.join(name))?, archives::FILE)?;
        }
        if with_licences {
            tar.add(LICENCES, &read(&out.join(LICENCES))?, archives::FILE)?;
        }
        tar.finish()
    }
}

/// Removes an earlier release.
///
/// # Errors
/// When the folder has something else, or cannot be removed.
fn remove_release(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    if !folder.exists() || sorted_files(folder)?.is_empty() {
        return Ok(());
    }
    ensure!(
        folder.join(sums::FILE).is_file(),
        "{shown} has other files than a release; name another folder with --out, or remove it"
    );
    std::fs::remove_dir_all(folder).with_context(|| format!("{shown} cannot be removed"))
}

/// Returns a binary without its symbols.
fn without_symbols(binary: &Path) -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let stripped = folder.path().join("stripped");
    program(Command::new("strip").arg("-o").arg(&stripped).arg(binary))?;
    read(&stripped)
}

fn sorted_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("a folder whose name is not UTF-8")?.to_owned())
}

fn step(what: &str) {
    println!("== {what}");
}

fn script(root: &Path, script: &str, words: &[&str]) -> anyhow::Result<()> {
    program(Command::new(root.join(script)).args(words).current_dir(root))
}

fn program(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(status.success(), "{command:?} fails");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_release_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("dist");
        remove_release(&out).unwrap();
        std::fs::create_dir(&out).unwrap();
        remove_release(&out).unwrap();
        std::fs::write(out.join("letters"), "dear").unwrap();
        let refused = remove_release(&out).unwrap_err().to_string();
        assert!(refused.contains("other files than a release") && out.join("letters").exists(), "{refused}");
        std::fs::write(out.join(sums::FILE), "").unwrap();
        remove_release(&out).unwrap();
        assert!(!out.exists());
    }
}
