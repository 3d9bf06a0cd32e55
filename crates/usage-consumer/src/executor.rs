//! Claims, quarantines and writes what a batch planned.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use metering_core::aggregate::{RecordIndex, RowUsage};
use metering_core::batch_outcome::BatchOutcome;
use metering_core::fence::{Fence, judge};
use metering_core::ports::{Claim, ClaimStore, LedgerReply, PortError, Quarantine, UsageLedger};
use metering_core::update_plan::{CounterUpdate, plan_row};

use crate::batch::{BatchRecord, DecodedBatch};
use crate::metrics::{BatchMetrics, ConsumerMetric};

/// How often one row is planned again in a batch. The row has one writer, so
/// once is the rule; more means that something else writes to the ledger.
const MAX_REPLANS: u32 = 5;

/// Where a batch is carried out.
#[derive(Debug, Clone)]
pub struct Executor<L, C, Q> {
    /// The usage ledger.
    pub ledger: L,
    /// The claims; `None` where duplicates are not looked for.
    pub claims: Option<C>,
    /// The quarantine.
    pub quarantine: Q,
    /// Requests under way at once.
    pub concurrency: usize,
}

/// What happened to the records before anything was counted.
#[derive(Debug, Default)]
struct Admission {
    outcome: BatchOutcome,
    left_out: HashSet<RecordIndex>,
}

/// What happened to one row.
#[derive(Debug, Default, Clone, Copy)]
struct RowResult {
    fenced: u64,
    written: u64,
    calls: u64,
    failed: Option<RecordIndex>,
}

impl<L: UsageLedger, C: ClaimStore, Q: Quarantine> Executor<L, C, Q> {
    /// Carries out a batch and returns where the stream has to resume.
    pub async fn execute(&self, batch: &mut DecodedBatch) -> BatchOutcome {
        let mut metrics = std::mem::take(&mut batch.metrics);
        let mut admission = self.admit(batch, &mut metrics).await;
        self.write(batch, &mut admission, &mut metrics).await;
        let outcome = admission.outcome;
        let resume = outcome.lowest_failed().map_or(batch.records.len(), RecordIndex::position);
        metrics.add(ConsumerMetric::FailedRecords, (batch.records.len() - resume) as u64);
        batch.metrics = metrics;
        outcome
    }

    /// Claims the records and quarantines what cannot be counted.
    async fn admit(&self, batch: &DecodedBatch, metrics: &mut BatchMetrics) -> Admission {
        let mut admission = Admission::default();
        for record in batch.records.iter().filter(|record| !record.is_countable) {
            admission.left_out.insert(record.index);
        }
        let results: Vec<_> = stream::iter(&batch.records)
            .filter(|record| std::future::ready(record.identity.is_some() || record.quarantine.is_some()))
            .map(|record| async move { (record, self.admit_record(batch, record).await) })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        for (record, result) in results {
            match result {
                Ok(Claim::Granted) => {
                    metrics.add(ConsumerMetric::QuarantinedRecords, u64::from(record.quarantine.is_some()));
                    metrics.add(
                        ConsumerMetric::ClaimWrites,
                        u64::from(self.claims.is_some() && record.identity.is_some()),
                    );
                }
                Ok(Claim::Duplicate) => {
                    metrics.add(ConsumerMetric::DuplicateRecords, 1);
                    admission.left_out.insert(record.index);
                }
                Err(error) => {
                    report(&error);
                    admission.outcome.fail(record.index);
                }
            }
        }
        admission
    }

    async fn admit_record(&self, batch: &DecodedBatch, record: &BatchRecord) -> Result<Claim, PortError> {
        if let (Some(claims), Some(identity)) = (&self.claims, &record.identity) {
            let sequence_number = batch.usage.sequence_number(record.index);
            let claim =
                claims.claim(identity, &batch.shard_id, sequence_number, record.arrived_at_ms).await?;
            if claim == Claim::Duplicate {
                return Ok(claim);
            }
        }
        if let Some(quarantined) = &record.quarantine {
            self.quarantine.keep(quarantined).await?;
        }
        Ok(Claim::Granted)
    }

    /// Writes the rows, from the records before the first failure.
    async fn write(&self, batch: &DecodedBatch, admission: &mut Admission, metrics: &mut BatchMetrics) {
        let Admission { outcome: admitted, left_out } = &*admission;
        let include = |record| admitted.admits(record) && !left_out.contains(&record);
        let include = &include;
        let results: Vec<RowResult> = stream::iter(batch.usage.rows())
            .map(|row| async move { self.write_row(batch, row, include).await })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        for result in results {
            metrics.add(ConsumerMetric::FencedUpdates, result.fenced);
            metrics.add(ConsumerMetric::LedgerWrites, result.written);
            metrics.add(ConsumerMetric::BillableCalls, result.calls);
            if let Some(record) = result.failed {
                admission.outcome.fail(record);
            }
        }
    }

    async fn write_row(
        &self,
        batch: &DecodedBatch,
        row: &RowUsage,
        include: &(impl Fn(RecordIndex) -> bool + Sync),
    ) -> RowResult {
        let mut result = RowResult::default();
        let (mut mark, mut blocked_at) = (None, None);
        for _ in 0..=MAX_REPLANS {
            let Some(update) = plan_row(&batch.usage, row, &batch.shard_id, include, mark.as_ref()) else {
                return result;
            };
            match self.ledger.apply(&update).await {
                Ok(LedgerReply::Applied) => {
                    return RowResult { written: 1, calls: update.total(), ..result };
                }
                Ok(LedgerReply::Fenced(stored)) => {
                    result.fenced += 1;
                    match judge(&update.first, &update.last, Some(&stored)) {
                        Fence::Skip => return result,
                        Fence::Replan => mark = Some(stored),
                        Fence::Apply => {
                            tracing::error!(
                                row = update.row.sort_key(),
                                "the ledger fenced an update above its row's mark"
                            );
                            return failed(result, &update);
                        }
                    }
                }
                Err(error) => {
                    report(&error);
                    return failed(result, &update);
                }
            }
            blocked_at = Some(update.first_record);
        }
        tracing::error!(day = %row.day, shard = batch.shard_id, "another writer moves this row's mark: one shard must have one consumer");
        RowResult { failed: blocked_at, ..result }
    }
}

fn failed(result: RowResult, update: &CounterUpdate) -> RowResult {
    RowResult { failed: Some(update.first_record), ..result }
}

/// Logs a failure: a refusal needs an operator, anything else passes.
fn report(error: &PortError) {
    let (PortError::Retryable { source, .. } | PortError::Refused { source, .. }) = error;
    match error {
        PortError::Refused { .. } => tracing::error!(cause = ?source, "{error}"),
        PortError::Retryable { .. } => {
            tracing::warn!(cause = ?source, "{error}; the records will be delivered again");
        }
    }
}
