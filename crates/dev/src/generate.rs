//! `dev generate`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::files::{File, files};

/// The tables of documents and the dashboard come from the constructs.
const WRITTEN_BY_THE_STACK: [&str; 2] = ["test/dashboard-file.ts", "test/doc-tables.ts"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes all generated files.
pub fn write() -> anyhow::Result<()> {
    for File { path, content } in files() {
        let target = repository().join(path);
        std::fs::write(&target, content).with_context(|| format!("{path} cannot be written"))?;
    }
    let stack = repository().join("stack");
    for program in WRITTEN_BY_THE_STACK {
        let status = Command::new("npx").args(["tsx", program]).current_dir(&stack).status();
        let status = status.context("npx cannot be started; install Node.js with npm")?;
        ensure!(
            status.success(),
            "stack/{program} failed; scripts/install-stack-tools.sh installs what it needs"
        );
    }
    Ok(())
}

/// Fails where a file is not what the code says. The tests of the stack check
/// the files that the stack writes.
pub fn check() -> anyhow::Result<()> {
    let stale: Vec<&str> = files().into_iter().filter(is_stale).map(|file| file.path).collect();
    ensure!(stale.is_empty(), "{} differ from the code; run: cargo run -p dev -- generate", stale.join(", "));
    Ok(())
}

fn is_stale(file: &File) -> bool {
    std::fs::read_to_string(repository().join(file.path)).ok().as_deref() != Some(&file.content)
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_files_are_what_the_code_says() {
        super::check().unwrap();
    }
}
