//! The second step of a run: owners for its calls, slice by slice.

use std::collections::VecDeque;

use super::{BatchRun, MAX_CONFLICTS, Reply, Request, Step, Task};
use crate::aggregate::BatchUsage;
use crate::claims::layout::SliceKey;
use crate::claims::owner::{Purpose, RecordName, ShardName};
use crate::claims::slice_claim::{
    Counted, Knowledge, OwnerState, PageWrite, Questions, SliceClaim, SlicePlan, Wish,
};
use crate::ports::{RowRelease, WriteReply};
use crate::shard::QuarantinedPart;
use crate::update_plan::RowKey;

/// The claims of one slice, under work.
#[derive(Debug)]
pub(super) struct SliceWork {
    key: SliceKey,
    wishes: Vec<Wish>,
    writes: VecDeque<PageWrite>,
    dropped: Vec<u32>,
    open_questions: usize,
    conflicts: u32,
    has_failed: bool,
}

impl Knowledge for BatchRun<'_> {
    fn state(&self, owner: &RecordName) -> OwnerState {
        let head = if owner.shard == self.batch.shard {
            Some(&self.head)
        } else {
            self.owners_heads.get(&owner.shard)
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
        self.is_anothers.fill(false);
        self.slices = self.wishes();
        for slice in 0..self.slices.len() {
            self.request(Request::ReadSlice(self.slices[slice].key), Task::Slice(slice));
        }
    }

    /// What the records before the first failure want of each slice.
    fn wishes(&self) -> Vec<SliceWork> {
        let usage = &self.batch.usage;
        let mut wishes: Vec<Vec<Wish>> = vec![Vec::new(); usage.slices().len()];
        for (place, call) in usage.calls().iter().enumerate() {
            let is_dropped = self.is_dropped[place];
            let position = call.record.position();
            let verdict = self.verdicts[position].as_ref();
            let is_kept = verdict.is_some_and(|verdict| !verdict.is_kept && keeps(&verdict.part, call.event));
            let is_settled = self.is_settled[position];
            if is_settled || !self.outcome.admits(call.record) || (is_dropped && !is_kept) {
                continue;
            }
            wishes[BatchUsage::slice_place(call)].push(Wish {
                call: u32::try_from(place).unwrap_or(u32::MAX),
                id: call.id,
                record: u32::try_from(position).unwrap_or(u32::MAX),
                purpose: if is_kept { Purpose::Keep } else { Purpose::Count },
            });
        }
        let slices = usage.slices().iter().zip(wishes).filter(|(_, wishes)| !wishes.is_empty());
        let work = |(key, wishes): (&SliceKey, Vec<Wish>)| SliceWork {
            key: *key,
            wishes,
            writes: VecDeque::new(),
            dropped: Vec::new(),
            open_questions: 0,
            conflicts: 0,
            has_failed: false,
        };
        slices.map(work).collect()
    }

    pub(super) fn slice_is_read(&mut self, slice: usize, reply: Reply) {
        let Reply::Slice(pages) = reply else { return self.fail_slice(slice) };
        let work = &self.slices[slice];
        let claim = SliceClaim {
            slice: work.key,
            records: &self.names,
            wishes: &work.wishes,
            expires_at_ms: self.expires_at_ms(),
        };
        let SlicePlan { writes, dropped, questions, is_outdated } = claim.plan(pages, self);
        if is_outdated {
            self.is_outdated = true;
        } else if questions.is_empty() {
            let work = &mut self.slices[slice];
            (work.writes, work.dropped) = (writes.into(), dropped);
            self.write_next_page(slice);
        } else {
            self.ask(slice, questions);
        }
    }

    /// Writes the slice's next page; when there is none, its calls have their owners.
    fn write_next_page(&mut self, slice: usize) {
        if let Some(write) = self.slices[slice].writes.pop_front() {
            self.request(Request::WritePage(write), Task::Page(slice));
            return;
        }
        let dropped = std::mem::take(&mut self.slices[slice].dropped);
        for call in dropped {
            self.is_dropped[call as usize] = true;
            self.is_anothers[call as usize] = true;
        }
    }

    pub(super) fn page_is_written(&mut self, slice: usize, reply: &Reply) {
        match reply {
            Reply::Write(WriteReply::Written) => {
                self.tally.page_writes += 1;
                self.write_next_page(slice);
            }
            Reply::Write(WriteReply::Conflict) if self.slices[slice].conflicts < MAX_CONFLICTS => {
                self.slices[slice].conflicts += 1;
                self.tally.conflicts += 1;
                self.request(Request::ReadSlice(self.slices[slice].key), Task::Slice(slice));
            }
            _ => self.fail_slice(slice),
        }
    }

    fn ask(&mut self, slice: usize, questions: Questions) {
        let mut releases = Vec::new();
        for (owner, call) in questions.rows {
            match self.row_release(&owner, call) {
                Some(release) => releases.push((owner, call, release)),
                None => return self.fail_slice(slice),
            }
        }
        self.slices[slice].open_questions = questions.shards.len() + releases.len();
        for shard in questions.shards {
            self.request(Request::ReadHead(shard.clone()), Task::OwnersHead(slice, shard));
        }
        for (owner, call, release) in releases {
            self.request(Request::Release(release), Task::Released(slice, owner, call));
        }
    }

    fn row_release(&self, owner: &RecordName, call: u32) -> Option<RowRelease> {
        let (api_key_id, day) = self.batch.usage.key_and_day(&self.batch.usage.calls()[call as usize])?;
        let is_own = owner.shard == self.batch.shard;
        let head = if is_own { &self.head } else { self.owners_heads.get(&owner.shard)? };
        let gap = head.gap_of(&owner.sequence_number)?.clone();
        let earlier = head.gaps.iter().filter(|earlier| earlier.before < gap.before);
        Some(RowRelease {
            earlier_gaps: earlier.map(|earlier| earlier.number).collect(),
            row: RowKey { api_key_id: api_key_id.into(), day, shard: owner.shard.clone() },
            record: owner.sequence_number.clone(),
            gap,
        })
    }

    pub(super) fn owners_head_is_read(&mut self, slice: usize, shard: ShardName, reply: Reply) {
        let Reply::Head(head) = reply else { return self.fail_slice(slice) };
        self.owners_heads.insert(shard, head.unwrap_or_default());
        self.question_is_answered(slice);
    }

    pub(super) fn row_is_released(&mut self, slice: usize, owner: RecordName, call: u32, reply: &Reply) {
        let Reply::Released(has_counted) = reply else { return self.fail_slice(slice) };
        self.counted_by.insert((owner, call), *has_counted);
        self.question_is_answered(slice);
    }

    /// Reads the slice again when all that was asked about it is known.
    fn question_is_answered(&mut self, slice: usize) {
        let work = &mut self.slices[slice];
        work.open_questions = work.open_questions.saturating_sub(1);
        if work.open_questions == 0 && !work.has_failed {
            self.request(Request::ReadSlice(self.slices[slice].key), Task::Slice(slice));
        }
    }

    /// Has the records delivered again that want calls of a slice.
    fn fail_slice(&mut self, slice: usize) {
        self.slices[slice].has_failed = true;
        let calls = self.batch.usage.calls();
        for wish in &self.slices[slice].wishes {
            self.outcome.fail(calls[wish.call as usize].record);
        }
    }
}

/// Whether an event is claimed for the quarantine. Of a record that is there as
/// a whole no call is: it is known by its verdict.
fn keeps(part: &QuarantinedPart, event: u32) -> bool {
    matches!(part, QuarantinedPart::Events(_)) && part.contains(event)
}
