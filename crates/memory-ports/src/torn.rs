//! A transaction of which reads show a part.
//!
//! DynamoDB isolates a transaction from a read of one item, and from each write, but not from reads
//! of several items: until the transaction has returned, they may show some of its writes and not the
//! others. Source: DynamoDB Developer Guide, "Isolation levels for DynamoDB transactions".

use std::collections::BTreeMap;

use metering_core::batch_run::{Reply, Request};
use metering_core::claims::owner::{RecordName, ShardName};
use metering_core::ports::WriteReply;
use metering_core::shard::{HeadWrite, ShardHead, Verdict};

use super::Store;

/// The head that reads show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
enum ShownHead {
    /// The one that the transaction writes.
    #[default]
    New,
    /// The one before, if there was one.
    Before(Option<ShardHead>),
}

/// The items of a head's transaction as they were before, of which reads show some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Torn {
    head: ShownHead,
    /// The hidden verdicts, with the ones before.
    verdicts: BTreeMap<RecordName, Option<Verdict>>,
}

impl Store {
    /// Carries out a write of a head with verdicts, and hides parts of it from reads until
    /// [`Self::show_torn`]. `hides` is called for the head and then for each verdict.
    pub fn write_torn(&mut self, write: &HeadWrite, mut hides: impl FnMut() -> bool) -> Reply {
        let before = self.head(&write.shard).cloned();
        let name =
            |number: &_| RecordName { shard: write.shard.clone(), sequence_number: Clone::clone(number) };
        let verdicts_before: Vec<(RecordName, Option<Verdict>)> = write
            .verdicts
            .iter()
            .map(|(number, _)| {
                (name(number), self.verdicts.get(&name(number)).map(|verdict| verdict.item.clone()))
            })
            .collect();
        let reply = self.carry_out(&Request::WriteHead(write.clone()));
        if reply == Reply::Write(WriteReply::Written) {
            let head = if hides() { ShownHead::Before(before) } else { ShownHead::New };
            let verdicts = verdicts_before.into_iter().filter(|_| hides()).collect();
            self.torn.insert(write.shard.clone(), Torn { head, verdicts });
        }
        reply
    }

    /// Shows all writes of a shard's torn transaction: it has returned.
    pub fn show_torn(&mut self, shard: &ShardName) {
        self.torn.remove(shard);
    }

    /// Returns the head that a read shows.
    pub(crate) fn visible_head(&self, shard: &ShardName) -> Option<ShardHead> {
        match self.torn.get(shard).map(|torn| &torn.head) {
            Some(ShownHead::Before(before)) => before.clone(),
            Some(ShownHead::New) | None => self.head(shard).cloned(),
        }
    }

    /// Returns the verdict that a read shows.
    pub(crate) fn visible_verdict(&self, record: &RecordName, present: &Verdict) -> Option<Verdict> {
        let hidden = self.torn.get(&record.shard).and_then(|torn| torn.verdicts.get(record));
        hidden.map_or_else(|| Some(present.clone()), Clone::clone)
    }

    /// Returns the reply to a write that conflicts with a transaction in progress; `None` if it does not.
    pub(crate) fn conflict(&self, request: &Request) -> Option<Reply> {
        match request {
            Request::WriteHead(write) if self.torn.contains_key(&write.shard) => {
                let is_transaction = !write.verdicts.is_empty();
                Some(if is_transaction { Reply::Write(WriteReply::Conflict) } else { Reply::Failed })
            }
            Request::MarkKept(record, _) if self.torn.contains_key(&record.shard) => Some(Reply::Failed),
            _ => None,
        }
    }
}
