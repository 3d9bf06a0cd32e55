//! Gives the calls of one slice their owners: which pages to write, and which
//! calls are then whose.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::call_id::{CallId, CallIdHasherBuilder};
use crate::claims::layout::SliceKey;
use crate::claims::owner::{Owner, Purpose, RecordName, ShardName};
use crate::claims::page::{CLOSED_FROM_BYTES, MAX_PAGE_BYTES, Page, Run};

/// A page as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPage {
    /// Place in the slice's chain, counted from 0.
    pub number: u32,
    /// Version of the item; every write raises it by one.
    pub version: u64,
    /// When the item may be deleted, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// The claims.
    pub page: Page,
}

/// One write of a page, with optimistic locking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageWrite {
    /// The slice.
    pub slice: SliceKey,
    /// Place in the slice's chain, counted from 0.
    pub number: u32,
    /// Version that the item must have; `None` where it must not exist.
    pub expected_version: Option<u64>,
    /// When the item may be deleted, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// The claims.
    pub page: Page,
}

/// A call that a record wants to own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Place of the call in the batch; it comes back in the answer.
    pub call: u32,
    /// The call.
    pub id: CallId,
    /// Place in [`SliceClaim::records`] of the record that wants it.
    pub record: u32,
    /// What the record wants it for.
    pub purpose: Purpose,
}

/// Whether a record can still count what it claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    /// Its shard has to be asked.
    Unknown,
    /// It has counted its calls or will.
    Alive,
    /// It was given up: the stream went on behind it.
    GivenUp,
}

/// Whether a given-up record counted a call before it was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The ledger's row has to be asked.
    Unknown,
    /// The row cannot be asked: this version cannot read which it is.
    Unknowable,
    /// The call is counted.
    Yes,
    /// The call is not counted, and the given-up record cannot count it any more.
    No,
}

/// What is known of other owners.
pub trait Knowledge {
    /// The state of another record.
    fn state(&self, owner: &RecordName) -> OwnerState;
    /// Whether a record of the batch, by its place, puts back the calls of another.
    fn puts_back(&self, record: u32, owner: &RecordName) -> bool;
    /// Whether a given-up record counted the batch's call `call`.
    fn counted(&self, owner: &RecordName, call: u32) -> Counted;
}

/// What has to be found out before calls can be claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// Shards whose heads have to be read.
    pub shards: Vec<ShardName>,
    /// Given-up owners and calls whose rows have to be asked.
    pub rows: Vec<(RecordName, u32)>,
}

impl Questions {
    /// Whether there is nothing to find out.
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty() && self.rows.is_empty()
    }
}

/// The plan for one slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlicePlan {
    /// Pages to write, one after the other. Only when all are written are the
    /// calls owned; where one was changed meanwhile, the slice has to be read
    /// and planned again.
    pub writes: Vec<PageWrite>,
    /// Calls that belong to another record.
    pub dropped: Vec<u32>,
    /// What has to be found out first; nothing else of the plan counts then.
    pub questions: Questions,
    /// Whether another run of the same records has changed their verdicts
    /// since: they have to be judged again, and nothing of the plan counts.
    pub is_outdated: bool,
}

/// The claims that a batch wants in one slice.
#[derive(Debug)]
pub struct SliceClaim<'a> {
    /// The slice.
    pub slice: SliceKey,
    /// The records of the batch.
    pub records: &'a [RecordName],
    /// What they want, in the order of the batch.
    pub wishes: &'a [Wish],
    /// Until when a claim has to be kept, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// Where a call stands in the pages.
struct Place {
    page: usize,
    run: usize,
    /// Whether a call of this batch has been found to be this one.
    is_taken: bool,
}

impl SliceClaim<'_> {
    /// Plans the claims on what the store has of the slice.
    pub fn plan(&self, stored: Vec<StoredPage>, knowledge: &impl Knowledge) -> SlicePlan {
        let mut places = places(&stored, self.wishes.len());
        let mut chain = Chain::new(stored);
        let mut plan = SlicePlan::default();
        // What is counted goes before what is kept, should a record have a call twice.
        for purpose in [Purpose::Count, Purpose::Keep] {
            for wish in self.wishes.iter().filter(|wish| wish.purpose == purpose) {
                let record = &self.records[wish.record as usize];
                match places.entry(wish.id) {
                    Entry::Vacant(vacant) => {
                        let page = chain.open_page();
                        vacant.insert(chain.add(page, wish, wish.purpose, record));
                    }
                    Entry::Occupied(mut place) => {
                        claim_known(wish, record, place.get_mut(), &mut chain, knowledge, &mut plan);
                    }
                }
            }
        }
        plan.writes = chain.writes(self.slice, self.expires_at_ms);
        plan
    }
}

/// Claims a call that is in a page already, or twice in the batch.
fn claim_known(
    wish: &Wish,
    record: &RecordName,
    place: &mut Place,
    chain: &mut Chain,
    knowledge: &impl Knowledge,
    plan: &mut SlicePlan,
) {
    if place.is_taken {
        plan.dropped.push(wish.call);
        return;
    }
    let owner = &chain.pages[place.page].page.runs[place.run].owner;
    match verdict(wish, record, owner, knowledge) {
        Verdict::Mine => place.is_taken = true,
        Verdict::TakeOver(purpose) => {
            chain.remove(place, wish.id);
            *place = chain.add(place.page, wish, purpose, record);
        }
        Verdict::Anothers => plan.dropped.push(wish.call),
        Verdict::Outdated => plan.is_outdated = true,
        Verdict::AskShard => {
            if !plan.questions.shards.contains(&owner.record.shard) {
                plan.questions.shards.push(owner.record.shard.clone());
            }
        }
        Verdict::AskRow => plan.questions.rows.push((owner.record.clone(), wish.call)),
    }
}

enum Verdict {
    Mine,
    TakeOver(Purpose),
    Anothers,
    Outdated,
    AskShard,
    AskRow,
}

/// Decides about a call that has an owner already.
///
/// Several invocations may work on one record at once, and one of them may see
/// owners that another did not see yet. What one has left out, no other may
/// count: the record's rows tell that it was counted, not with which calls. An
/// owner that has claimed to count a call therefore gives it to nobody but a
/// record that puts its calls back, which exists only after it was given up,
/// or refused the call.
///
/// A call that only the quarantine ever had may be counted by any record that
/// is able to. What nobody can count yet, the latest record keeps: the copy of
/// the one before may be gone, because it was put back.
fn verdict(wish: &Wish, record: &RecordName, owner: &Owner, knowledge: &impl Knowledge) -> Verdict {
    let is_own = owner.record == *record;
    match (wish.purpose, owner.purpose) {
        (Purpose::Count, Purpose::Count)
        | (Purpose::Keep | Purpose::Refused, Purpose::Keep | Purpose::Refused)
            if is_own =>
        {
            Verdict::Mine
        }
        // A row has refused the call to another run of the record.
        (Purpose::Count, _) if is_own => Verdict::Outdated,
        // A row refused the call, after it was claimed to be counted.
        (_, Purpose::Count) if is_own => Verdict::TakeOver(Purpose::Refused),
        (wished, Purpose::Keep) => Verdict::TakeOver(wished),
        _ if !knowledge.puts_back(wish.record, &owner.record) => Verdict::Anothers,
        (Purpose::Count, Purpose::Refused) => Verdict::TakeOver(Purpose::Count),
        (_, Purpose::Refused) => Verdict::TakeOver(Purpose::Refused),
        (wished, Purpose::Count) => match knowledge.state(&owner.record) {
            OwnerState::Unknown => Verdict::AskShard,
            OwnerState::Alive if wished == Purpose::Count => Verdict::Anothers,
            // It may have been given up so long ago that nobody knows any more.
            OwnerState::Alive => Verdict::Mine,
            OwnerState::GivenUp => match knowledge.counted(&owner.record, wish.call) {
                Counted::Unknown => Verdict::AskRow,
                Counted::Unknowable => Verdict::Mine,
                Counted::Yes => Verdict::Anothers,
                Counted::No if wished == Purpose::Count => Verdict::TakeOver(Purpose::Count),
                // Another invocation of this record may yet want to count it.
                Counted::No => Verdict::TakeOver(Purpose::Refused),
            },
        },
    }
}

fn places(stored: &[StoredPage], wishes: usize) -> HashMap<CallId, Place, CallIdHasherBuilder> {
    let known: usize = stored.iter().flat_map(|page| &page.page.runs).map(|run| run.ids.len()).sum();
    let mut places = HashMap::with_capacity_and_hasher(known + wishes, CallIdHasherBuilder::default());
    for (page, stored) in stored.iter().enumerate() {
        for (run, claimed) in stored.page.runs.iter().enumerate() {
            places.extend(claimed.ids.iter().map(|id| (*id, Place { page, run, is_taken: false })));
        }
    }
    places
}

/// The pages of the slice, under work.
struct Chain {
    pages: Vec<StoredPage>,
    is_changed: Vec<bool>,
    /// Length of each page when it is stored, at most.
    bytes: Vec<usize>,
    /// The run that took the last call: its page, and the record and purpose it is for.
    latest: Option<(usize, u32, Purpose)>,
}

impl Chain {
    fn new(pages: Vec<StoredPage>) -> Self {
        let bytes = pages.iter().map(|stored| stored.page.encoded_bytes()).collect();
        Self { is_changed: vec![false; pages.len()], pages, bytes, latest: None }
    }

    /// The page that takes new calls.
    fn open_page(&mut self) -> usize {
        let last = self.pages.len().wrapping_sub(1);
        if let Some(stored) = self.pages.last_mut() {
            stored.page.is_closed |= self.bytes[last] >= MAX_PAGE_BYTES;
            if !stored.page.is_closed {
                return last;
            }
        }
        // Pages before the last may have expired.
        let number = self.pages.last().map_or(0, |stored| stored.number.saturating_add(1));
        self.pages.push(StoredPage { number, version: 0, expires_at_ms: 0, page: Page::default() });
        self.is_changed.push(false);
        self.bytes.push(Page::default().encoded_bytes());
        last.wrapping_add(1)
    }

    /// Adds a call to a page, for the record that wants it.
    fn add(&mut self, page: usize, wish: &Wish, purpose: Purpose, record: &RecordName) -> Place {
        let latest = (page, wish.record, purpose);
        let runs = &mut self.pages[page].page.runs;
        if self.latest != Some(latest) || runs.is_empty() {
            let owner = Owner { purpose, record: record.clone() };
            if runs.last().is_none_or(|last| last.owner != owner) {
                let run = Run { owner, ids: Vec::new() };
                self.bytes[page] += run.encoded_bytes();
                runs.push(run);
            }
            self.latest = Some(latest);
        }
        let run = runs.len() - 1;
        runs[run].ids.push(wish.id);
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
