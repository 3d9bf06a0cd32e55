//! Child processes of this command. The parent sends JSON lines on standard
//! input, and the child sends lines on standard output.

use std::process::Stdio;

use anyhow::Context;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running child process. It is killed when this is dropped.
pub struct Process {
    pub child: Child,
    pub input: ChildStdin,
    /// Lines of its standard output.
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a subcommand of this command.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub fn start(subcommand: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(subcommand)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C reaches only the process group of this command, which ends its children itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `loadtest {subcommand}`"))?;
        let input = child.stdin.take().context("a child process has no standard input")?;
        let output = child.stdout.take().context("a child process has no standard output")?;
        Ok(Self { child, input, lines: BufReader::new(output).lines() })
    }

    /// Sends a message as one line of JSON. Secrets are sent this way, because other users of the
    /// machine can read the arguments and the environment of a process, but not its standard input.
    ///
    /// # Errors
    /// Returns an error if the process has closed its standard input.
    pub async fn send(&mut self, message: &impl Serialize) -> anyhow::Result<()> {
        let line = format!("{}\n", serde_json::to_string(message)?);
        self.input.write_all(line.as_bytes()).await.context("a child process has closed its standard input")
    }
}
