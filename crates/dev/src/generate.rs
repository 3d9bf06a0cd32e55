//! The command `generate`: writes the generated files, or checks them.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::files::files;
use crate::repository::{File, repository};

/// The programs of the stack that print a generated file, with that file: the settings of functions as interfaces, and
/// the definitions of the constructs which `meter status` and the local stack show.
const DEFINITIONS: [(&str, &str); 3] = [
    ("test/free-settings-file.ts", "stack/lib/generated/free-settings.ts"),
    ("test/dashboard-file.ts", "crates/deployment/src/dashboard.json"),
    ("test/alarms-file.ts", "crates/deployment/src/alarms.json"),
];
/// The programs of the stack that write files themselves: the tables of the documents that are generated from the
/// constructs, the files of npm packages that the web pages have, and the script of the usage page.
const WRITERS: [&str; 3] = ["test/doc-tables.ts", "test/vendored-files.ts", "test/page-bundle.ts"];

/// Writes all generated files.
pub fn write() -> anyhow::Result<()> {
    for File { path, content } in files() {
        let target = repository().join(path);
        std::fs::write(&target, content).with_context(|| format!("{path} cannot be written"))?;
    }
    for (program, path) in DEFINITIONS {
        let target = repository().join(path);
        std::fs::write(&target, output_of(program)?).with_context(|| format!("{path} cannot be written"))?;
    }
    for program in WRITERS {
        output_of(program)?;
    }
    Ok(())
}

/// Runs a program of the stack and returns its standard output.
fn output_of(program: &str) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new("npx");
    command.args(["tsx", program]).current_dir(repository().join("stack")).stderr(Stdio::inherit());
    let output = command.output().context("npx cannot be started; install Node.js with npm")?;
    ensure!(
        output.status.success(),
        "stack/{program} failed; scripts/install-stack-tools.sh installs the packages that it needs"
    );
    Ok(output.stdout)
}

/// Fails if a file differs from the code. The tests of the stack check the files
/// that the stack writes.
pub fn check() -> anyhow::Result<()> {
    let stale: Vec<&str> = files().into_iter().filter(is_stale).map(|file| file.path).collect();
    ensure!(
        stale.is_empty(),
        "these files differ from the code: {}; run: cargo run -p dev -- generate",
        stale.join(", ")
    );
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
