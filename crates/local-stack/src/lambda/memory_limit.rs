//! The memory of a function, as a limit of its process.

use rustix::process::Pid;

/// Lets a process have `memory_mib` of data at most; an allocation beyond it
/// fails, which ends a Rust program as the end of its memory does on Lambda.
///
/// The limit is `RLIMIT_DATA`: private memory that can be written (heap,
/// anonymous mappings). `RLIMIT_AS` would count what no Lambda function pays
/// for, such as the address space that the allocator reserves for each thread
/// (64 MiB with glibc) and the mapped text of a debug build. Pages of the
/// binary and of shared libraries are not counted, so the limit is some MiB
/// more generous than Lambda's.
///
/// # Errors
/// When the system refuses the limit.
#[cfg(target_os = "linux")]
pub fn limit_memory(process: Pid, memory_mib: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, prlimit};
    let bytes = Some(memory_mib << 20);
    Ok(prlimit(Some(process), Resource::Data, Rlimit { current: bytes, maximum: bytes }).map(drop)?)
}

/// Only Linux limits the memory of another process; elsewhere functions have
/// as much as they ask for.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn limit_memory(_process: Pid, _memory_mib: u64) -> std::io::Result<()> {
    Ok(())
}
