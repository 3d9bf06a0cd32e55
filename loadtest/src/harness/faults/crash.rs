//! A crash of the whole local stack.

use tokio::time::Instant;

use super::Ended;
use crate::harness::system_under_test::LocalAccess;

/// Kills the process of the stack, and starts another on the same data and ports at `ends`. The
/// fault ends with the start of the new process, so that its time to start is a part of the
/// recovery.
pub(super) async fn inject(local: &LocalAccess, ends: Instant) -> anyhow::Result<Ended> {
    let mut stack = local.own_stack("a crash")?.lock().await;
    stack.kill().await?;
    tokio::time::sleep_until(ends).await;
    let at = Instant::now();
    stack.restart().await?;
    Ok(Ended { at, effects: 1 })
}
