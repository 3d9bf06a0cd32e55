//! Puts calls on the stream that are in the access log and that nobody has claimed.

use access_log::{Decoder, Limits};
use anyhow::Context;
use lambda_support::clock::now_ms;
use metering_aws::call_log::CallLog;
use metering_aws::claimed_calls::owners_of;
use metering_aws::logged_events::{Judge, LogStreamEvents, LoggedEvent, read_events};
use metering_aws::{DynamoClaimStore, StreamWriter};
use metering_core::claims::owner::Purpose;
use serde::Serialize;

use crate::target::Target;

/// What a backfill has found and done.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Successful calls with a key in the access log.
    calls: usize,
    /// Those that are in quarantine.
    in_quarantine: usize,
    /// Those that nobody has claimed.
    missing: usize,
    /// Those of the missing that were put on the stream.
    put_back: usize,
    /// Stream records in which they were put there.
    records: usize,
    /// Those of the missing that were left alone, because they may be on their way.
    unsettled: usize,
    /// Lines that cannot be read as calls.
    unreadable: usize,
}

/// The calls of a backfill.
pub struct Backfill {
    claims: DynamoClaimStore,
    stream: StreamWriter,
    judge: Judge,
    from_ms: i64,
    to_ms: i64,
    /// Calls that were logged after this may be on their way, in milliseconds since 1970.
    settled_ms: i64,
    decoder: Decoder,
    outcome: Outcome,
}

impl Backfill {
    /// Of the calls that were made in `from_ms..to_ms`, those that were logged
    /// more than `settle_minutes` ago.
    pub fn new(target: &Target, judge: Judge, (from_ms, to_ms): (i64, i64), settle_minutes: i64) -> Self {
        Self {
            claims: target.claim_store(),
            stream: target.stream_writer(),
            judge,
            from_ms,
            to_ms,
            settled_ms: now_ms() - settle_minutes * 60_000,
            decoder: Decoder::new(Limits::default()),
            outcome: Outcome::default(),
        }
    }

    /// Finds what is missing, page by page of the log, and puts it on the
    /// stream. A call has one owner, so it may be repeated, overlap with
    /// others and run beside a late delivery.
    pub async fn run(mut self, log: &CallLog) -> anyhow::Result<Outcome> {
        let (from_ms, to_ms) = (self.from_ms, self.to_ms);
        log.events(from_ms, to_ms, async |log_group, events| self.page(log_group, events).await)
            .await
            .context("the backfill stopped; run the same command again, nothing is counted twice")?;
        Ok(self.outcome)
    }

    async fn page(&mut self, log_group: &str, events: Vec<LoggedEvent>) -> anyhow::Result<()> {
        let (settled, unsettled): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| event.timestamp_ms <= self.settled_ms);
        for (events, is_settled) in [(settled, true), (unsettled, false)] {
            for mut stream in read_events(&mut self.decoder, &self.judge, log_group, &events) {
                stream.calls.retain(|call| (self.from_ms..self.to_ms).contains(&call.requested_at_ms));
                self.log_stream(&stream, is_settled).await?;
            }
        }
        Ok(())
    }

    async fn log_stream(&mut self, stream: &LogStreamEvents, is_settled: bool) -> anyhow::Result<()> {
        let owners = owners_of(&self.claims, stream.calls.iter().map(|call| (call.slice, call.id))).await?;
        let (mut missing, mut in_quarantine) = (Vec::new(), 0);
        for call in &stream.calls {
            match owners.get(&call.id) {
                None => missing.push(call.event),
                Some(owner) if owner.purpose != Purpose::Count => in_quarantine += 1,
                Some(_) => {}
            }
        }
        self.outcome.calls += stream.calls.len();
        self.outcome.unreadable += stream.unreadable;
        self.outcome.in_quarantine += in_quarantine;
        self.outcome.missing += missing.len();
        if !is_settled {
            self.outcome.unsettled += missing.len();
        } else if !missing.is_empty() {
            for record in stream.records(&mut self.decoder, &missing)? {
                self.stream.put(record).await?;
                self.outcome.records += 1;
            }
            self.outcome.put_back += missing.len();
        }
        Ok(())
    }
}

impl Outcome {
    /// Prints for a person.
    pub fn print(&self, settle_minutes: i64) {
        let Self { calls, in_quarantine, missing, put_back, records, unsettled, unreadable } = self;
        println!(
            "{missing} of {calls} calls have no owner; {put_back} were put on the stream, in {records} records."
        );
        if *unsettled > 0 {
            println!(
                "{unsettled} calls of the last {settle_minutes} minutes were left alone: they may still be delivered."
            );
        }
        if *in_quarantine > 0 {
            println!("{in_quarantine} calls are in quarantine: meter quarantine list");
        }
        if *unreadable > 0 {
            println!("{unreadable} lines of the log are no calls that can be read; they were left alone.");
        }
        if *put_back > 0 {
            println!("Compare again when they are counted, within a minute: meter reconcile");
        }
    }
}
