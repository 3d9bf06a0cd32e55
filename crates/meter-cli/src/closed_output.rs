//! Standard output whose reader has closed it, as `head` does. Nothing is wrong then: the command ends
//! quietly, with its temporary files removed.

use std::any::Any;
use std::io::{ErrorKind, Stdout, Write};

/// The payload of the panic that ends a command whose output is closed.
struct ClosedOutput;

/// Standard output. A write to it ends the command if the output is closed.
pub struct Output(Stdout);

/// Returns standard output.
pub fn stdout() -> Output {
    Output(std::io::stdout())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        end_if_closed(self.0.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        end_if_closed(self.0.flush())
    }
}

fn end_if_closed<T>(result: std::io::Result<T>) -> std::io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::panic::panic_any(ClosedOutput),
        other => other,
    }
}

/// Prints nothing about a panic because of a closed output.
pub fn silence() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_reason_of(panic.payload()) {
            report(panic);
        }
    }));
}

/// Returns `true` if a panic was caused by a closed output: by [`Output`], or by `println!` or
/// `eprintln!`, whose panics have a text only.
pub fn is_reason_of(payload: &(dyn Any + Send)) -> bool {
    let is_of_println =
        |text: &String| text.starts_with("failed printing to std") && text.contains(BROKEN_PIPE);
    payload.is::<ClosedOutput>() || payload.downcast_ref().is_some_and(is_of_println)
}

/// The words of the error, as the standard library prints them.
const BROKEN_PIPE: &str = "Broken pipe";
