//! The stream: shards, their records, and the batches that Lambda makes of them.

use std::collections::VecDeque;
use std::ops::Range;

use aws_lambda_events::kinesis::KinesisEvent;
use memory_ports::delivery::{StreamRecord, kinesis_event};

/// The stream.
pub const STREAM_ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/usage";

/// A shard, and where its event source mapping stands.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    /// The id.
    pub id: String,
    /// Every record that it ever had.
    pub records: Vec<StreamRecord>,
    /// How many of its records the stream has forgotten.
    pub forgotten: usize,
    /// Whether it was split or merged: no record comes any more.
    pub is_closed: bool,
    /// The shards that it came from. They are read to their ends first.
    pub parents: Vec<usize>,
    /// The first record that was never handed over.
    pub next: usize,
    /// Stretches of records that are to be handed over again, in order.
    pub retries: VecDeque<Range<usize>>,
    /// The invocation whose answer the mapping awaits.
    pub live: Option<u64>,
}

impl Shard {
    /// A shard without records.
    pub fn new(index: usize, parents: Vec<usize>) -> Self {
        Self { id: format!("shardId-{index:012}"), parents, ..Self::default() }
    }

    /// Whether a batch waits to be handed over.
    pub fn has_batch(&self) -> bool {
        self.live.is_none() && (!self.retries.is_empty() || self.next < self.records.len())
    }

    /// Whether its last record has been dealt with.
    pub fn is_read_to_its_end(&self) -> bool {
        self.is_closed && self.live.is_none() && !self.has_batch()
    }

    /// The records of the next batch, at most `limit` of those that are new.
    pub fn take_batch(&mut self, limit: usize) -> Range<usize> {
        self.retries.pop_front().unwrap_or_else(|| {
            let batch = self.next..self.records.len().min(self.next + limit);
            self.next = batch.end;
            batch
        })
    }

    /// The first record that is not dealt with; `live` are the records of the live invocation.
    pub fn checkpoint(&self, live: Option<&Range<usize>>) -> usize {
        let waiting = self.retries.iter().chain(live).map(|batch| batch.start).min();
        waiting.unwrap_or(self.next)
    }

    /// Has the mapping read on from a record; what it awaited, it forgets.
    pub fn read_from(&mut self, record: usize) {
        self.live = None;
        self.retries.clear();
        self.next = record;
    }

    /// The event that hands a batch over.
    pub fn event(&self, batch: Range<usize>) -> KinesisEvent {
        kinesis_event(STREAM_ARN, &self.id, &self.records[batch])
    }
}
