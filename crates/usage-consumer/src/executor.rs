//! Performs the requests of a batch's run against the ledger, the claims and the quarantine.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use access_log::{Decoder, Origin};
use aws_lambda_events::kinesis::KinesisEventRecord;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use metering_core::aggregate::RecordIndex;
use metering_core::batch_outcome::BatchOutcome;
use metering_core::batch_run::{BatchRun, Reply, Request, RequestToken, RunSettings, RunTally};
use metering_core::claims::owner::RecordName;
use metering_core::ports::{ClaimStore, PortError, Quarantine, QuarantinedRecord, UsageLedger};
use metering_core::shard::QuarantinedPart;

use crate::batch::{DecodedBatch, RecordNotes};

/// The ports of the consumer, and the limits of their use.
#[derive(Debug, Clone)]
pub struct Executor<L, C, Q> {
    /// Rows of usage.
    pub ledger: L,
    /// Claims of calls, and heads of shards.
    pub claims: C,
    /// Records and events that cannot be counted.
    pub quarantine: Q,
    /// Maximum number of concurrent requests.
    pub concurrency: usize,
    pub settings: RunSettings,
}

/// The event of a batch: the run refers to its records by index.
struct Source<'e> {
    records: &'e [KinesisEventRecord],
    decoded: &'e DecodedBatch,
    decoder: &'e Mutex<Decoder>,
}

impl<L: UsageLedger, C: ClaimStore, Q: Quarantine> Executor<L, C, Q> {
    /// Runs a batch to its end. Returns the outcome, which says where the stream has to
    /// resume, and counts of the work done.
    pub async fn execute(
        &self,
        decoded: &DecodedBatch,
        records: &[KinesisEventRecord],
        decoder: &Mutex<Decoder>,
    ) -> (BatchOutcome, RunTally) {
        let source = Source { records, decoded, decoder };
        let mut run = BatchRun::new(&decoded.batch, self.settings);
        let mut under_way = FuturesUnordered::new();
        while !run.is_done() {
            while under_way.len() < self.concurrency
                && let Some((token, request)) = run.next()
            {
                under_way.push(self.perform(token, request, &source));
            }
            match under_way.next().await {
                Some((token, reply)) => run.answer(token, reply),
                // Lambda then delivers the batch again. An outcome would drop what is not done.
                None => unreachable!("a run that is not done has requests"),
            }
        }
        (run.outcome(), run.tally())
    }

    async fn perform(
        &self,
        token: RequestToken,
        request: Request,
        source: &Source<'_>,
    ) -> (RequestToken, Reply) {
        let reply = match request {
            Request::ReadHead(shard) => self.claims.read_head(&shard).await.map(Reply::Head),
            Request::ReadVerdicts(shard, first, last) => {
                self.claims.read_verdicts(&shard, &first, &last).await.map(Reply::Verdicts)
            }
            Request::WriteHead(write) => self.claims.write_head(&write).await.map(Reply::Write),
            Request::ReadSlice(slice) => self.claims.read_slice(slice).await.map(Reply::Slice),
            Request::WritePage(write) => self.claims.write_page(&write).await.map(Reply::Write),
            Request::Release(release) => self.ledger.release(&release).await.map(Reply::Released),
            Request::Keep(record, part) => self.keep(record, &part, source).await.map(|()| Reply::Done),
            Request::MarkKept(record, part) => self.claims.mark_kept(&record, &part).await.map(Reply::Write),
            Request::Apply(update) => self.ledger.apply(&update).await.map(Reply::Ledger),
        };
        let reply = reply.unwrap_or_else(|error| {
            log_failure(&error);
            match error {
                PortError::Invalid { .. } => Reply::Invalid,
                PortError::Retryable { .. } | PortError::Refused { .. } => Reply::Failed,
            }
        });
        (token, reply)
    }

    /// Sends a part of a record to quarantine, cut into pieces that fit back into the stream.
    async fn keep(
        &self,
        record: RecordIndex,
        part: &QuarantinedPart,
        source: &Source<'_>,
    ) -> Result<(), PortError> {
        let quarantined = source.quarantined(record);
        for payload in source.payloads(record, part, &quarantined.record) {
            self.quarantine.keep(&QuarantinedRecord { payload, ..quarantined.clone() }).await?;
        }
        Ok(())
    }
}

impl Source<'_> {
    /// Builds the quarantined form of a record, without its payload.
    fn quarantined(&self, record: RecordIndex) -> QuarantinedRecord {
        let notes = &self.decoded.notes[record.position()];
        let (reason, detail) = reason_and_detail(notes);
        QuarantinedRecord {
            record: RecordName {
                shard: self.decoded.batch.shard.clone(),
                sequence_number: self.decoded.batch.usage.sequence_number(record).clone(),
            },
            arrived_at_ms: self.decoded.batch.records[record.position()].arrived_at_ms,
            put_back_from: self.decoded.batch.records[record.position()].put_back_from.clone(),
            reason: Cow::Borrowed(reason),
            detail,
            payload: Vec::new(),
        }
    }

    fn payloads(&self, record: RecordIndex, part: &QuarantinedPart, name: &RecordName) -> Vec<Vec<u8>> {
        let data = self.records[record.position()].kinesis.data.0.as_slice();
        let whole = || vec![data.to_vec()];
        let QuarantinedPart::Events(events) = part else { return whole() };
        let arrived_at_ms = self.decoded.batch.records[record.position()].arrived_at_ms;
        let origin = Origin { record_name: &name.to_string(), arrived_at_ms };
        let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        // The record was readable when its events were judged, so it is readable now.
        decoder.parts(data, origin, events).unwrap_or_else(|_| whole())
    }
}

fn reason_and_detail(notes: &RecordNotes) -> (&'static str, String) {
    match (&notes.unreadable, notes.bad_reason) {
        (Some((reason, detail)), _) => (reason, detail.clone()),
        (None, Some(reason)) => (reason, notes.describe_bad_events()),
        (None, None) => (
            "judged-before",
            "the record or its calls were given up, refused by the ledger, without room in their slice of claims, or judged as bad by another version of the function; this version can read them".to_owned(),
        ),
    }
}

/// Logs a failed request. A refusal needs an operator; other failures are retried.
fn log_failure(error: &PortError) {
    let (PortError::Retryable { source, .. }
    | PortError::Refused { source, .. }
    | PortError::Invalid { source, .. }) = error;
    match error {
        PortError::Refused { .. } => tracing::error!(cause = ?source, "{error}"),
        PortError::Invalid { .. } => tracing::error!(cause = ?source, "{error}; its calls go to quarantine"),
        PortError::Retryable { .. } => {
            tracing::warn!(cause = ?source, "{error}; Lambda will deliver the records again");
        }
    }
}
