//! The recovery from each fault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Injection;
use crate::fault::ScheduledFault;
use crate::harness::interval::Interval;
use crate::harness::probe::ProbeSample;

/// A call is delayed if its freshness is above this multiple of the 99th percentile before the
/// first fault.
const DELAYED_FACTOR: f64 = 2.0;

/// The effect of a fault on calls and on freshness.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    pub fault: ScheduledFault,
    /// Start of the fault, in seconds from the start of the run.
    pub began_s: f64,
    /// End of the fault, in seconds from the start of the run.
    pub ended_s: f64,
    /// Number of observed effects, such as killed processes or refused requests; 0 if the fault was
    /// not injected.
    pub effects: u64,
    /// Calls without the requested status, from the start of the fault to the next fault.
    pub failed_calls: u64,
    /// Time from the end of the fault until the last of these calls, in whole seconds.
    pub answered_after_s: f64,
    /// Maximum freshness from the start of the fault to the next fault, in seconds.
    pub max_freshness_s: f64,
    /// Time from the end of the fault until the last delayed call was counted, in seconds.
    pub recovered_after_s: f64,
}

/// Computes the effect of each fault from the calls and from the freshness of the probes over time.
pub fn recoveries(
    injections: &[Injection],
    samples: &[ProbeSample],
    intervals: &[Interval],
) -> Vec<Recovery> {
    let mut injections = injections.to_vec();
    injections.sort_by(|left, right| left.began_s.total_cmp(&right.began_s));
    let first_at_s = injections.first().map_or(0.0, |injection| injection.began_s);
    let normal_s = normal_freshness_s(samples, first_at_s);
    let of_each = injections.iter().enumerate().map(|(place, injection)| {
        let next_s = injections.get(place + 1).map_or(f64::INFINITY, |next| next.began_s);
        // A call that is not yet counted when a fault starts was sent a little before it.
        let (from_s, to_s) = (injection.began_s - normal_s, next_s - normal_s);
        let mut recovery = Recovery {
            fault: injection.fault,
            began_s: injection.began_s,
            ended_s: injection.ended_s,
            effects: injection.effects,
            failed_calls: 0,
            answered_after_s: 0.0,
            max_freshness_s: 0.0,
            recovered_after_s: 0.0,
        };
        for sample in samples.iter().filter(|sample| (from_s..to_s).contains(&sample.due_s)) {
            recovery.add_sample(sample, normal_s);
        }
        // The second in which the next fault begins is a part of that fault.
        let ends_within = |interval: &&Interval| {
            let end_s = interval.at_s + 1.0;
            injection.began_s < end_s && end_s <= next_s
        };
        intervals.iter().filter(ends_within).for_each(|interval| recovery.add_interval(interval));
        recovery
    });
    of_each.collect()
}

/// Returns the 99th percentile of the freshness before the first fault, in seconds.
fn normal_freshness_s(samples: &[ProbeSample], first_at_s: f64) -> f64 {
    let before = samples.iter().filter(|sample| sample.due_s + freshness_s(sample) < first_at_s);
    let mut before: Vec<f64> = before.map(freshness_s).collect();
    before.sort_by(f64::total_cmp);
    before.get(before.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0)
}

impl Recovery {
    fn add_sample(&mut self, sample: &ProbeSample, normal_s: f64) {
        let freshness_s = freshness_s(sample);
        self.max_freshness_s = self.max_freshness_s.max(freshness_s);
        if freshness_s > normal_s * DELAYED_FACTOR {
            self.recovered_after_s = self.recovered_after_s.max(sample.due_s + freshness_s - self.ended_s);
        }
    }

    fn add_interval(&mut self, interval: &Interval) {
        self.failed_calls += interval.failed;
        if interval.failed > 0 {
            self.answered_after_s = self.answered_after_s.max(interval.at_s + 1.0 - self.ended_s);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit")]
fn freshness_s(sample: &ProbeSample) -> f64 {
    sample.freshness_us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

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
        let injection = |at_s| Injection {
            fault: ScheduledFault { at_s, for_s: 5.0, kind },
            began_s: at_s,
            ended_s: at_s + 5.0,
            effects: 1,
        };
        let interval = |at_s, failed| Interval { at_s, failed, ..Interval::default() };
        let intervals = [interval(19.0, 7), interval(21.0, 3), interval(26.0, 2), interval(27.0, 0)];
        let found = recoveries(&[injection(20.0)], &samples, &intervals);
        assert_eq!((found[0].failed_calls, found[0].answered_after_s), (5, 2.0));
        assert!(
            (found[0].max_freshness_s - 7.0).abs() < 1e-9 && (found[0].recovered_after_s - 2.0).abs() < 1e-9,
            "{found:?}"
        );
        // Calls that fail in the second in which the next fault begins are its own.
        let found = recoveries(&[injection(20.0), injection(26.5)], &samples, &intervals);
        let failed: Vec<u64> = found.iter().map(|recovery| recovery.failed_calls).collect();
        assert_eq!(failed, [3, 2]);
        // A fault without an effect has no recovery time.
        let found = recoveries(&[injection(30.0)], &samples[..20], &[]);
        assert!(found[0].recovered_after_s.abs() < 1e-9, "{found:?}");
    }
}
