//! What a run tells while it goes on, and its seconds.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::harness::outcome::Interval;
use crate::harness::probe::Prober;
use crate::harness::worker::Tally;
use crate::histogram::{merge, seconds_at, times, to_text};

const INTERVAL: Duration = Duration::from_secs(1);
/// Where nobody looks at a terminal, a line is written every so many seconds.
const LINE_EVERY: usize = 10;

/// Collects the reports of workers and probes.
pub struct Progress {
    /// What became of all calls so far.
    pub total: Tally,
    /// Second by second.
    pub intervals: Vec<Interval>,
    freshness: crate::histogram::Times,
    is_quiet: bool,
}

impl Progress {
    /// Nothing yet. Where it is quiet, nothing is written.
    pub fn new(is_quiet: bool) -> Self {
        Self { total: Tally::default(), intervals: Vec::new(), freshness: times(), is_quiet }
    }

    /// Collects until no worker and no probe reports any more.
    ///
    /// # Errors
    /// When a histogram cannot be written.
    pub async fn collect(
        mut self,
        mut reports: mpsc::UnboundedReceiver<Tally>,
        prober: Arc<Prober>,
        mut ended: mpsc::Receiver<()>,
        start: Instant,
    ) -> anyhow::Result<Self> {
        let mut seconds = tokio::time::interval_at(start + INTERVAL, INTERVAL);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut second = Tally::default();
        let mut workers_report = true;
        loop {
            tokio::select! {
                report = reports.recv(), if workers_report => match report {
                    Some(tally) => second.merge(&tally),
                    None => workers_report = false,
                },
                _ = seconds.tick() => {
                    self.note(&std::mem::take(&mut second), &prober, start)?;
                }
                _ = ended.recv(), if !workers_report => break,
            }
        }
        self.note(&second, &prober, start)?;
        if !self.is_quiet && std::io::stderr().is_terminal() {
            eprintln!();
        }
        Ok(self)
    }

    fn note(&mut self, second: &Tally, prober: &Prober, start: Instant) -> anyhow::Result<()> {
        let (recent, waiting) = prober.recent();
        let mut freshness = times();
        for us in recent {
            freshness.saturating_record(us);
        }
        merge(&mut self.freshness, &freshness);
        self.total.merge(second);
        let elapsed = start.elapsed().as_secs_f64();
        self.intervals.push(Interval {
            at_s: (elapsed - INTERVAL.as_secs_f64()).max(0.0),
            sent: second.sent,
            answered: second.answers(),
            response: to_text(&second.response)?,
            freshness: to_text(&freshness)?,
        });
        self.say(second, waiting, elapsed);
        Ok(())
    }

    fn say(&self, second: &Tally, waiting: usize, elapsed_s: f64) {
        let is_terminal = std::io::stderr().is_terminal();
        if self.is_quiet || !(is_terminal || self.intervals.len().is_multiple_of(LINE_EVERY)) {
            return;
        }
        let response = |percentile| seconds_at(&second.response, percentile) * 1e3;
        let fresh = |percentile| seconds_at(&self.freshness, percentile);
        let line = format!(
            "{elapsed_s:>6.0} s  {:>6} sent/s {:>6} answered/s {:>5} under way  response p50 {:.1} p99 {:.1} ms  freshness p50 {:.2} p99 {:.2} p99.9 {:.2} s ({waiting} waiting)  late p99.9 {:.1} ms",
            second.sent,
            second.answers(),
            self.total.sent - self.total.answers() - self.total.unanswered,
            response(50.0),
            response(99.0),
            fresh(50.0),
            fresh(99.0),
            fresh(99.9),
            seconds_at(&second.lateness, 99.9) * 1e3,
        );
        let mut out = std::io::stderr().lock();
        // Progress that cannot be shown is no reason to stop.
        let _ = if is_terminal { write!(out, "\r\x1b[2K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }
}
