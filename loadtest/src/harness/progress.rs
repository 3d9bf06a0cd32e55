//! Progress of a run: totals, one interval for each second, and a status line.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::harness::interval::Interval;
use crate::harness::probe::Prober;
use crate::harness::worker::Tally;
use crate::histogram::LatencyHistogram;

const INTERVAL: Duration = Duration::from_secs(1);
/// Number of seconds between two status lines if standard error is not a terminal.
const SECONDS_PER_LINE: usize = 10;

/// Collects the reports of workers and probes.
pub struct Progress {
    /// Outcomes of all calls so far.
    pub total: Tally,
    /// One interval for each second.
    pub intervals: Vec<Interval>,
    freshness: LatencyHistogram,
    is_quiet: bool,
}

impl Progress {
    /// Creates an empty progress. If `is_quiet`, no status is printed.
    pub fn new(is_quiet: bool) -> Self {
        Self { total: Tally::default(), intervals: Vec::new(), freshness: LatencyHistogram::new(), is_quiet }
    }

    /// Collects reports until all workers have closed `reports` and `ended` is closed.
    ///
    /// # Errors
    /// Returns an error if a histogram cannot be encoded.
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
                    self.record(&std::mem::take(&mut second), &prober, start)?;
                }
                _ = ended.recv(), if !workers_report => break,
            }
        }
        self.record(&second, &prober, start)?;
        if !self.is_quiet && std::io::stderr().is_terminal() {
            eprintln!();
        }
        Ok(self)
    }

    fn record(&mut self, second: &Tally, prober: &Prober, start: Instant) -> anyhow::Result<()> {
        let recent = prober.take_recent();
        let mut freshness = LatencyHistogram::new();
        recent.freshness_us.iter().for_each(|us| freshness.record_us(*us));
        self.freshness.merge(&freshness);
        self.total.merge(second);
        let elapsed = start.elapsed().as_secs_f64();
        self.intervals.push(Interval {
            at_s: (elapsed - INTERVAL.as_secs_f64()).max(0.0),
            sent: second.sent,
            answered: second.answers(),
            failed: second.unexpected + second.unanswered,
            response: second.response.to_text()?,
            freshness: freshness.to_text()?,
        });
        self.print(second, recent.waiting, elapsed);
        Ok(())
    }

    fn print(&self, second: &Tally, waiting: usize, elapsed_s: f64) {
        let is_terminal = std::io::stderr().is_terminal();
        if self.is_quiet || !(is_terminal || self.intervals.len().is_multiple_of(SECONDS_PER_LINE)) {
            return;
        }
        let response_ms = |percentile| second.response.seconds_at(percentile) * 1e3;
        let freshness_s = |percentile| self.freshness.seconds_at(percentile);
        let line = format!(
            "{elapsed_s:>6.0} s  {:>6} sent/s {:>6} answered/s {:>5} in flight  response p50 {:.1} p99 {:.1} ms  freshness p50 {:.2} p99 {:.2} p99.9 {:.2} s ({waiting} probes waiting)  send lateness p99.9 {:.1} ms",
            second.sent,
            second.answers(),
            self.total.sent - self.total.answers() - self.total.unanswered,
            response_ms(50.0),
            response_ms(99.0),
            freshness_s(50.0),
            freshness_s(99.0),
            freshness_s(99.9),
            second.lateness.seconds_at(99.9) * 1e3,
        );
        let mut out = std::io::stderr().lock();
        // An error while printing the progress must not end the run.
        let _ = if is_terminal { write!(out, "\r\x1b[2K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }
}
