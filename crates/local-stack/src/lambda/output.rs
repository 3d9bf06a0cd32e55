//! Output of a function: each line that its process writes to stdout or stderr goes to the
//! metrics or to the log.

use std::fs::File;
use std::io::{ErrorKind, Read, Result};
use std::sync::{Arc, Mutex};

use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::cloudwatch::metrics::MetricSink;
use crate::sync::locked;

/// Number of bytes that are read at once: the capacity of a pipe on Linux.
const READ_BYTES: usize = 64 * 1024;

/// The pipes to which a function's process writes.
pub struct FunctionOutput(Vec<Arc<Pipe>>);

impl FunctionOutput {
    /// Takes the pipes of a process, and forwards its lines until the process closes them.
    ///
    /// # Errors
    /// Returns an error if a pipe cannot be read without blocking.
    pub fn forward(child: &mut Child, function: &str, metrics: &Arc<MetricSink>) -> Result<Self> {
        let stdout = child.stdout.take().map(ChildStdout::into_owned_fd);
        let stderr = child.stderr.take().map(ChildStderr::into_owned_fd);
        let mut pipes = Vec::new();
        for pipe in stdout.into_iter().chain(stderr) {
            let pipe = pipe?;
            let source = File::from(pipe.try_clone()?);
            // Makes the pipe non-blocking for both.
            let receiver = Receiver::from_owned_fd(pipe)?;
            let (function, metrics) = (function.to_owned(), metrics.clone());
            let pipe = Arc::new(Pipe { function, metrics, source, reading: Mutex::default() });
            tokio::spawn(forward_until_closed(pipe.clone(), receiver));
            pipes.push(pipe);
        }
        Ok(Self(pipes))
    }

    /// Forwards all lines that the process has written before this call.
    pub fn forward_written(&self) {
        for pipe in &self.0 {
            // Tokio would not see at once that a pipe has data, so this reads without Tokio. An
            // error means that the pipe is empty, or is seen by the task of the pipe as well.
            let _ = pipe.forward_available(|buffer| (&pipe.source).read(buffer));
        }
    }
}

/// One pipe of a process.
struct Pipe {
    function: String,
    metrics: Arc<MetricSink>,
    source: File,
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    /// The bytes of one read. Every invocation reads, so the buffer is kept.
    buffer: Vec<u8>,
    incomplete_line: Vec<u8>,
}

impl Pipe {
    /// Forwards the lines that can be read without blocking. Returns the error
    /// `WouldBlock` if the pipe is empty, and `Ok` if it is closed.
    fn forward_available(&self, read: impl Fn(&mut [u8]) -> Result<usize>) -> Result<()> {
        let Reading { buffer, incomplete_line } = &mut *locked(&self.reading);
        buffer.resize(READ_BYTES, 0);
        loop {
            match read(buffer) {
                Ok(0) => {
                    self.forward_line(incomplete_line);
                    incomplete_line.clear();
                    return Ok(());
                }
                Ok(length) => self.forward_bytes(incomplete_line, &buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn forward_bytes(&self, line: &mut Vec<u8>, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.last() == Some(&b'\n') {
                self.forward_line(&line[..line.len() - 1]);
                line.clear();
            }
        }
    }

    fn forward_line(&self, line: &[u8]) {
        if !line.is_empty() {
            self.metrics.line(&self.function, &String::from_utf8_lossy(line));
        }
    }
}

async fn forward_until_closed(pipe: Arc<Pipe>, receiver: Receiver) {
    while receiver.readable().await.is_ok() {
        match pipe.forward_available(|buffer| receiver.try_read(buffer)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(()) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    fn start(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().unwrap()
    }

    #[tokio::test]
    async fn lines_that_were_written_before_are_forwarded_before_the_call_returns() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(MetricSink::open(folder.path()).unwrap());
        let marker = folder.path().join("written");
        let script = format!(
            "printf 'one\\n\\377two\\nthr' >&2; echo out; : > '{}'; read -r _; printf 'ee' >&2",
            marker.display()
        );
        let mut child = start(&script);
        let output = FunctionOutput::forward(&mut child, "f", &metrics).unwrap();
        while !marker.exists() {
            // The runtime's only thread does not run the tasks of the pipes meanwhile.
            std::thread::yield_now();
        }
        output.forward_written();
        let log = || std::fs::read_to_string(folder.path().join("functions.log")).unwrap();
        assert_eq!(log(), "f: out\nf: one\nf: \u{fffd}two\n", "the incomplete line waits for its end");
        drop(child.stdin.take());
        child.wait().await.unwrap();
        output.forward_written();
        assert_eq!(log(), "f: out\nf: one\nf: \u{fffd}two\nf: three\n");
    }
}
