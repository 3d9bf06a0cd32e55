//! Plans the claims of one slice: the pages to write, and the calls that other records own.

use hashbrown::HashMap;

use crate::call_id::{CallId, CallIdHasherBuilder};
use crate::claims::layout::SliceKey;
use crate::claims::owner::{Owner, Purpose, RecordName, ShardName};
use crate::claims::page::{CLOSED_FROM_BYTES, MAX_PAGE_BYTES, Page, Run};

/// Maximum number of calls that are claimed in one slice.
///
/// Every batch with a call of a slice reads all of its pages, so the limit bounds the memory and the
/// time of a batch. A call takes 12 bytes. The limit is above 200,000 calls a second in slices of ten
/// seconds; only a producer whose lines all have one time reaches it otherwise.
pub const MAX_SLICE_CALLS: usize = 1 << 21;

/// A page as it was read from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPage {
    /// Index in the chain of the slice, counted from 0.
    pub number: u32,
    /// Version of the item. Every write raises it by one.
    pub version: u64,
    /// Time from which the item may be deleted, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// The claims in the item.
    pub page: Page,
}

/// One write of a page, with optimistic locking.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageWrite {
    /// The slice that the page is part of.
    pub slice: SliceKey,
    /// Index in the chain of the slice, counted from 0.
    pub number: u32,
    /// Version that the item must have; `None` if it must not exist.
    pub expected_version: Option<u64>,
    /// Time from which the item may be deleted, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// The claims to write.
    pub page: Page,
}

/// A call that a record wants to own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedCall {
    /// Index of the call in the batch.
    pub call: u32,
    /// Identity of the call.
    pub id: CallId,
    /// Index in [`SliceClaim::records`] of the record that wants the call.
    pub record: u32,
    /// Purpose for which the record wants the call.
    pub purpose: Purpose,
}

/// The state of a record that owns calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    /// The head of its shard has to be read first.
    Unknown,
    /// The record has counted its calls, or will.
    Alive,
    /// The record was given up: the stream was processed past it.
    GivenUp,
}

/// The answer to the question if a given-up record counted a call before it was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The row of the call has to be asked first.
    Unknown,
    /// The row is not known, because this version cannot read the key or the time of the call.
    Unknowable,
    /// The call is counted.
    Yes,
    /// The call is not counted, and the given-up record can no longer count it.
    No,
}

/// The known facts about other owners.
pub trait KnownOwners {
    /// Returns the state of another record.
    fn state(&self, owner: &RecordName) -> OwnerState;
    /// Returns `true` if the record with the index `record` in the batch puts back the calls of `owner`.
    fn puts_back(&self, record: u32, owner: &RecordName) -> bool;
    /// Returns if the given-up record `owner` counted the call with the index `call` in the batch.
    fn counted(&self, owner: &RecordName, call: u32) -> Counted;
}

/// The lookups that are needed before the calls of a slice can be claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Shards whose heads have to be read.
    pub shards: Vec<ShardName>,
    /// Given-up owners, each with the index of a call whose row has to be asked.
    pub rows: Vec<(RecordName, u32)>,
}

impl Lookups {
    /// Returns `true` if no lookup is needed.
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty() && self.rows.is_empty()
    }
}

/// The plan for one slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlicePlan {
    /// Pages to write, one after the other. The calls are owned when all are written. If a write
    /// conflicts, the slice has to be read and planned again.
    pub writes: Vec<PageWrite>,
    /// Calls that another record owns, by index in the batch.
    pub dropped: Vec<u32>,
    /// Calls to be counted for which the slice has no room, by index in the batch. They go to
    /// quarantine. No invocation has counted them: each of them finds the slice full.
    pub refused: Vec<u32>,
    /// Lookups to do first. If there are any, the rest of the plan is void.
    pub lookups: Lookups,
    /// `true` if another run of the same records has changed their verdicts since. The records
    /// have to be judged again, and the rest of the plan is void.
    pub is_outdated: bool,
}

/// The calls that a batch wants to claim in one slice.
#[derive(Debug)]
pub struct SliceClaim<'a> {
    /// The slice that the calls are in.
    pub slice: SliceKey,
    /// All records of the batch, in order.
    pub records: &'a [RecordName],
    /// The wanted calls, in the order of the batch.
    pub wanted_calls: &'a [WantedCall],
    /// Time until which the claims have to be kept, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// The position of a call in the pages.
struct Place {
    page: usize,
    run: usize,
    /// `true` once a record of this batch owns the call.
    is_taken: bool,
}

impl SliceClaim<'_> {
    /// Plans the claims, given the stored pages of the slice.
    pub fn plan(&self, stored: Vec<StoredPage>, owners: &impl KnownOwners) -> SlicePlan {
        let mut places = places(&stored, self.wanted_calls);
        let records = self.wanted_calls.chunk_by(|one, next| one.record == next.record).count();
        let mut chain = Chain::new(stored, self.wanted_calls.len().div_ceil(records.max(1)));
        let mut plan = SlicePlan::default();
        // A record may have a call twice, countable and bad. The countable one is claimed.
        for purpose in [Purpose::Count, Purpose::Keep] {
            for wanted in self.wanted_calls.iter().filter(|wanted| wanted.purpose == purpose) {
                let record = &self.records[wanted.record as usize];
                match places.entry(wanted.id).or_default() {
                    Some(place) => claim_known(wanted, record, place, &mut chain, owners, &mut plan),
                    None if chain.calls >= MAX_SLICE_CALLS => {
                        // A call in quarantine needs no owner: whoever puts it back claims it.
                        if wanted.purpose == Purpose::Count {
                            plan.refused.push(wanted.call);
                        }
                    }
                    place @ None => {
                        let page = chain.open_page();
                        *place = Some(chain.add(page, wanted, wanted.purpose, record));
                        chain.calls += 1;
                    }
                }
            }
        }
        plan.writes = chain.writes(self.slice, self.expires_at_ms);
        plan
    }
}

/// Claims a call that is in a page already, or appears twice in the batch.
fn claim_known(
    wanted: &WantedCall,
    record: &RecordName,
    place: &mut Place,
    chain: &mut Chain,
    owners: &impl KnownOwners,
    plan: &mut SlicePlan,
) {
    if place.is_taken {
        plan.dropped.push(wanted.call);
        return;
    }
    let owner = &chain.pages[place.page].page.runs[place.run].owner;
    match decide(wanted, record, owner, owners) {
        ClaimDecision::Owned => place.is_taken = true,
        ClaimDecision::TakeOver(purpose) => {
            chain.remove(place, wanted.id);
            *place = chain.add(place.page, wanted, purpose, record);
        }
        ClaimDecision::OwnedElsewhere => plan.dropped.push(wanted.call),
        ClaimDecision::Outdated => plan.is_outdated = true,
        ClaimDecision::LookUpShard => {
            if !plan.lookups.shards.contains(&owner.record.shard) {
                plan.lookups.shards.push(owner.record.shard.clone());
            }
        }
        ClaimDecision::LookUpRow => plan.lookups.rows.push((owner.record.clone(), wanted.call)),
    }
}

enum ClaimDecision {
    Owned,
    TakeOver(Purpose),
    OwnedElsewhere,
    Outdated,
    LookUpShard,
    LookUpRow,
}

/// Decides about a call that has an owner already.
///
/// Several invocations may process one record at once, and one may see owners that another did not
/// see yet. A call that one of them leaves out must not be counted by another: the high-water mark
/// of a row says that the record was counted, but not with which calls. A call that was claimed to
/// be counted therefore moves only to a record that puts its owner back. Such a record exists only
/// after the owner was given up, or after the row refused the call.
///
/// A call that was only ever in quarantine may be counted by any record that can count it. If none
/// can yet, the latest record owns it: the quarantined copy of the previous owner may be gone,
/// because it was put back.
fn decide(
    wanted: &WantedCall,
    record: &RecordName,
    owner: &Owner,
    owners: &impl KnownOwners,
) -> ClaimDecision {
    let is_own = owner.record == *record;
    match (wanted.purpose, owner.purpose) {
        (Purpose::Count, Purpose::Count)
        | (Purpose::Keep | Purpose::Refused, Purpose::Keep | Purpose::Refused)
            if is_own =>
        {
            ClaimDecision::Owned
        }
        // The row has refused the call of another run of the record.
        (Purpose::Count, _) if is_own => ClaimDecision::Outdated,
        // The row refused the call after it was claimed to be counted.
        (_, Purpose::Count) if is_own => ClaimDecision::TakeOver(Purpose::Refused),
        (wanted_purpose, Purpose::Keep) => ClaimDecision::TakeOver(wanted_purpose),
        _ if !owners.puts_back(wanted.record, &owner.record) => ClaimDecision::OwnedElsewhere,
        (Purpose::Count, Purpose::Refused) => ClaimDecision::TakeOver(Purpose::Count),
        (_, Purpose::Refused) => ClaimDecision::TakeOver(Purpose::Refused),
        (wanted_purpose, Purpose::Count) => match owners.state(&owner.record) {
            OwnerState::Unknown => ClaimDecision::LookUpShard,
            OwnerState::Alive if wanted_purpose == Purpose::Count => ClaimDecision::OwnedElsewhere,
            // The owner may have been given up so long ago that its gap is forgotten.
            OwnerState::Alive => ClaimDecision::Owned,
            OwnerState::GivenUp => match owners.counted(&owner.record, wanted.call) {
                Counted::Unknown => ClaimDecision::LookUpRow,
                Counted::Unknowable => ClaimDecision::Owned,
                Counted::Yes => ClaimDecision::OwnedElsewhere,
                Counted::No if wanted_purpose == Purpose::Count => ClaimDecision::TakeOver(Purpose::Count),
                // Another invocation of this record may still want to count the call.
                Counted::No => ClaimDecision::TakeOver(Purpose::Refused),
            },
        },
    }
}

/// Returns the place of each wanted call; `None` for a call that nobody has claimed.
fn places(
    stored: &[StoredPage],
    wanted_calls: &[WantedCall],
) -> HashMap<CallId, Option<Place>, CallIdHasherBuilder> {
    let mut places = HashMap::with_capacity_and_hasher(wanted_calls.len(), CallIdHasherBuilder::default());
    places.extend(wanted_calls.iter().map(|wanted| (wanted.id, None)));
    for (page, stored) in stored.iter().enumerate() {
        for (run, claimed) in stored.page.runs.iter().enumerate() {
            for id in &claimed.ids {
                if let Some(place) = places.get_mut(id) {
                    *place = Some(Place { page, run, is_taken: false });
                }
            }
        }
    }
    places
}

/// The pages of the slice, with the planned changes.
struct Chain {
    pages: Vec<StoredPage>,
    is_changed: Vec<bool>,
    /// Upper bound of the stored length of each page.
    bytes: Vec<usize>,
    /// Number of calls in all pages.
    calls: usize,
    /// Mean number of calls of a record, for which a new run has room.
    calls_per_record: usize,
    /// The run that took the last call: its page, and the record and the purpose of its owner.
    latest: Option<(usize, u32, Purpose)>,
}

impl Chain {
    fn new(pages: Vec<StoredPage>, calls_per_record: usize) -> Self {
        let bytes = pages.iter().map(|stored| stored.page.encoded_bytes()).collect();
        let calls = pages.iter().flat_map(|stored| &stored.page.runs).map(|run| run.ids.len()).sum();
        let is_changed = vec![false; pages.len()];
        Self { pages, is_changed, bytes, calls, calls_per_record, latest: None }
    }

    /// Returns the page that takes new calls; appends one if the last is closed.
    fn open_page(&mut self) -> usize {
        let last = self.pages.len().wrapping_sub(1);
        if let Some(stored) = self.pages.last_mut() {
            stored.page.is_closed |= self.bytes[last] >= MAX_PAGE_BYTES;
            if !stored.page.is_closed {
                return last;
            }
        }
        // Pages before the last may have expired, so the number is not the length of the chain.
        let number = self.pages.last().map_or(0, |stored| stored.number.saturating_add(1));
        self.pages.push(StoredPage { number, version: 0, expires_at_ms: 0, page: Page::default() });
        self.is_changed.push(false);
        self.bytes.push(Page::default().encoded_bytes());
        last.wrapping_add(1)
    }

    /// Adds a call to a page, owned by the record that wants it.
    fn add(&mut self, page: usize, wanted: &WantedCall, purpose: Purpose, record: &RecordName) -> Place {
        let latest = (page, wanted.record, purpose);
        let runs = &mut self.pages[page].page.runs;
        if self.latest != Some(latest) || runs.is_empty() {
            let owner = Owner { purpose, record: record.clone() };
            if runs.last().is_none_or(|last| last.owner != owner) {
                let run = Run { owner, ids: Vec::with_capacity(self.calls_per_record) };
                self.bytes[page] += run.encoded_bytes();
                runs.push(run);
            }
            self.latest = Some(latest);
        }
        let run = runs.len() - 1;
        runs[run].ids.push(wanted.id);
        self.bytes[page] += CallId::BYTES;
        self.is_changed[page] = true;
        Place { page, run, is_taken: true }
    }

    fn remove(&mut self, place: &Place, id: CallId) {
        self.pages[place.page].page.runs[place.run].ids.retain(|other| *other != id);
    }

    fn writes(self, slice: SliceKey, expires_at_ms: i64) -> Vec<PageWrite> {
        let pages = self.pages.into_iter().zip(self.is_changed).zip(self.bytes);
        pages
            .filter(|((_, is_changed), _)| *is_changed)
            .map(|((stored, _), bytes)| {
                let mut page = stored.page;
                page.runs.retain(|run| !run.ids.is_empty());
                page.is_closed |= bytes >= CLOSED_FROM_BYTES;
                PageWrite {
                    slice,
                    number: stored.number,
                    expected_version: (stored.version > 0).then_some(stored.version),
                    expires_at_ms: stored.expires_at_ms.max(expires_at_ms),
                    page,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
