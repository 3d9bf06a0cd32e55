//! The second step of a run: claims its calls, slice by slice.

use std::collections::VecDeque;

use super::request::{Continuation, Reply, Request};
use super::{BatchRun, MAX_CONFLICTS, Step};
use crate::aggregate::BatchUsage;
use crate::claims::layout::SliceKey;
use crate::claims::owner::{Purpose, RecordName, ShardName};
use crate::claims::slice_claim::{
    Counted, KnownOwners, Lookups, OwnerState, PageWrite, SliceClaim, SlicePlan, WantedCall,
};
use crate::ports::{RowRelease, WriteReply};
use crate::row_key::RowKey;
use crate::shard::QuarantinedPart;

/// The state of the claims of one slice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SliceWork {
    key: SliceKey,
    wanted_calls: Vec<WantedCall>,
    writes: VecDeque<PageWrite>,
    dropped: Vec<u32>,
    pending_lookups: usize,
    conflicts: u32,
    has_failed: bool,
}

impl KnownOwners for BatchRun<'_> {
    fn state(&self, owner: &RecordName) -> OwnerState {
        let head = if owner.shard == self.batch.shard {
            Some(&self.head)
        } else {
            self.owner_heads.get(&owner.shard)
        };
        match head {
            None => OwnerState::Unknown,
            Some(head) if head.gap_of(&owner.sequence_number).is_some() => OwnerState::GivenUp,
            Some(_) => OwnerState::Alive,
        }
    }

    fn puts_back(&self, record: u32, owner: &RecordName) -> bool {
        self.batch.records[record as usize].put_back_from.contains(owner)
    }

    fn counted(&self, owner: &RecordName, call: u32) -> Counted {
        let has_row = self.batch.usage.calls()[call as usize].has_row();
        match self.counted_by.get(&(owner.clone(), call)) {
            None if has_row => Counted::Unknown,
            None => Counted::Unknowable,
            Some(true) => Counted::Yes,
            Some(false) => Counted::No,
        }
    }
}

impl BatchRun<'_> {
    pub(super) fn claim(&mut self) {
        self.step = Step::Claim;
        self.is_owned_elsewhere.fill(false);
        self.slices = self.wanted_slices();
        for slice in 0..self.slices.len() {
            self.request(Request::ReadSlice(self.slices[slice].key), Continuation::Slice(slice));
        }
    }

    /// Returns the slices with the calls that the records before the first failure want to claim.
    fn wanted_slices(&self) -> Vec<SliceWork> {
        let usage = &self.batch.usage;
        // The mean number of calls, so that few lists have to grow.
        let expected = usage.calls().len().div_ceil(usage.slices().len().max(1));
        let lists = usage.slices().iter().map(|_| Vec::with_capacity(expected));
        let mut wanted_calls: Vec<Vec<WantedCall>> = lists.collect();
        for (place, call) in usage.calls().iter().enumerate() {
            let is_dropped = self.is_dropped[place];
            let position = call.record.position();
            let verdict = self.verdicts[position].as_ref();
            let is_kept = verdict.is_some_and(|verdict| !verdict.is_kept && keeps(&verdict.part, call.event));
            let is_settled = self.is_settled[position];
            if is_settled || !self.outcome.admits(call.record) || (is_dropped && !is_kept) {
                continue;
            }
            wanted_calls[BatchUsage::slice_index(call)].push(WantedCall {
                call: u32::try_from(place).unwrap_or(u32::MAX),
                id: call.id,
                record: u32::try_from(position).unwrap_or(u32::MAX),
                purpose: if is_kept { Purpose::Keep } else { Purpose::Count },
            });
        }
        let slices =
            usage.slices().iter().zip(wanted_calls).filter(|(_, wanted_calls)| !wanted_calls.is_empty());
        let work = |(key, wanted_calls): (&SliceKey, Vec<WantedCall>)| SliceWork {
            key: *key,
            wanted_calls,
            writes: VecDeque::new(),
            dropped: Vec::new(),
            pending_lookups: 0,
            conflicts: 0,
            has_failed: false,
        };
        slices.map(work).collect()
    }

    pub(super) fn on_slice_read(&mut self, slice: usize, reply: Reply) {
        let Reply::Slice(pages) = reply else { return self.fail_slice(slice) };
        let work = &self.slices[slice];
        let claim = SliceClaim {
            slice: work.key,
            records: &self.names,
            wanted_calls: &work.wanted_calls,
            expires_at_ms: self.expires_at_ms(),
        };
        let SlicePlan { writes, dropped, refused, lookups, is_outdated } = claim.plan(pages, self);
        if is_outdated {
            self.is_outdated = true;
        } else if lookups.is_empty() {
            self.refuse(&refused);
            let work = &mut self.slices[slice];
            (work.writes, work.dropped) = (writes.into(), dropped);
            self.write_next_page(slice);
        } else {
            self.look_up(slice, lookups);
        }
    }

    /// Records the calls for which a slice has no room. The verdicts change, so the records are judged
    /// again after the claims.
    fn refuse(&mut self, calls: &[u32]) {
        for call in calls {
            let is_refused = &mut self.is_refused[*call as usize];
            self.tally.refused_calls += u64::from(!*is_refused);
            *is_refused = true;
            self.is_outdated = true;
        }
    }

    /// Writes the next page of the slice. When all are written, the calls of the slice have owners.
    fn write_next_page(&mut self, slice: usize) {
        if let Some(write) = self.slices[slice].writes.pop_front() {
            self.request(Request::WritePage(write), Continuation::Page(slice));
            return;
        }
        let dropped = std::mem::take(&mut self.slices[slice].dropped);
        for call in dropped {
            self.is_dropped[call as usize] = true;
            self.is_owned_elsewhere[call as usize] = true;
        }
    }

    pub(super) fn on_page_written(&mut self, slice: usize, reply: &Reply) {
        match reply {
            Reply::Write(WriteReply::Written) => {
                self.tally.page_writes += 1;
                self.write_next_page(slice);
            }
            Reply::Write(WriteReply::Conflict) if self.slices[slice].conflicts < MAX_CONFLICTS => {
                self.slices[slice].conflicts += 1;
                self.tally.conflicts += 1;
                self.request(Request::ReadSlice(self.slices[slice].key), Continuation::Slice(slice));
            }
            _ => self.fail_slice(slice),
        }
    }

    /// Looks up what the plan of a slice depends on.
    fn look_up(&mut self, slice: usize, lookups: Lookups) {
        let mut releases = Vec::new();
        for (owner, call) in lookups.rows {
            match self.row_release(&owner, call) {
                Some(release) => releases.push((owner, call, release)),
                None => return self.fail_slice(slice),
            }
        }
        self.slices[slice].pending_lookups = lookups.shards.len() + releases.len();
        for shard in lookups.shards {
            self.request(Request::ReadHead(shard.clone()), Continuation::OwnerHead(slice, shard));
        }
        for (owner, call, release) in releases {
            self.request(Request::Release(release), Continuation::Released(slice, owner, call));
        }
    }

    /// Returns the request to a row for a given-up owner; `None` if the call has no row.
    fn row_release(&self, owner: &RecordName, call: u32) -> Option<RowRelease> {
        let breakdown = self.batch.usage.breakdown(&self.batch.usage.calls()[call as usize])?;
        let is_own = owner.shard == self.batch.shard;
        let head = if is_own { &self.head } else { self.owner_heads.get(&owner.shard)? };
        let gap = head.gap_of(&owner.sequence_number)?.clone();
        let earlier = head.gaps.iter().filter(|earlier| earlier.before < gap.before);
        Some(RowRelease {
            earlier_gaps: earlier.map(|earlier| earlier.number).collect(),
            row: RowKey { breakdown: breakdown.clone(), shard: owner.shard.clone() },
            record: owner.sequence_number.clone(),
            gap,
        })
    }

    pub(super) fn on_owner_head_read(&mut self, slice: usize, shard: ShardName, reply: Reply) {
        let Reply::Head(head) = reply else { return self.fail_slice(slice) };
        self.owner_heads.insert(shard, head.unwrap_or_default());
        self.on_lookup_done(slice);
    }

    pub(super) fn on_row_released(&mut self, slice: usize, owner: RecordName, call: u32, reply: &Reply) {
        let Reply::Released(has_counted) = reply else { return self.fail_slice(slice) };
        self.counted_by.insert((owner, call), *has_counted);
        self.on_lookup_done(slice);
    }

    /// Reads the slice again when its last lookup is done.
    fn on_lookup_done(&mut self, slice: usize) {
        let work = &mut self.slices[slice];
        work.pending_lookups = work.pending_lookups.saturating_sub(1);
        if work.pending_lookups == 0 && !work.has_failed {
            self.request(Request::ReadSlice(self.slices[slice].key), Continuation::Slice(slice));
        }
    }

    /// Requests that the records which want calls of a slice are delivered again.
    fn fail_slice(&mut self, slice: usize) {
        self.slices[slice].has_failed = true;
        let calls = self.batch.usage.calls();
        for wanted in &self.slices[slice].wanted_calls {
            self.outcome.fail(calls[wanted.call as usize].record);
        }
    }
}

/// Returns `true` if an event is claimed for the quarantine. A record that is in quarantine as a
/// whole claims no calls: its verdict suffices.
fn keeps(part: &QuarantinedPart, event: u32) -> bool {
    matches!(part, QuarantinedPart::Events(_)) && part.contains(event)
}
