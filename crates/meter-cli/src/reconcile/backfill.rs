//! Puts calls of the access log on the stream that no stream record has claimed.

use access_log::{Decoder, Limits};
use anyhow::Context;
use metering_aws::call_log::CallLog;
use metering_aws::claimed_calls::owners_of;
use metering_aws::logged_events::{Judge, LogStreamEvents, LoggedCall, LoggedEvent, read_events};
use metering_aws::{DynamoClaimStore, StreamWriter};
use metering_core::claims::owner::Purpose;
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use crate::target::Target;

/// The result of a backfill: numbers of calls, unless noted otherwise.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct BackfillSummary {
    /// Calls with a billed status and a key in the access log.
    calls: usize,
    /// Calls whose owner is in quarantine.
    in_quarantine: usize,
    /// Calls without an owner.
    missing: usize,
    /// Missing calls that were put on the stream.
    put_back: usize,
    /// Stream records with the calls that were put on the stream.
    records: usize,
    /// Missing calls that were skipped because they may still be delivered.
    unsettled: usize,
    /// Missing calls that were skipped because they have no request id.
    without_request_id: usize,
    /// Calls without a request id that have an owner.
    owned_without_request_id: usize,
    /// Lines that cannot be read as calls.
    unreadable: usize,
}

/// Settings of a backfill.
pub struct Settings {
    /// Start of the request times, in milliseconds since 1970.
    pub from_ms: i64,
    /// End of the request times, exclusive, in milliseconds since 1970.
    pub to_ms: i64,
    /// Time for which a logged call may still be delivered, in minutes.
    pub settle_minutes: i64,
    /// `true` if calls without a request id are put back when the id of their log event has no owner. AWS
    /// does not document that an event is delivered under the id that it has in the log. If the ids differ,
    /// each such call would be counted twice.
    pub includes_lines_without_request_id: bool,
}

/// A backfill in progress.
pub struct Backfill {
    claims: DynamoClaimStore,
    stream: StreamWriter,
    judge: Judge,
    settings: Settings,
    /// Time after which logged calls may still be delivered, in milliseconds since 1970.
    settled_ms: i64,
    decoder: Decoder,
    summary: BackfillSummary,
}

impl Backfill {
    /// Creates a backfill of the calls of a system.
    pub fn new(target: &Target, judge: Judge, settings: Settings) -> Self {
        Self {
            claims: target.claim_store(),
            stream: target.stream_writer(),
            judge,
            settled_ms: now_ms() - settings.settle_minutes * 60_000,
            settings,
            decoder: Decoder::new(Limits::default()),
            summary: BackfillSummary::default(),
        }
    }

    /// Finds the missing calls, page by page of the log, and puts them on the stream. Because a call has one
    /// owner, a backfill may be repeated, overlap with others and run during a late delivery.
    pub async fn run(mut self, log: &CallLog) -> anyhow::Result<BackfillSummary> {
        let (from_ms, to_ms) = (self.settings.from_ms, self.settings.to_ms);
        log.events(from_ms, to_ms, async |log_group, events| self.backfill_page(log_group, events).await)
            .await
            .context("the backfill stopped; run the same command again, no call is counted twice")?;
        Ok(self.summary)
    }

    async fn backfill_page(&mut self, log_group: &str, events: Vec<LoggedEvent>) -> anyhow::Result<()> {
        let (settled, unsettled): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| event.timestamp_ms <= self.settled_ms);
        for (events, is_settled) in [(settled, true), (unsettled, false)] {
            for mut stream in read_events(&mut self.decoder, &self.judge, log_group, &events) {
                let span = self.settings.from_ms..self.settings.to_ms;
                stream.calls.retain(|call| span.contains(&call.requested_at_ms));
                self.backfill_log_stream(&stream, is_settled).await?;
            }
        }
        Ok(())
    }

    async fn backfill_log_stream(
        &mut self,
        stream: &LogStreamEvents,
        is_settled: bool,
    ) -> anyhow::Result<()> {
        self.summary.calls += stream.calls.len();
        self.summary.unreadable += stream.unreadable;
        let missing = self.missing(stream).await?;
        self.summary.missing += missing.len();
        if is_settled {
            return self.put_back(stream, missing).await;
        }
        self.summary.unsettled += missing.len();
        Ok(())
    }

    /// Returns the calls without an owner, and counts the others.
    async fn missing<'a>(&mut self, stream: &'a LogStreamEvents) -> anyhow::Result<Vec<&'a LoggedCall>> {
        let owners = owners_of(&self.claims, stream.calls.iter().map(|call| (call.slice, call.id))).await?;
        let mut missing = Vec::new();
        for call in &stream.calls {
            let Some(owner) = owners.get(&call.id) else {
                missing.push(call);
                continue;
            };
            self.summary.in_quarantine += usize::from(owner.purpose != Purpose::Count);
            self.summary.owned_without_request_id += usize::from(!call.has_request_id);
        }
        Ok(missing)
    }

    async fn put_back(
        &mut self,
        stream: &LogStreamEvents,
        mut missing: Vec<&LoggedCall>,
    ) -> anyhow::Result<()> {
        if !self.settings.includes_lines_without_request_id {
            let all = missing.len();
            missing.retain(|call| call.has_request_id);
            self.summary.without_request_id += all - missing.len();
        }
        if missing.is_empty() {
            return Ok(());
        }
        let places: Vec<u32> = missing.iter().map(|call| call.event).collect();
        for record in stream.records(&mut self.decoder, &places)? {
            self.stream.put(record).await?;
            self.summary.records += 1;
        }
        self.summary.put_back += missing.len();
        Ok(())
    }
}

impl BackfillSummary {
    /// Prints the result as text.
    pub fn print(&self, settle_minutes: i64) {
        let Self { calls, in_quarantine, missing, put_back, records, unsettled, unreadable, .. } = self;
        println!(
            "{missing} of {calls} calls have no owner; {put_back} were put on the stream, in {records} records."
        );
        if *unsettled > 0 {
            println!(
                "{unsettled} calls of the last {settle_minutes} minutes were skipped: they may still be delivered."
            );
        }
        if self.without_request_id > 0 {
            self.print_without_request_id();
        }
        if *in_quarantine > 0 {
            println!("{in_quarantine} calls are in quarantine: meter quarantine list");
        }
        if *unreadable > 0 {
            println!("{unreadable} lines of the log cannot be read as calls; they were skipped.");
        }
        if *put_back > 0 {
            println!("Compare again when they are counted, within a minute: meter reconcile");
        }
    }

    /// Prints whether calls without a request id can be put back.
    fn print_without_request_id(&self) {
        let Self { without_request_id, owned_without_request_id: owned, .. } = self;
        println!(
            "{without_request_id} calls without a request id were skipped: they are identified by the ids of their log events, and AWS does not document that the same ids are delivered (docs/AWS.md)."
        );
        if *owned > 0 {
            println!(
                "The ids are the same here, because {owned} other such calls have owners: --include-lines-without-request-id puts the calls on the stream."
            );
        } else {
            println!(
                "No such call has an owner: either none of them was delivered, or the ids differ. If `meter reconcile` shows as many missing calls, --include-lines-without-request-id puts them on the stream. If it shows none, the option would count them twice."
            );
        }
    }
}
