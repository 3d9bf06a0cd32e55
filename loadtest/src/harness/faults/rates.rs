//! Faults that are rates of the local stack's fault injection.

use local_stack::faults::{FaultRates, InjectedFault};
use tokio::time::Instant;

use super::Ended;
use crate::fault::{FaultKind, FaultyService};
use crate::harness::local::Control;

/// Sets the rates of a fault until `ends`, and counts what the stack injected.
pub(super) async fn inject(control: &Control, kind: FaultKind, ends: Instant) -> anyhow::Result<Ended> {
    let injected = async || match effect(kind) {
        Some(effect) => Ok(control.injected_faults().await?.get(&effect).copied().unwrap_or(0)),
        None => Ok::<_, anyhow::Error>(0),
    };
    let before = injected().await?;
    let mut rates = control.faults().await?;
    set(&mut rates, kind, true);
    control.set_faults(rates).await?;
    tokio::time::sleep_until(ends).await;
    let mut rates = control.faults().await?;
    set(&mut rates, kind, false);
    control.set_faults(rates).await?;
    let at = Instant::now();
    Ok(Ended { at, effects: injected().await? - before })
}

/// Returns the kind by which the stack counts the effects of a fault.
fn effect(kind: FaultKind) -> Option<InjectedFault> {
    Some(match kind {
        FaultKind::Throttle { .. } => InjectedFault::ThrottledWrite,
        FaultKind::Slow { .. } => InjectedFault::DelayedTableRequest,
        FaultKind::Outage { service: FaultyService::Dynamodb } => InjectedFault::LostTableRequest,
        FaultKind::Outage { service: FaultyService::Kinesis } => InjectedFault::FailedStreamRequest,
        FaultKind::Duplicate { .. } => InjectedFault::DuplicateBatch,
        FaultKind::Regroup { .. } => InjectedFault::RegroupedBatch,
        FaultKind::Late { .. } => InjectedFault::LateRecord,
        FaultKind::Delay { .. } => InjectedFault::DelayedDelivery,
        FaultKind::Queues { .. } => InjectedFault::UnreliableQueue,
        FaultKind::Kill { .. }
        | FaultKind::Stop { .. }
        | FaultKind::Clock { .. }
        | FaultKind::Crash
        | FaultKind::Disk
        | FaultKind::Reshard { .. }
        | FaultKind::Expire => return None,
    })
}

/// Sets the rates to those of a fault, or back to zero.
fn set(rates: &mut FaultRates, kind: FaultKind, is_active: bool) {
    let share = |share: f64| if is_active { share } else { 0.0 };
    match kind {
        FaultKind::Throttle { share: throttled } => rates.throttled_write = share(throttled),
        FaultKind::Slow { delay_ms } => rates.table_delay_ms = if is_active { delay_ms } else { 0 },
        FaultKind::Outage { service: FaultyService::Dynamodb } => rates.lost_table_request = share(1.0),
        FaultKind::Outage { service: FaultyService::Kinesis } => rates.failed_stream_request = share(1.0),
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
        FaultKind::Kill { .. }
        | FaultKind::Stop { .. }
        | FaultKind::Clock { .. }
        | FaultKind::Crash
        | FaultKind::Disk
        | FaultKind::Reshard { .. }
        | FaultKind::Expire => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_rate_is_counted_and_undone() {
        let kinds = [
            FaultKind::Throttle { share: 0.5 },
            FaultKind::Slow { delay_ms: 5 },
            FaultKind::Outage { service: FaultyService::Dynamodb },
            FaultKind::Outage { service: FaultyService::Kinesis },
            FaultKind::Duplicate { share: 0.5 },
            FaultKind::Regroup { share: 0.5 },
            FaultKind::Late { share: 0.5, delay_ms: 0 },
            FaultKind::Queues { share: 0.5 },
            FaultKind::Delay { delay_ms: 5 },
        ];
        for kind in kinds {
            let mut rates = FaultRates::default();
            set(&mut rates, kind, true);
            assert!(effect(kind).is_some() && rates != FaultRates::default(), "{kind:?}");
            set(&mut rates, kind, false);
            assert_eq!(rates, FaultRates::default(), "{kind:?}");
        }
    }
}
