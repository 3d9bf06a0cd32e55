//! Schedules of faults that are drawn from a seed.

use anyhow::ensure;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{FaultKind, ScheduledFault};

/// The faults of a run, whose order and times the seed of the profile decides.
///
/// The faults come in rounds. Each round has every fault once, in another order. One fault ends
/// before the next begins, so that the recovery from each is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chaos {
    /// Start of the first fault, in seconds from the start of the run. The freshness before is the
    /// normal one.
    pub first_at_s: f64,
    /// Minimum time between the end of a fault and the start of the next, in seconds.
    pub gap_s: f64,
    /// Maximum random addition to that time, in seconds.
    #[serde(default)]
    pub jitter_s: f64,
    /// The faults of each round.
    #[serde(rename = "fault")]
    pub faults: Vec<LastingFault>,
}

/// A fault without a start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastingFault {
    /// Length of the fault, in seconds.
    #[serde(default)]
    pub for_s: f64,
    /// Kind of the fault, with its parameters.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Chaos {
    /// Draws the schedule of a run of this length. The last fault ends at least the minimum gap
    /// before the end of the run.
    ///
    /// # Errors
    /// Returns an error if the run is too short for each fault once.
    pub fn draw(&self, seed: u64, duration_s: f64) -> anyhow::Result<Vec<ScheduledFault>> {
        ensure!(!self.faults.is_empty(), "chaos has no faults");
        ensure!(
            self.gap_s >= 0.0 && self.jitter_s >= 0.0,
            "chaos.gap_s and chaos.jitter_s must not be negative"
        );
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut schedule = Vec::new();
        let mut at_s = self.first_at_s;
        while at_s < duration_s {
            let mut round = self.faults.clone();
            round.shuffle(&mut random);
            for LastingFault { for_s, kind } in round {
                if at_s + for_s + self.gap_s > duration_s {
                    let rounds = schedule.len() / self.faults.len();
                    ensure!(rounds > 0, "the load of {duration_s} s is too short for all faults of chaos");
                    return Ok(schedule);
                }
                schedule.push(ScheduledFault { at_s, for_s, kind });
                let jitter_s = self.jitter_s * random.random::<f64>();
                // Tenths of a second, so that a printed schedule is the whole schedule.
                at_s = ((at_s + for_s + self.gap_s + jitter_s) * 10.0).ceil() / 10.0;
            }
        }
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chaos() -> Chaos {
        let fault = |for_s, kind| LastingFault { for_s, kind };
        let kinds = [
            fault(3.0, FaultKind::Crash),
            fault(2.0, FaultKind::Disk),
            fault(0.0, FaultKind::Expire),
            fault(1.0, FaultKind::Slow { delay_ms: 5 }),
        ];
        Chaos { first_at_s: 10.0, gap_s: 5.0, jitter_s: 2.0, faults: kinds.to_vec() }
    }

    #[test]
    fn the_seed_decides_the_schedule_and_each_round_has_each_fault() {
        let chaos = chaos();
        let schedule = chaos.draw(7, 200.0).unwrap();
        assert_eq!(schedule, chaos.draw(7, 200.0).unwrap());
        assert_ne!(schedule, chaos.draw(8, 200.0).unwrap());
        assert!(schedule.len() >= 20 && schedule[0].at_s.total_cmp(&10.0).is_eq(), "{schedule:?}");
        for round in schedule.chunks_exact(4) {
            assert!(chaos.faults.iter().all(|fault| round.iter().any(|drawn| drawn.kind == fault.kind)));
        }
        for pair in schedule.windows(2) {
            let gap_s = pair[1].at_s - pair[0].at_s - pair[0].for_s;
            assert!((5.0..7.2).contains(&gap_s), "{pair:?}");
        }
        assert!(schedule.last().unwrap().at_s + 5.0 < 200.0);
    }

    #[test]
    fn a_run_without_room_for_each_fault_is_refused() {
        assert!(chaos().draw(7, 30.0).unwrap_err().to_string().contains("too short"));
        let none = Chaos { faults: Vec::new(), ..chaos() };
        assert!(none.draw(7, 300.0).unwrap_err().to_string().contains("no faults"));
    }
}
