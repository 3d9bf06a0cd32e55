//! Runs a check with the stack of a worker thread of tokio.

/// The stack of a worker thread, in bytes. Source: tokio, `Builder::thread_stack_size`.
const STACK_BYTES: usize = 2 << 20;

/// Runs a check in a thread. A parser that nests too deeply ends the process.
///
/// # Panics
/// If the check panics.
pub fn run(check: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, check);
        let thread = thread.unwrap_or_else(|error| panic!("a thread starts: {error}"));
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}
