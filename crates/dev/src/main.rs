//! Tools for the development of this repository: `cargo run -p dev -- --help`.

mod environment;
mod files;
mod generate;
mod limits;
mod release;
mod repository;
#[cfg(test)]
mod tidy;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "dev",
    about = "Tools for the development of this repository",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the generated files
    Generate {
        /// Write nothing; fail if a file differs from the code
        #[arg(long)]
        check: bool,
    },
    /// Build the files of a release: functions, templates, constructs, commands, licences and checksums
    Release(release::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Generate { check: false } => generate::write(),
        Command::Generate { check: true } => generate::check(),
        Command::Release(arguments) => release::run(arguments),
    }
}
