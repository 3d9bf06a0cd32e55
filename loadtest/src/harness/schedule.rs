//! The open-loop schedule: each call has a fixed time, independent of the calls before it.

use crate::profile::Load;

/// A span of time in which the rate changes linearly.
#[derive(Debug, Clone, Copy)]
struct Segment {
    starts_s: f64,
    duration_s: f64,
    /// Calls a second at the start.
    from_per_s: f64,
    /// Calls a second at the end.
    to_per_s: f64,
    /// Number of calls before this segment, with fractions.
    first_call: f64,
}

impl Segment {
    fn calls(&self) -> f64 {
        f64::midpoint(self.from_per_s, self.to_per_s) * self.duration_s
    }

    /// Returns the time after which `calls` calls of this segment were sent, in seconds from its
    /// start: the `t` with `calls = from * t + (to - from) * t² / (2 * duration)`.
    fn due_s(&self, calls: f64) -> f64 {
        let slope = (self.to_per_s - self.from_per_s) / self.duration_s;
        let root = (self.from_per_s * self.from_per_s + 2.0 * slope * calls).max(0.0).sqrt();
        // This form of the solution does not divide by the slope, which may be 0.
        2.0 * calls / (self.from_per_s + root).max(f64::MIN_POSITIVE)
    }
}

/// The times at which the calls of a load are due.
#[derive(Debug, Clone)]
pub struct Schedule {
    segments: Vec<Segment>,
}

impl Schedule {
    /// Creates the schedule of a load.
    pub fn new(load: Load) -> Self {
        let mut schedule = Self { segments: Vec::new() };
        match load {
            Load::Constant { calls_per_s, duration_s } | Load::Soak { calls_per_s, duration_s } => {
                schedule.add(duration_s, calls_per_s, calls_per_s);
            }
            Load::Ramp { from_calls_per_s, to_calls_per_s, duration_s } => {
                schedule.add(duration_s, from_calls_per_s, to_calls_per_s);
            }
            Load::Spike { calls_per_s, spike_calls_per_s, spike_at_s, spike_for_s, duration_s } => {
                schedule.add(spike_at_s, calls_per_s, calls_per_s);
                schedule.add(spike_for_s, spike_calls_per_s, spike_calls_per_s);
                schedule.add(duration_s - spike_at_s - spike_for_s, calls_per_s, calls_per_s);
            }
        }
        schedule
    }

    /// Appends a segment, unless it is empty.
    fn add(&mut self, duration_s: f64, from_per_s: f64, to_per_s: f64) {
        if duration_s <= 0.0 {
            return;
        }
        let last = self.segments.last();
        let starts_s = last.map_or(0.0, |last| last.starts_s + last.duration_s);
        let first_call = last.map_or(0.0, |last| last.first_call + last.calls());
        self.segments.push(Segment { starts_s, duration_s, from_per_s, to_per_s, first_call });
    }

    /// Returns the number of calls.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of calls fits")]
    pub fn calls(&self) -> u64 {
        self.segments.iter().map(Segment::calls).sum::<f64>().round() as u64
    }

    /// Returns the time at which call `number` is due, in seconds from the start.
    #[expect(clippy::cast_precision_loss, reason = "calls are far fewer than 2^53")]
    pub fn due_s(&self, number: u64) -> f64 {
        let number = number as f64;
        let segment = self.segments.iter().rev().find(|segment| segment.first_call <= number);
        segment.map_or(0.0, |segment| segment.starts_s + segment.due_s(number - segment.first_call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(load: Load) -> Vec<f64> {
        let schedule = Schedule::new(load);
        (0..schedule.calls()).map(|number| schedule.due_s(number)).collect()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced() {
        let due = due(Load::Constant { calls_per_s: 4.0, duration_s: 2.0 });
        assert_eq!(due, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]);
    }

    #[test]
    fn a_ramp_has_its_calls_where_its_rate_says() {
        let due = due(Load::Ramp { from_calls_per_s: 0.0, to_calls_per_s: 100.0, duration_s: 10.0 });
        assert_eq!(due.len(), 500);
        // A quarter of the calls is in the first half of the time.
        assert_eq!(due.iter().filter(|&&at| at < 5.0).count(), 125);
        assert!(due.is_sorted() && due[499] < 10.0, "{:?}", due.last());
        let down =
            Schedule::new(Load::Ramp { from_calls_per_s: 100.0, to_calls_per_s: 0.0, duration_s: 10.0 });
        assert!((down.due_s(375) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_spike_is_where_it_is_said() {
        let due = due(Load::Spike {
            calls_per_s: 10.0,
            spike_calls_per_s: 100.0,
            spike_at_s: 2.0,
            spike_for_s: 1.0,
            duration_s: 5.0,
        });
        let between =
            |from: f64, to: f64| due.iter().filter(|&&at| at >= from - 1e-9 && at < to - 1e-9).count();
        assert_eq!((between(0.0, 2.0), between(2.0, 3.0), between(3.0, 5.0)), (20, 100, 20));
    }
}
