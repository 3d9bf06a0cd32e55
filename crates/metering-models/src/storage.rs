//! The storage: the tables in memory, whose rules a test can remove one at a time.

use std::borrow::Cow;

use memory_ports::Store;
use metering_core::batch_run::{Reply, Request};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::RecordName;
use metering_core::claims::slice_claim::StoredPage;
use metering_core::ports::{LedgerReply, QuarantinedRecord, RowRelease, WriteReply};
use metering_core::shard::{HeadWrite, QuarantinedPart};

use crate::batches::{ARRIVED_AT_MS, Delivery};

/// A rule that a test removes. A rule in `metering-core` is removed by a mutant instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A row takes an update only if its high-water mark is below the first record.
    Fence,
    /// An update that a row fences off is planned again from the records above the mark.
    Replan,
    /// Claims are written before calls are counted.
    Claim,
    /// A page is written only if nobody else has written it since it was read.
    PageCondition,
    /// A head is written only if nobody else has written it since it was read.
    HeadCondition,
    /// Verdicts are kept, and every later run reads them.
    VerdictKept,
    /// A record that is put back names the record from which its calls come.
    HandOver,
    /// Given-up records are marked as a gap before they are put back.
    Gap,
    /// A row is asked about a given-up record, before the calls of the record are taken over.
    RowAsked,
    /// A row that does not count a given-up record is fenced against its late writes.
    RowFenced,
    /// A row keeps the high-water mark that it had before a gap.
    MarkBeforeGap,
}

/// A request to the storage, with all that it takes to carry it out.
#[expect(clippy::large_enum_variant, reason = "the larger variant is the usual one")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A request to the tables.
    Tables(Request),
    /// A write to the quarantine. The payload has a byte for each call.
    Keep(QuarantinedRecord),
}

impl Operation {
    /// Returns the operation that a run requests.
    pub fn of(request: Request, delivery: &Delivery) -> Self {
        let Request::Keep(record, part) = request else { return Self::Tables(request) };
        let record = &delivery.records[record.position()];
        let payload = match part {
            QuarantinedPart::Whole => record.calls.clone(),
            QuarantinedPart::Events(events) => {
                events.iter().map(|event| record.calls[*event as usize]).collect()
            }
        };
        Self::Keep(QuarantinedRecord {
            record: record.name(delivery.shard),
            arrived_at_ms: ARRIVED_AT_MS,
            put_back_from: record.put_back_from.clone(),
            reason: Cow::Borrowed(""),
            detail: String::new(),
            payload,
        })
    }

    /// Carries out an operation that reads, without one of the rules; `None` if it writes.
    pub fn read(&self, store: &Store, without: Option<Rule>) -> Option<Reply> {
        match (self, without) {
            (Self::Tables(Request::ReadVerdicts(..)), Some(Rule::VerdictKept)) => {
                Some(Reply::Verdicts(Vec::new()))
            }
            (Self::Tables(request), _) => store.read(request),
            (Self::Keep(_), _) => None,
        }
    }

    /// Returns `true` if the operation can change the storage.
    pub fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Tables(Request::ReadHead(_) | Request::ReadVerdicts(..) | Request::ReadSlice(_))
        )
    }

    /// Carries out an operation that writes, without one of the rules.
    pub fn write(&self, store: &mut Store, without: Option<Rule>) -> Reply {
        let request = match self {
            Self::Keep(record) => {
                let place = store.quarantine.partition_point(|kept| order(kept) < order(record));
                store.quarantine.insert(place, record.clone());
                return Reply::Done;
            }
            Self::Tables(request) => request,
        };
        match without {
            Some(rule) => carry_out_without(rule, request, store),
            None => store.carry_out(request),
        }
    }
}

/// Returns the pages of a slice.
pub fn pages_of(store: &Store, slice: SliceKey) -> Vec<StoredPage> {
    let Some(Reply::Slice(pages)) = store.read(&Request::ReadSlice(slice)) else { return Vec::new() };
    pages
}

/// The quarantine has no order. States are equal if it has the same records.
fn order(kept: &QuarantinedRecord) -> (&RecordName, &[u8]) {
    (&kept.record, &kept.payload)
}

fn carry_out_without(rule: Rule, request: &Request, store: &mut Store) -> Reply {
    match (rule, request) {
        (Rule::Fence, Request::Apply(update)) => {
            if let Some(row) = store.rows.get_mut(&update.row) {
                row.mark = None;
            }
            store.carry_out(request)
        }
        (Rule::Replan, Request::Apply(_)) => match store.carry_out(request) {
            Reply::Ledger(LedgerReply::Fenced(_)) => Reply::Ledger(LedgerReply::Applied),
            reply => reply,
        },
        (Rule::Claim, Request::WritePage(_)) => Reply::Write(WriteReply::Written),
        (Rule::PageCondition, Request::WritePage(write)) => {
            let pages = pages_of(store, write.slice);
            let present = pages.iter().find(|page| page.number == write.number).map(|page| page.version);
            let mut write = write.clone();
            write.expected_version = present;
            store.carry_out(&Request::WritePage(write))
        }
        (Rule::HeadCondition, Request::WriteHead(write)) => {
            let mut write: HeadWrite = write.clone();
            write.head.version = store.head(&write.shard).map_or(0, |head| head.version);
            store.carry_out(&Request::WriteHead(write))
        }
        (Rule::RowAsked, Request::Release(_)) => Reply::Released(false),
        (Rule::RowFenced, Request::Release(RowRelease { row, record, gap, .. })) => {
            let row = store.rows.get(row);
            let before_gap = row.and_then(|row| row.gaps.get(&gap.number).unwrap_or(&row.mark).as_ref());
            Reply::Released(before_gap.is_some_and(|mark| mark >= record))
        }
        (Rule::MarkBeforeGap, Request::Apply(update)) => {
            let mut update = update.clone();
            update.gaps.clear();
            store.carry_out(&Request::Apply(update))
        }
        _ => store.carry_out(request),
    }
}
