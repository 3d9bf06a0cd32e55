//! A full disk, as the local stack sees it.
//!
//! A limit on the size of files (`RLIMIT_FSIZE`) of zero makes every write to a file fail, as on a
//! disk without room. The error is `EFBIG` instead of `ENOSPC`. It differs from a full disk in that
//! also the present content of a file cannot be overwritten.

use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::time::Instant;

use super::Ended;
use crate::harness::client::Caller;
use crate::harness::system_under_test::LocalAccess;
use crate::profile::Protocol;

/// Interval between the calls that look for the effect.
const CALL_INTERVAL: Duration = Duration::from_millis(200);
/// Status of the gateway for a call that it cannot log.
const CANNOT_LOG: u16 = 500;

/// Limits the files of the stack until `ends`. The effects are calls that the gateway could not log.
pub(super) async fn inject(local: &LocalAccess, gateway: &str, ends: Instant) -> anyhow::Result<Ended> {
    local.own_stack("a full disk")?;
    let process = Pid::from_raw(i32::try_from(local.control.processes().await?.stack)?);
    let process = process.context("the stack has no process id")?;
    let caller = Caller::new(gateway, Protocol::Http1, 1)?;
    let limit = |bytes| prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum: None });
    let before = limit(Some(0))?;
    let refused = count_refused(&caller, ends).await;
    limit(before.current)?;
    Ok(Ended { at: Instant::now(), effects: refused })
}

/// Counts calls without a key, which the gateway refuses, that were not logged.
async fn count_refused(caller: &Caller, ends: Instant) -> u64 {
    let mut refused = 0;
    while Instant::now() < ends {
        let answer = tokio::time::timeout_at(ends, caller.call(200, "")).await;
        if let Ok(Ok(answer)) = answer {
            refused += u64::from(answer.status == CANNOT_LOG);
        }
        tokio::time::sleep(CALL_INTERVAL).await;
    }
    refused
}
