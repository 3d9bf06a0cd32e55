//! A shard, and how the event source mapping reads it: as the local stack's
//! does, which its tests hold to the documented behaviour.

use std::collections::VecDeque;

/// A record of the stream.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// The keys of its calls.
    pub keys: Vec<u32>,
    /// When its first and its last call were answered, in microseconds.
    pub answered_us: (u64, u64),
}

/// What a reader does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It invokes the function with this many records.
    Invoke(usize),
    /// It reads again at this time.
    ReadAt(u64),
}

/// A shard with its reader.
#[derive(Debug, Default)]
pub(super) struct Shard {
    arrived: VecDeque<Record>,
    /// Records that were read and not delivered yet.
    buffer: VecDeque<Record>,
    window_ends_us: Option<u64>,
}

/// How a shard is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub batch_records: usize,
    pub batch_window_us: u64,
    pub poll_interval_us: u64,
}

impl Shard {
    pub fn arrive(&mut self, record: Record) {
        self.arrived.push_back(record);
    }

    /// Reads what has arrived, while no batch is in flight.
    pub fn read(&mut self, now_us: u64, reading: Reading) -> Next {
        self.buffer.append(&mut self.arrived);
        if self.buffer.len() >= reading.batch_records {
            return Next::Invoke(reading.batch_records);
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

    /// What was not delivered yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Record> {
        self.buffer.iter().chain(&self.arrived)
    }

    /// Takes a batch out; the next window begins with the next read.
    pub fn take(&mut self, records: usize) -> Vec<Record> {
        self.window_ends_us = None;
        self.buffer.drain(..records).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Reading = Reading { batch_records: 3, batch_window_us: 500, poll_interval_us: 200 };

    fn record() -> Record {
        Record { keys: vec![0], answered_us: (0, 0) }
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
        // A window of its own for what was left.
        assert_eq!(shard.read(1_000, READING), Next::ReadAt(1_200));
    }
}
