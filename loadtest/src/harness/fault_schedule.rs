//! Injection of scheduled faults, and the recovery of freshness after each.

use std::time::Duration;

use anyhow::Context;
use aws_sdk_kinesis::types::ScalingType;
use deployment::functions::CONSUMER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::harness::local::Control;
use crate::harness::probe::ProbeSample;
use crate::harness::system_under_test::SystemUnderTest;
use crate::profile::{FaultKind, ScheduledFault};

/// A call is delayed if its freshness is above this multiple of the 99th percentile before the
/// first fault.
const DELAYED_FACTOR: f64 = 2.0;

/// The effect of a fault on freshness.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    pub fault: ScheduledFault,
    /// Maximum freshness from the start of the fault to the next fault, in seconds.
    pub max_freshness_s: f64,
    /// Time from the end of the fault until the last delayed call was counted, in seconds.
    pub recovered_after_s: f64,
}

/// Injects the faults at their times.
///
/// # Errors
/// Returns an error if a fault cannot be injected.
pub async fn run(system: &SystemUnderTest, faults: &[ScheduledFault], start: Instant) -> anyhow::Result<()> {
    let all = faults.iter().map(|fault| run_one(system, *fault, start));
    futures_util::future::try_join_all(all).await.map(drop)
}

async fn run_one(system: &SystemUnderTest, fault: ScheduledFault, start: Instant) -> anyhow::Result<()> {
    let begins = start + Duration::from_secs_f64(fault.at_s);
    let ends = begins + Duration::from_secs_f64(fault.for_s);
    tokio::time::sleep_until(begins).await;
    if let FaultKind::Reshard { shards } = fault.kind {
        let request = system.kinesis.update_shard_count().stream_name(&system.meter.names.stream);
        let request = request.target_shard_count(shards).scaling_type(ScalingType::UniformScaling);
        return request.send().await.map(drop).context("cannot reshard the stream");
    }
    let control = system.control().context("on AWS, the only possible fault is `reshard`")?;
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
    set_rates(control, fault.kind, true).await?;
    tokio::time::sleep_until(ends).await;
    set_rates(control, fault.kind, false).await
}

/// Sets the fault rates of the local stack to those of the fault, or back to zero.
async fn set_rates(control: &Control, kind: FaultKind, is_active: bool) -> anyhow::Result<()> {
    let mut rates = control.faults().await?;
    let share = |share: f64| if is_active { share } else { 0.0 };
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
        FaultKind::Delay { delay_ms } => rates.delivery_delay_ms = if is_active { delay_ms } else { 0 },
        FaultKind::Kill { .. } | FaultKind::Reshard { .. } | FaultKind::Expire => {}
    }
    control.set_faults(rates).await
}

/// Computes the effect of each fault from the freshness of the probes over time.
pub fn recoveries(faults: &[ScheduledFault], samples: &[ProbeSample]) -> Vec<Recovery> {
    let mut faults = faults.to_vec();
    faults.sort_by(|left, right| left.at_s.total_cmp(&right.at_s));
    let first_at_s = faults.first().map_or(0.0, |fault| fault.at_s);
    let mut before: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.due_s + freshness_s(sample) < first_at_s)
        .map(freshness_s)
        .collect();
    before.sort_by(f64::total_cmp);
    let normal_s = before.get(before.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0);
    let mut recoveries = Vec::new();
    for (place, fault) in faults.iter().enumerate() {
        // A call that is not yet counted when a fault starts was sent a little before it.
        let from_s = fault.at_s - normal_s;
        let to_s = faults.get(place + 1).map_or(f64::INFINITY, |next| next.at_s - normal_s);
        let affected = samples.iter().filter(|sample| (from_s..to_s).contains(&sample.due_s));
        let (mut max_freshness_s, mut last_counted_s) = (0.0_f64, fault.at_s + fault.for_s);
        for sample in affected {
            let freshness_s = freshness_s(sample);
            max_freshness_s = max_freshness_s.max(freshness_s);
            if freshness_s > normal_s * DELAYED_FACTOR {
                last_counted_s = last_counted_s.max(sample.due_s + freshness_s);
            }
        }
        let recovered_after_s = last_counted_s - fault.at_s - fault.for_s;
        recoveries.push(Recovery { fault: *fault, max_freshness_s, recovered_after_s });
    }
    recoveries
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit")]
fn freshness_s(sample: &ProbeSample) -> f64 {
    sample.freshness_us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_lasts_until_the_last_delayed_call_is_counted() {
        let sample = |due_s: f64, freshness_us| ProbeSample {
            due_s,
            answered_ms: 0,
            shown_ms: None,
            freshness_us,
            record: None,
        };
        // Freshness is one second, except for the calls from 20 to 25 s, which are counted at 27 s.
        let samples: Vec<ProbeSample> = (0_u32..40)
            .map(|second| {
                let late = (20..25).contains(&second);
                sample(f64::from(second), if late { (27 - u64::from(second)) * 1_000_000 } else { 1_000_000 })
            })
            .collect();
        let kind = FaultKind::Throttle { share: 1.0 };
        let found = recoveries(&[ScheduledFault { at_s: 20.0, for_s: 5.0, kind }], &samples);
        assert!(
            (found[0].max_freshness_s - 7.0).abs() < 1e-9 && (found[0].recovered_after_s - 2.0).abs() < 1e-9,
            "{found:?}"
        );
        // A fault without an effect has no recovery time.
        let found = recoveries(&[ScheduledFault { at_s: 30.0, for_s: 5.0, kind }], &samples[..20]);
        assert!(found[0].recovered_after_s.abs() < 1e-9, "{found:?}");
    }
}
