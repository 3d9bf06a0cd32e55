//! Puts calls on the stream that are in the access log and that nobody has claimed.

use access_log::{Decoder, Limits};
use anyhow::Context;
use lambda_support::clock::now_ms;
use metering_aws::call_log::CallLog;
use metering_aws::claimed_calls::owners_of;
use metering_aws::logged_events::{Judge, LogStreamEvents, LoggedCall, LoggedEvent, read_events};
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
    /// Those of the missing that were left alone, because they have no request id.
    without_request_id: usize,
    /// Calls without a request id that somebody owns.
    owned_without_request_id: usize,
    /// Lines that cannot be read as calls.
    unreadable: usize,
}

/// What a backfill is to do.
pub struct Wanted {
    /// When the calls were made, in milliseconds since 1970.
    pub hours: (i64, i64),
    /// For how long a call that was logged may be on its way.
    pub settle_minutes: i64,
    /// Whether a call without a request id is taken for missing where nobody
    /// owns the id of its log event. AWS does not say that an event is
    /// delivered under the id by which it is found in the log: if it is
    /// another, each such call would be counted twice.
    pub includes_lines_without_request_id: bool,
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
    includes_lines_without_request_id: bool,
    decoder: Decoder,
    outcome: Outcome,
}

impl Backfill {
    /// A backfill of what is not counted in this system.
    pub fn new(target: &Target, judge: Judge, wanted: &Wanted) -> Self {
        let Wanted { hours: (from_ms, to_ms), settle_minutes, includes_lines_without_request_id } = *wanted;
        Self {
            claims: target.claim_store(),
            stream: target.stream_writer(),
            judge,
            from_ms,
            to_ms,
            settled_ms: now_ms() - settle_minutes * 60_000,
            includes_lines_without_request_id,
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
        self.outcome.calls += stream.calls.len();
        self.outcome.unreadable += stream.unreadable;
        let missing = self.missing(stream).await?;
        self.outcome.missing += missing.len();
        if is_settled {
            return self.put_back(stream, missing).await;
        }
        self.outcome.unsettled += missing.len();
        Ok(())
    }

    /// The calls that nobody owns.
    async fn missing<'a>(&mut self, stream: &'a LogStreamEvents) -> anyhow::Result<Vec<&'a LoggedCall>> {
        let owners = owners_of(&self.claims, stream.calls.iter().map(|call| (call.slice, call.id))).await?;
        let mut missing = Vec::new();
        for call in &stream.calls {
            let Some(owner) = owners.get(&call.id) else {
                missing.push(call);
                continue;
            };
            self.outcome.in_quarantine += usize::from(owner.purpose != Purpose::Count);
            self.outcome.owned_without_request_id += usize::from(!call.has_request_id);
        }
        Ok(missing)
    }

    async fn put_back(
        &mut self,
        stream: &LogStreamEvents,
        mut missing: Vec<&LoggedCall>,
    ) -> anyhow::Result<()> {
        if !self.includes_lines_without_request_id {
            let all = missing.len();
            missing.retain(|call| call.has_request_id);
            self.outcome.without_request_id += all - missing.len();
        }
        if missing.is_empty() {
            return Ok(());
        }
        let places: Vec<u32> = missing.iter().map(|call| call.event).collect();
        for record in stream.records(&mut self.decoder, &places)? {
            self.stream.put(record).await?;
            self.outcome.records += 1;
        }
        self.outcome.put_back += missing.len();
        Ok(())
    }
}

impl Outcome {
    /// Prints for a person.
    pub fn print(&self, settle_minutes: i64) {
        let Self { calls, in_quarantine, missing, put_back, records, unsettled, unreadable, .. } = self;
        println!(
            "{missing} of {calls} calls have no owner; {put_back} were put on the stream, in {records} records."
        );
        if *unsettled > 0 {
            println!(
                "{unsettled} calls of the last {settle_minutes} minutes were left alone: they may still be delivered."
            );
        }
        if self.without_request_id > 0 {
            self.print_without_request_id();
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

    /// Says whether calls without a request id can be put back.
    fn print_without_request_id(&self) {
        let Self { without_request_id, owned_without_request_id: owned, .. } = self;
        println!(
            "{without_request_id} calls without a request id were left alone: they are known by the ids of their log events, and AWS does not say that those are the ids of their delivery (docs/AWS.md)."
        );
        if *owned > 0 {
            println!(
                "They are the same here, since {owned} other such calls have owners: --include-lines-without-request-id puts them on the stream."
            );
        } else {
            println!(
                "No such call has an owner: either none of them was delivered, or the ids differ. If `meter reconcile` shows as many calls missing, --include-lines-without-request-id puts them on the stream; if it shows none, it would have them counted twice."
            );
        }
    }
}
