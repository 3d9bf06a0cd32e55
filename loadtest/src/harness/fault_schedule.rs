//! Faults at their times, and how long it takes to recover from them.

use std::time::Duration;

use anyhow::Context;
use aws_sdk_kinesis::types::ScalingType;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::harness::local::Control;
use crate::harness::probe::Sample;
use crate::harness::target::Target;
use crate::profile::{FaultKind, ScheduledFault};

/// The function whose processes are killed.
const CONSUMER: &str = "usage-consumer";
/// Freshness is as before while it is below this many times its 99th percentile from before.
const AS_BEFORE: f64 = 2.0;

/// What a fault did to freshness.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recovery {
    /// The fault.
    pub fault: ScheduledFault,
    /// The longest freshness of a call from its begin on, in seconds.
    pub worst_s: f64,
    /// How long after its end the last call that it had delayed was counted, in seconds.
    pub recovered_after_s: f64,
}

/// Lets faults happen when they are due.
///
/// # Errors
/// When the system cannot be disturbed.
pub async fn run(target: &Target, faults: &[ScheduledFault], start: Instant) -> anyhow::Result<()> {
    let all = faults.iter().map(|fault| run_one(target, *fault, start));
    futures_util::future::try_join_all(all).await.map(drop)
}

async fn run_one(target: &Target, fault: ScheduledFault, start: Instant) -> anyhow::Result<()> {
    let begins = start + Duration::from_secs_f64(fault.at_s);
    let ends = begins + Duration::from_secs_f64(fault.for_s);
    tokio::time::sleep_until(begins).await;
    if let FaultKind::Reshard { shards } = fault.kind {
        let request =
            target.kinesis.update_shard_count().stream_name(&target.names.stream).target_shard_count(shards);
        let request = request.scaling_type(ScalingType::UniformScaling);
        return request.send().await.map(drop).context("the stream cannot be resharded");
    }
    let control =
        target.control().context("only a local stack can be disturbed by anything but resharding")?;
    if let FaultKind::Kill { per_s } = fault.kind {
        let interval = Duration::from_secs_f64(1.0 / per_s);
        while Instant::now() < ends {
            control.kill(CONSUMER).await?;
            tokio::time::sleep(interval).await;
        }
        return Ok(());
    }
    if fault.kind == FaultKind::Expire {
        return control.expire().await;
    }
    change(control, fault.kind, true).await?;
    tokio::time::sleep_until(ends).await;
    change(control, fault.kind, false).await
}

async fn change(control: &Control, kind: FaultKind, begins: bool) -> anyhow::Result<()> {
    let mut rates = control.faults().await?;
    let share = |share: f64| if begins { share } else { 0.0 };
    match kind {
        FaultKind::Throttle { share: throttled } => rates.throttled_write = share(throttled),
        FaultKind::Duplicate { share: duplicated } => rates.duplicate_batch = share(duplicated),
        FaultKind::Regroup { share: regrouped } => rates.regrouped_batch = share(regrouped),
        FaultKind::Late { share: late, delay_ms } => {
            rates.late_batch = share(late);
            rates.late_batch_delay_ms = delay_ms;
        }
        FaultKind::Queues { share: unreliable } => {
            rates.shuffled_queue = share(unreliable);
            rates.missed_message = share(unreliable);
            rates.repeated_message = share(unreliable);
        }
        FaultKind::Delay { delay_ms } => rates.delivery_delay_ms = if begins { delay_ms } else { 0 },
        FaultKind::Kill { .. } | FaultKind::Reshard { .. } | FaultKind::Expire => {}
    }
    control.set_faults(rates).await
}

/// Works out what each fault did, from the freshness of calls over time.
pub fn recoveries(faults: &[ScheduledFault], samples: &[Sample]) -> Vec<Recovery> {
    let mut faults = faults.to_vec();
    faults.sort_by(|left, right| left.at_s.total_cmp(&right.at_s));
    let first_at_s = faults.first().map_or(0.0, |fault| fault.at_s);
    let mut before: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.due_s + freshness_s(sample) < first_at_s)
        .map(freshness_s)
        .collect();
    before.sort_by(f64::total_cmp);
    let usual_s = before.get(before.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0);
    let mut recoveries = Vec::new();
    for (place, fault) in faults.iter().enumerate() {
        // A call that waits when a fault begins may have been sent a little before.
        let from_s = fault.at_s - usual_s;
        let to_s = faults.get(place + 1).map_or(f64::INFINITY, |next| next.at_s - usual_s);
        let touched = samples.iter().filter(|sample| (from_s..to_s).contains(&sample.due_s));
        let (mut worst_s, mut last_counted_s) = (0.0_f64, fault.at_s + fault.for_s);
        for sample in touched {
            let freshness_s = freshness_s(sample);
            worst_s = worst_s.max(freshness_s);
            if freshness_s > usual_s * AS_BEFORE {
                last_counted_s = last_counted_s.max(sample.due_s + freshness_s);
            }
        }
        let recovered_after_s = last_counted_s - fault.at_s - fault.for_s;
        recoveries.push(Recovery { fault: *fault, worst_s, recovered_after_s });
    }
    recoveries
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit")]
fn freshness_s(sample: &Sample) -> f64 {
    sample.freshness_us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_lasts_until_the_last_delayed_call_is_counted() {
        let sample = |due_s: f64, freshness_us| Sample {
            due_s,
            answered_ms: 0,
            shown_ms: None,
            freshness_us,
            record: None,
        };
        // One second as a rule; what is sent from 20 to 25 s is counted at 27 s.
        let samples: Vec<Sample> = (0_u32..40)
            .map(|second| {
                let late = (20..25).contains(&second);
                sample(f64::from(second), if late { (27 - u64::from(second)) * 1_000_000 } else { 1_000_000 })
            })
            .collect();
        let kind = FaultKind::Throttle { share: 1.0 };
        let found = recoveries(&[ScheduledFault { at_s: 20.0, for_s: 5.0, kind }], &samples);
        assert!(
            (found[0].worst_s - 7.0).abs() < 1e-9 && (found[0].recovered_after_s - 2.0).abs() < 1e-9,
            "{found:?}"
        );
        // Without harm there is nothing to recover from.
        let found = recoveries(&[ScheduledFault { at_s: 30.0, for_s: 5.0, kind }], &samples[..20]);
        assert!(found[0].recovered_after_s.abs() < 1e-9, "{found:?}");
    }
}
