//! Processes of a function that are killed or stopped.

use std::time::Duration;

use tokio::time::Instant;

use super::Ended;
use crate::fault::FaultyFunction;
use crate::harness::local::Control;

/// Kills a random process of a function during an invocation, at most `per_s` times a second.
pub(super) async fn kill(
    control: &Control,
    function: FaultyFunction,
    per_s: f64,
    ends: Instant,
) -> anyhow::Result<Ended> {
    let interval = Duration::from_secs_f64(1.0 / per_s);
    let mut effects = 0;
    while Instant::now() < ends {
        let next = (Instant::now() + interval).min(ends);
        let within = next.saturating_duration_since(Instant::now());
        effects += u64::from(control.kill(function.service(), within).await?);
        tokio::time::sleep_until(next).await;
    }
    Ok(Ended { at: Instant::now(), effects })
}

/// Stops all present processes of a function until `ends`.
pub(super) async fn stop(
    control: &Control,
    function: FaultyFunction,
    ends: Instant,
) -> anyhow::Result<Ended> {
    let effects = control.hold(function.service()).await?;
    tokio::time::sleep_until(ends).await;
    control.release(function.service()).await?;
    Ok(Ended { at: Instant::now(), effects })
}
