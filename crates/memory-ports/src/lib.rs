//! The ports of the consumer in memory, for tests and simulations, with exactly
//! the conditions that DynamoDB evaluates, and the stored results of the reconciler.
//!
//! A test of `metering-aws` compares the results with the embedded DynamoDB.

pub mod delivery;
pub mod reconciliation;
mod torn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metering_core::batch_run::{Reply, Request};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::{RecordName, ShardName};
use metering_core::claims::page::Page;
use metering_core::claims::slice_claim::{PageWrite, StoredPage};
use metering_core::class_lists::ClassLists;
use metering_core::fingerprint::Fingerprint;
use metering_core::ports::{
    ClaimStore, LedgerReply, PortError, Quarantine, QuarantinedRecord, RowRelease, UsageLedger, WriteReply,
};
use metering_core::row_key::RowKey;
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{HeadWrite, QuarantinedPart, ShardHead, Verdict};
use metering_core::update_plan::CounterUpdate;
use metering_core::window::{HOURS_PER_DAY, UtcDay};

use torn::Torn;

/// A row of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The high-water mark; `None` if the row does not exist.
    pub mark: Option<SequenceNumber>,
    /// The mark before each gap, by number; `None` if the row did not exist before the gap.
    pub gaps: BTreeMap<u32, Option<SequenceNumber>>,
    /// Number of calls per hour.
    pub hours: [u64; HOURS_PER_DAY],
    /// Length of the responses of each hour, in bytes.
    pub response_bytes: [u64; HOURS_PER_DAY],
    /// Fingerprint of the calls of all hours.
    pub fingerprint: Fingerprint,
    /// Request time of the latest call, in milliseconds since 1970.
    pub last_call_ms: i64,
}

/// An item with a time to live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Expiring<T> {
    item: T,
    expires_at_ms: i64,
}

/// A slice and the number of a page in it.
type PageKey = (SliceKey, u32);
/// The version of a page and its encoded form.
type PageItem = (u64, Vec<u8>);

/// The tables and the quarantine behind the ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Store {
    /// The rows of the ledger.
    pub rows: BTreeMap<RowKey, Row>,
    /// The records in quarantine.
    pub quarantine: Vec<QuarantinedRecord>,
    /// Number of writes to the quarantine.
    pub keeps: u64,
    /// The lists of route classes.
    pub class_lists: ClassLists,
    /// `true` if the lists of route classes cannot be read.
    pub are_class_lists_failing: bool,
    /// Keys for whose rows every request fails.
    pub failing_keys: BTreeSet<String>,
    /// Keys whose rows refuse updates.
    pub refused_keys: BTreeSet<String>,
    /// `true` if every write to the quarantine fails.
    pub is_quarantine_failing: bool,
    heads: BTreeMap<ShardName, Expiring<ShardHead>>,
    verdicts: BTreeMap<RecordName, Expiring<Verdict>>,
    pages: BTreeMap<PageKey, Expiring<PageItem>>,
    /// Transactions of which reads show a part, by the shard of their head.
    torn: BTreeMap<ShardName, Torn>,
}

impl Store {
    /// Returns the number of calls of a key in all rows.
    pub fn total(&self, api_key_id: &str) -> u64 {
        let rows = self.rows.iter().filter(|(row, _)| &*row.key().api_key_id == api_key_id);
        rows.flat_map(|(_, row)| row.hours).sum()
    }

    /// Returns the number of calls by key, day and hour, without hours that have none.
    pub fn counts(&self) -> BTreeMap<(String, UtcDay, usize), u64> {
        let mut counts = BTreeMap::new();
        for (key, row) in self.rows_of_keys() {
            for (hour, calls) in row.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
                *counts.entry((key.key().api_key_id.to_string(), key.day(), hour)).or_default() += calls;
            }
        }
        counts
    }

    /// Returns the rows of keys, without the rows of totals.
    pub fn rows_of_keys(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        self.rows.iter().filter(|(row, _)| !row.key().is_totals())
    }

    /// Returns the head of a shard.
    pub fn head(&self, shard: &ShardName) -> Option<&ShardHead> {
        self.heads.get(shard).map(|head| &head.item)
    }

    /// Deletes all claims whose time to live has ended at `now_ms`, in milliseconds since 1970.
    pub fn expire(&mut self, now_ms: i64) {
        self.heads.retain(|_, head| head.expires_at_ms > now_ms);
        self.verdicts.retain(|_, verdict| verdict.expires_at_ms > now_ms);
        self.pages.retain(|_, page| page.expires_at_ms > now_ms);
    }

    /// Returns the bytes of all pages of claims, and the number of pages.
    pub fn pages(&self) -> (usize, usize) {
        (self.pages.values().map(|page| page.item.1.len()).sum(), self.pages.len())
    }

    /// Carries out a request. [`Request::Keep`] does nothing, because it has no
    /// payload; the caller has to use [`Self::keep`].
    pub fn carry_out(&mut self, request: &Request) -> Reply {
        if let Some(reply) = self.conflict(request) {
            return reply;
        }
        match request {
            Request::ReadHead(_) | Request::ReadVerdicts(..) | Request::ReadSlice(_) => {
                self.read(request).unwrap_or(Reply::Failed)
            }
            Request::WriteHead(write) => Reply::Write(self.write_head(write)),
            Request::WritePage(write) => Reply::Write(self.write_page(write)),
            Request::Release(release) => Reply::Released(self.release(release)),
            Request::Keep(..) => Reply::Done,
            Request::MarkKept(record, part) => Reply::Write(self.mark_kept(record, part)),
            Request::Apply(update) if self.failing_keys.contains(&*update.row.key().api_key_id) => {
                Reply::Failed
            }
            Request::Apply(update) => self.apply(update).map_or(Reply::Invalid, Reply::Ledger),
        }
    }

    /// Carries out a request that reads; `None` if the request writes.
    pub fn read(&self, request: &Request) -> Option<Reply> {
        match request {
            Request::ReadHead(shard) => Some(Reply::Head(self.visible_head(shard))),
            Request::ReadVerdicts(shard, first, last) => {
                Some(Reply::Verdicts(self.read_verdicts(shard, first, last)))
            }
            Request::ReadSlice(slice) => Some(Reply::Slice(self.read_slice(*slice))),
            _ => None,
        }
    }

    /// Adds a record to the quarantine.
    pub fn keep(&mut self, record: &QuarantinedRecord) {
        self.keeps += 1;
        self.quarantine.push(record.clone());
    }

    fn read_verdicts(
        &self,
        shard: &ShardName,
        first: &SequenceNumber,
        last: &SequenceNumber,
    ) -> Vec<(SequenceNumber, Verdict)> {
        let name =
            |number: &SequenceNumber| RecordName { shard: shard.clone(), sequence_number: number.clone() };
        let verdicts = self.verdicts.range(name(first)..=name(last));
        let visible = verdicts.filter_map(|(record, verdict)| {
            Some((record.sequence_number.clone(), self.visible_verdict(record, &verdict.item)?))
        });
        visible.collect()
    }

    fn write_head(&mut self, write: &HeadWrite) -> WriteReply {
        let present = self.head(&write.shard).map_or(0, |head| head.version);
        if present != write.head.version {
            return WriteReply::Conflict;
        }
        let expires_at_ms = write.expires_at_ms;
        let head = ShardHead { version: present + 1, ..write.head.clone() };
        self.heads.insert(write.shard.clone(), Expiring { item: head, expires_at_ms });
        for (sequence_number, verdict) in &write.verdicts {
            let record = RecordName { shard: write.shard.clone(), sequence_number: sequence_number.clone() };
            self.verdicts.insert(record, Expiring { item: verdict.clone(), expires_at_ms });
        }
        WriteReply::Written
    }

    fn mark_kept(&mut self, record: &RecordName, part: &QuarantinedPart) -> WriteReply {
        match self.verdicts.get_mut(record) {
            Some(verdict) if verdict.item.part == *part => {
                verdict.item.is_kept = true;
                WriteReply::Written
            }
            _ => WriteReply::Conflict,
        }
    }

    fn read_slice(&self, slice: SliceKey) -> Vec<StoredPage> {
        let pages = self.pages.range((slice, 0)..=(slice, u32::MAX));
        let stored = |((_, number), page): (&PageKey, &Expiring<PageItem>)| StoredPage {
            number: *number,
            version: page.item.0,
            expires_at_ms: page.expires_at_ms,
            page: Page::decode(&page.item.1).unwrap_or_default(),
        };
        pages.map(stored).collect()
    }

    fn write_page(&mut self, write: &PageWrite) -> WriteReply {
        let key = (write.slice, write.number);
        let present = self.pages.get(&key).map(|page| page.item.0);
        if present != write.expected_version {
            return WriteReply::Conflict;
        }
        let item = (present.unwrap_or(0) + 1, write.page.encode());
        self.pages.insert(key, Expiring { item, expires_at_ms: write.expires_at_ms });
        WriteReply::Written
    }

    /// Updates a row if the ledger's condition is true: `attribute_not_exists(seq) OR
    /// seq < :first`. Returns `None` if the row refuses the update. DynamoDB
    /// evaluates the condition first, so a row that is too large for an update still
    /// fences off updates that it has counted.
    fn apply(&mut self, update: &CounterUpdate) -> Option<LedgerReply> {
        let present = self.rows.get(&update.row).and_then(|row| row.mark.as_ref());
        if let Some(mark) = present
            && mark.storage_form() >= update.first.storage_form()
        {
            return Some(LedgerReply::Fenced(mark.clone()));
        }
        if self.refused_keys.contains(&*update.row.key().api_key_id) {
            return None;
        }
        let row = self.rows.entry(update.row.clone()).or_default();
        for gap in &update.gaps {
            row.gaps.entry(*gap).or_insert_with(|| row.mark.clone());
        }
        for (total, bytes) in row.response_bytes.iter_mut().zip(*update.response_bytes) {
            *total += bytes;
        }
        for (total, calls) in row.hours.iter_mut().zip(update.hours) {
            *total += calls;
        }
        row.fingerprint += update.fingerprint;
        row.mark = Some(update.last.clone());
        row.last_call_ms = row.last_call_ms.max(update.last_call_ms);
        Some(LedgerReply::Applied)
    }

    fn release(&mut self, release: &RowRelease) -> bool {
        let row = self.rows.entry(release.row.clone()).or_default();
        let fence = release.gap.before.predecessor();
        let before_gap = row.gaps.get(&release.gap.number).cloned().unwrap_or_else(|| {
            let mark = row.mark.clone();
            if mark.as_ref().is_none_or(|mark| *mark < fence) {
                for gap in release.earlier_gaps.iter().chain([&release.gap.number]) {
                    row.gaps.entry(*gap).or_insert_with(|| mark.clone());
                }
                row.mark = Some(fence);
            }
            mark
        });
        before_gap.is_some_and(|mark| mark >= release.record)
    }
}

/// All ports, on one shared store.
#[derive(Debug, Clone, Default)]
pub struct MemoryPorts(Arc<Mutex<Store>>);

impl MemoryPorts {
    /// Locks the store behind the ports.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of calls of a key in all rows.
    pub fn total(&self, api_key_id: &str) -> u64 {
        self.store().total(api_key_id)
    }

    /// Returns the number of writes to the quarantine.
    pub fn keeps(&self) -> u64 {
        self.store().keeps
    }

    /// Returns the reason of each record in quarantine.
    pub fn quarantine_reasons(&self) -> Vec<String> {
        self.store().quarantine.iter().map(|record| record.reason.to_string()).collect()
    }
}

fn outage(operation: &str) -> PortError {
    PortError::Retryable { operation: operation.to_owned(), source: "a simulated outage".into() }
}

impl ClaimStore for MemoryPorts {
    async fn read_class_lists(&self) -> Result<ClassLists, PortError> {
        let store = self.store();
        if store.are_class_lists_failing {
            return Err(outage("reading the route classes"));
        }
        Ok(store.class_lists.clone())
    }

    async fn read_head(&self, shard: &ShardName) -> Result<Option<ShardHead>, PortError> {
        Ok(self.store().head(shard).cloned())
    }

    async fn read_verdicts(
        &self,
        shard: &ShardName,
        first: &SequenceNumber,
        last: &SequenceNumber,
    ) -> Result<Vec<(SequenceNumber, Verdict)>, PortError> {
        Ok(self.store().read_verdicts(shard, first, last))
    }

    async fn write_head(&self, write: &HeadWrite) -> Result<WriteReply, PortError> {
        Ok(self.store().write_head(write))
    }

    async fn mark_kept(&self, record: &RecordName, part: &QuarantinedPart) -> Result<WriteReply, PortError> {
        Ok(self.store().mark_kept(record, part))
    }

    async fn read_slice(&self, slice: SliceKey) -> Result<Vec<StoredPage>, PortError> {
        Ok(self.store().read_slice(slice))
    }

    async fn write_page(&self, write: &PageWrite) -> Result<WriteReply, PortError> {
        Ok(self.store().write_page(write))
    }
}

impl UsageLedger for MemoryPorts {
    async fn apply(&self, update: &CounterUpdate) -> Result<LedgerReply, PortError> {
        let mut store = self.store();
        if store.failing_keys.contains(&*update.row.key().api_key_id) {
            return Err(outage("updating a row"));
        }
        store.apply(update).ok_or_else(|| PortError::Invalid {
            operation: "updating a row".to_owned(),
            source: "a simulated refusal".into(),
        })
    }

    async fn release(&self, release: &RowRelease) -> Result<bool, PortError> {
        Ok(self.store().release(release))
    }
}

impl Quarantine for MemoryPorts {
    async fn keep(&self, record: &QuarantinedRecord) -> Result<(), PortError> {
        let mut store = self.store();
        if store.is_quarantine_failing {
            return Err(outage("keeping a record"));
        }
        store.keep(record);
        Ok(())
    }
}
