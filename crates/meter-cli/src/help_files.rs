//! `meter completions` and `meter man`: files with which a shell completes words, and manual pages.

use std::path::PathBuf;

use anyhow::Context;
use clap_complete::Shell;

use crate::closed_output::stdout;

/// Arguments of `meter completions`.
#[derive(clap::Args)]
pub struct CompletionArguments {
    /// Shell that completes the words
    shell: Shell,
}

/// Arguments of `meter man`.
#[derive(clap::Args)]
pub struct ManualArguments {
    /// Folder of the pages, which exists, such as ~/.local/share/man/man1
    folder: PathBuf,
}

/// Prints the completions of a command for a shell.
pub fn print_completions(mut command: clap::Command, arguments: &CompletionArguments) {
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut stdout());
}

/// Writes the manual pages of a command and of its subcommands.
pub fn write_manual(command: clap::Command, arguments: &ManualArguments) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("the pages cannot be written to {}", folder.display()))
}
