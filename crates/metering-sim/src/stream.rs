//! The stream: shards, their records, and the batches that Lambda forms.

use std::collections::VecDeque;
use std::ops::Range;

use aws_lambda_events::kinesis::KinesisEvent;
use memory_ports::delivery::{StreamRecord, kinesis_event};

/// The ARN of the simulated stream.
pub const STREAM_ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/usage";

/// A shard, and the position of the event source mapping in it.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    /// The shard id, as in `shardId-000000000000`.
    pub id: String,
    /// All records that were ever put on the shard.
    pub records: Vec<StreamRecord>,
    /// Number of records that have expired.
    pub forgotten: usize,
    /// `true` if the shard was split or merged, and gets no more records.
    pub is_closed: bool,
    /// Indexes of the parent shards, which are read to their end first.
    pub parents: Vec<usize>,
    /// Index of the first record that was in no batch yet.
    pub next: usize,
    /// Ranges of records to deliver again, in order.
    pub retries: VecDeque<Range<usize>>,
    /// The invocation whose response the mapping waits for.
    pub live: Option<u64>,
}

impl Shard {
    /// Creates a shard without records.
    pub fn new(index: usize, parents: Vec<usize>) -> Self {
        Self { id: format!("shardId-{index:012}"), parents, ..Self::default() }
    }

    /// Returns `true` if a batch can be delivered.
    pub fn has_batch(&self) -> bool {
        self.live.is_none() && (!self.retries.is_empty() || self.next < self.records.len())
    }

    /// Returns `true` if the shard is closed and all of its records are processed.
    pub fn is_read_to_end(&self) -> bool {
        self.is_closed && self.live.is_none() && !self.has_batch()
    }

    /// Takes the next batch: a retry, or else at most `limit` new records.
    pub fn take_batch(&mut self, limit: usize) -> Range<usize> {
        self.retries.pop_front().unwrap_or_else(|| {
            let batch = self.next..self.records.len().min(self.next + limit);
            self.next = batch.end;
            batch
        })
    }

    /// Returns the index of the first unprocessed record. `live` are the records of the live invocation.
    pub fn checkpoint(&self, live: Option<&Range<usize>>) -> usize {
        let waiting = self.retries.iter().chain(live).map(|batch| batch.start).min();
        waiting.unwrap_or(self.next)
    }

    /// Moves the mapping to a record. It no longer waits for an invocation.
    pub fn read_from(&mut self, record: usize) {
        self.live = None;
        self.retries.clear();
        self.next = record;
    }

    /// Returns the Lambda event of a batch.
    pub fn event(&self, batch: Range<usize>) -> KinesisEvent {
        kinesis_event(STREAM_ARN, &self.id, &self.records[batch])
    }
}
