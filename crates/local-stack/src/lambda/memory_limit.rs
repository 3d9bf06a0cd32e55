//! Memory limit of a function's process.

use rustix::process::Pid;

/// Limits the data memory of a process to `memory_mib`. An allocation beyond it fails, which ends a
/// Rust program, as running out of memory does on Lambda.
///
/// The limit is `RLIMIT_DATA`: private writable memory (heap, anonymous mappings). `RLIMIT_AS`
/// would also count memory that Lambda does not, such as the address space that the allocator
/// reserves for each thread (64 MiB with glibc) and the mapped text of a debug build. Pages of the
/// binary and of shared libraries are not counted, so this limit is a few MiB more generous than
/// Lambda's.
///
/// # Errors
/// Returns an error if the system refuses the limit.
#[cfg(target_os = "linux")]
pub fn limit_memory(process: Pid, memory_mib: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, prlimit};
    let bytes = Some(memory_mib << 20);
    Ok(prlimit(Some(process), Resource::Data, Rlimit { current: bytes, maximum: bytes }).map(drop)?)
}

/// Does nothing: only Linux can limit the memory of another process.
///
/// # Errors
/// Never returns an error.
#[cfg(not(target_os = "linux"))]
pub fn limit_memory(_process: Pid, _memory_mib: u64) -> std::io::Result<()> {
    Ok(())
}
