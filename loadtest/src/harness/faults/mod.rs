//! Injection of scheduled faults, with one module for each kind that needs more than a rate of the
//! local stack.

mod clock;
mod crash;
mod disk;
mod processes;
mod rates;
mod recovery;

use std::time::Duration;

use anyhow::Context;
use aws_sdk_kinesis::types::ScalingType;
use tokio::time::Instant;

use crate::fault::{FaultKind, ScheduledFault};
use crate::harness::interruption::Interruption;
use crate::harness::system_under_test::{LocalAccess, SystemUnderTest};

pub use recovery::{Recovery, recoveries};

/// Time within which a stream has its new number of shards. Kinesis takes minutes for many shards.
const RESHARD_LIMIT: Duration = Duration::from_mins(15);
/// Interval between two looks at the number of shards.
const RESHARD_POLL: Duration = Duration::from_secs(1);

/// A fault as it was injected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Injection {
    pub fault: ScheduledFault,
    /// Start, in seconds from the start of the run.
    pub began_s: f64,
    /// End, in seconds from the start of the run.
    pub ended_s: f64,
    /// Number of observed effects, such as killed processes or refused requests. A fault without
    /// an effect was not injected.
    pub effects: u64,
}

/// The end of a fault.
struct Ended {
    at: Instant,
    effects: u64,
}

/// Injects the faults at their times, and passes a line about the start and the end of each to
/// `print`. After an interruption, no further fault begins.
///
/// # Errors
/// Returns an error if a fault cannot be injected.
pub async fn run(
    system: &SystemUnderTest,
    faults: &[ScheduledFault],
    start: Instant,
    interruption: &Interruption,
    print: impl Fn(&str),
) -> anyhow::Result<Vec<Injection>> {
    let all = faults.iter().map(|fault| run_one(system, *fault, start, interruption.clone(), &print));
    Ok(futures_util::future::try_join_all(all).await?.into_iter().flatten().collect())
}

async fn run_one(
    system: &SystemUnderTest,
    fault: ScheduledFault,
    start: Instant,
    mut interruption: Interruption,
    print: &impl Fn(&str),
) -> anyhow::Result<Option<Injection>> {
    let begins = start + Duration::from_secs_f64(fault.at_s);
    tokio::select! {
        () = tokio::time::sleep_until(begins) => {}
        () = interruption.wait() => return Ok(None),
    }
    if let Some(local) = &system.local {
        local.until_restarted().await;
    }
    let began_s = start.elapsed().as_secs_f64();
    print(&format!("{began_s:.1} s: {:?} for {} s", fault.kind, fault.for_s));
    let ends = begins.max(Instant::now()) + Duration::from_secs_f64(fault.for_s);
    let ended = inject(system, fault.kind, ends).await;
    let Ended { at, effects } = ended.with_context(|| format!("cannot inject {:?}", fault.kind))?;
    let ended_s = (at - start).as_secs_f64();
    print(&format!("{ended_s:.1} s: end of {:?}, {effects} effects", fault.kind));
    Ok(Some(Injection { fault, began_s, ended_s, effects }))
}

/// Injects a fault until `ends`.
async fn inject(system: &SystemUnderTest, kind: FaultKind, ends: Instant) -> anyhow::Result<Ended> {
    if let FaultKind::Reshard { shards } = kind {
        return reshard(system, shards).await;
    }
    let local = system.local.as_ref().context("on AWS, the only possible fault is `reshard`")?;
    match kind {
        FaultKind::Kill { function, per_s } => processes::kill(&local.control, function, per_s, ends).await,
        FaultKind::Stop { function } => processes::stop(&local.control, function, ends).await,
        FaultKind::Clock { function, jump_s } => clock::inject(local, function, jump_s, ends).await,
        FaultKind::Crash => crash::inject(local, ends).await,
        FaultKind::Disk => disk::inject(local, &system.gateway, ends).await,
        FaultKind::Expire => expire(local).await,
        _ => rates::inject(&local.control, kind, ends).await,
    }
}

/// Changes the number of open shards, and waits until the stream has them.
async fn reshard(system: &SystemUnderTest, shards: u32) -> anyhow::Result<Ended> {
    let before = system.open_shards().await?;
    let request = system.kinesis.update_shard_count().stream_name(&system.meter.names.stream);
    let count = i32::try_from(shards).context("the number of shards is too large")?;
    request.target_shard_count(count).scaling_type(ScalingType::UniformScaling).send().await?;
    let has_shards = async {
        // A read may fail because of another fault.
        while !matches!(system.open_shards_of_active_stream().await, Ok(Some(open)) if open == shards) {
            tokio::time::sleep(RESHARD_POLL).await;
        }
    };
    tokio::time::timeout(RESHARD_LIMIT, has_shards)
        .await
        .with_context(|| format!("the stream does not have {shards} shards after {RESHARD_LIMIT:?}"))?;
    Ok(Ended { at: Instant::now(), effects: shards.abs_diff(before).into() })
}

async fn expire(local: &LocalAccess) -> anyhow::Result<Ended> {
    local.control.expire().await?;
    // The sweep is the effect: in a new stack, nothing expires during a run.
    Ok(Ended { at: Instant::now(), effects: 1 })
}
