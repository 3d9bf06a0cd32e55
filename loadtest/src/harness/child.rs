//! Processes of this command that are told what to do on standard input and
//! answer on standard output.

use std::process::Stdio;

use anyhow::Context;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running process; it ends when this is dropped.
pub struct Process {
    /// The process.
    pub child: Child,
    /// Its standard input.
    pub input: ChildStdin,
    /// What it says.
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a subcommand of this command.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(subcommand: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(subcommand)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("loadtest {subcommand} cannot be started"))?;
        let input = child.stdin.take().context("a process has no standard input")?;
        let output = child.stdout.take().context("a process has no standard output")?;
        Ok(Self { child, input, lines: BufReader::new(output).lines() })
    }

    /// Tells it something. Secrets go this way, where nobody else can read them.
    ///
    /// # Errors
    /// When it no longer listens.
    pub async fn tell(&mut self, what: &impl Serialize) -> anyhow::Result<()> {
        let line = format!("{}\n", serde_json::to_string(what)?);
        self.input.write_all(line.as_bytes()).await.context("a process no longer listens")
    }
}
