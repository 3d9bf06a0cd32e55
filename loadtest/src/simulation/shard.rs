//! A shard and its reader, the event source mapping. It behaves like the local
//! stack's, whose tests check the documented behaviour.

use std::collections::VecDeque;

use local_stack::lambda::MAX_BATCH_BYTES;

/// The size of a record, which decides with others when a batch is full.
pub(super) trait DataSize {
    /// Returns the size of the record's data, in bytes.
    fn bytes(&self) -> usize;
}

/// A record of the stream.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// Index of the key of each call.
    pub keys: Vec<u32>,
    pub answered: AnsweredSpan,
}

/// Number of calls of each record whose freshness is recorded.
const SAMPLES_PER_RECORD: u64 = 3;

impl DataSize for Record {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most some KB")]
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred events")]
    fn bytes(&self) -> usize {
        cost_model::Workload::new(1.0, 1.0).record_bytes(self.keys.len() as f64) as usize
    }
}

impl Record {
    /// Returns the answer times of the calls whose freshness is recorded.
    pub fn samples_us(&self) -> impl Iterator<Item = u64> {
        let AnsweredSpan { first_us, last_us } = self.answered;
        (0..SAMPLES_PER_RECORD)
            .map(move |sample| first_us + (last_us - first_us) * sample / (SAMPLES_PER_RECORD - 1))
    }
}

/// The times at which the calls of a record were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AnsweredSpan {
    pub first_us: u64,
    pub last_us: u64,
}

/// The next action of a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Invoke the function with this number of records.
    Invoke(usize),
    /// Read again at this time, in microseconds.
    ReadAt(u64),
}

/// A shard of records `R` with its reader.
#[derive(Debug)]
pub(super) struct Shard<R> {
    arrived: VecDeque<R>,
    /// Records that were read and not yet passed to an invocation.
    buffer: VecDeque<R>,
    /// End of the batch window; `None` if no window is open.
    window_ends_us: Option<u64>,
}

impl<R> Default for Shard<R> {
    fn default() -> Self {
        Self { arrived: VecDeque::new(), buffer: VecDeque::new(), window_ends_us: None }
    }
}

/// The settings of a reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub batch_records: usize,
    pub batch_window_us: u64,
    pub poll_interval_us: u64,
}

impl<R: DataSize> Shard<R> {
    pub fn arrive(&mut self, record: R) {
        self.arrived.push_back(record);
    }

    /// Reads the records that have arrived. Must not be called while a batch is in flight.
    pub fn read(&mut self, now_us: u64, reading: Reading) -> Next {
        self.buffer.append(&mut self.arrived);
        if let Some(records) = self.full_batch(reading.batch_records) {
            return Next::Invoke(records);
        }
        if self.buffer.is_empty() {
            return Next::ReadAt(now_us + reading.poll_interval_us);
        }
        let ends_us = *self.window_ends_us.get_or_insert(now_us + reading.batch_window_us);
        if ends_us <= now_us {
            return Next::Invoke(self.buffer.len());
        }
        Next::ReadAt(ends_us.min(now_us + reading.poll_interval_us))
    }

    /// Returns the number of records of a batch that takes no more, if there is one. As in the local stack, a
    /// record that exceeds the limit is the first of the next batch.
    fn full_batch(&self, batch_records: usize) -> Option<usize> {
        let mut bytes = 0;
        let mut fitting = 0;
        for record in self.buffer.iter().take(batch_records) {
            bytes += record.bytes();
            if bytes > MAX_BATCH_BYTES {
                return Some(fitting.max(1));
            }
            fitting += 1;
        }
        (fitting == batch_records).then_some(fitting)
    }

    /// Returns the records that were not yet passed to an invocation.
    pub fn waiting(&self) -> impl Iterator<Item = &R> {
        self.buffer.iter().chain(&self.arrived)
    }

    /// Removes and returns a batch. The next read opens a new window.
    pub fn take(&mut self, records: usize) -> Vec<R> {
        self.window_ends_us = None;
        self.buffer.drain(..records).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Reading = Reading { batch_records: 3, batch_window_us: 500, poll_interval_us: 200 };

    fn record() -> Record {
        Record { keys: vec![0], answered: AnsweredSpan { first_us: 0, last_us: 0 } }
    }

    #[test]
    fn a_batch_ends_with_its_window_or_when_it_is_full() {
        let mut shard = Shard::default();
        assert_eq!(shard.read(0, READING), Next::ReadAt(200));
        shard.arrive(record());
        assert_eq!(shard.read(200, READING), Next::ReadAt(400));
        assert_eq!(shard.read(600, READING), Next::ReadAt(700));
        assert_eq!(shard.read(700, READING), Next::Invoke(1));
        assert_eq!(shard.take(1).len(), 1);
        for _ in 0..4 {
            shard.arrive(record());
        }
        assert_eq!(shard.read(900, READING), Next::Invoke(3));
        shard.take(3);
        // The remaining record opens a new window.
        assert_eq!(shard.read(1_000, READING), Next::ReadAt(1_200));
    }

    #[test]
    fn a_batch_ends_when_it_has_as_many_bytes_as_an_event_takes() {
        struct Large(usize);
        impl DataSize for Large {
            fn bytes(&self) -> usize {
                self.0
            }
        }
        let reading = Reading { batch_records: 10, ..READING };
        let mut shard = Shard::default();
        for bytes in [MAX_BATCH_BYTES - 1, 1, 1, MAX_BATCH_BYTES + 1] {
            shard.arrive(Large(bytes));
        }
        assert_eq!(shard.read(0, reading), Next::Invoke(2));
        shard.take(2);
        assert_eq!(shard.read(0, reading), Next::Invoke(1));
        shard.take(1);
        assert_eq!(shard.read(0, reading), Next::Invoke(1), "a record alone is a batch");
        shard.take(1);
        assert_eq!(shard.read(0, reading), Next::ReadAt(200));
    }
}
