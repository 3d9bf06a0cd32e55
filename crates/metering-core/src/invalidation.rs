//! The invalidation log: what follows from a change of a key.
//!
//! Every change of a key adds one entry to a log whose sequence rises by one,
//! in the same transaction, and gives the key that sequence as its version. An
//! instance that knows of entry `n` for a key must not use any copy of it with
//! a lower version, wherever the copy comes from: its own cache, a lagging
//! index, a read that was under way. So much is a tombstone (for a deleted key, a
//! tombstone).
//!
//! Reads beside the transaction may see its parts in any mixture until it has
//! returned. Two rules make up for that:
//! - a change begins only when the key of the change before it is written, so
//!   that at most the last entry's key can still be read as it was;
//! - the last entry is read again each time until another follows it, which
//!   keeps its tombstone and shows whether this is still the same log.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::clock_reading::ClockReading;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogEntry {
    /// Its place in the log; the first is 1.
    pub sequence: u64,
    /// The key that was changed.
    pub key_id: String,
    /// When it was changed, in milliseconds since 1970.
    pub changed_at_ms: i64,
}

/// What a strongly consistent read of the log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRead {
    /// The sequence of the last entry ever written; 0 where there is none.
    pub head: u64,
    /// The entries after the position that was asked for, in order. The head
    /// repeats the last entry, so that one is among them in any case.
    pub entries: Vec<LogEntry>,
}

impl LogRead {
    /// The entry with this sequence, if the read has it.
    pub fn entry(&self, sequence: u64) -> Option<&LogEntry> {
        self.entries.iter().find(|entry| entry.sequence == sequence)
    }

    /// Whether every entry after `position` is here, up to the head. It is not
    /// where entries have expired or were lost, where a change jumped over
    /// sequences, or where a write was seen half done.
    pub fn is_whole_after(&self, position: u64) -> bool {
        let sequences = self.entries.iter().map(|entry| entry.sequence);
        self.head >= position
            && sequences.take_while(|sequence| *sequence <= self.head).eq(position + 1..=self.head)
    }
}

/// The lowest version of each recently changed key that may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstones {
    by_key: HashMap<String, (u64, ClockReading)>,
    /// In the order in which they can be forgotten.
    order: VecDeque<(ClockReading, String)>,
}

impl Tombstones {
    /// The lowest version of a key that may be used.
    pub fn min_version(&self, key_id: &str) -> u64 {
        self.by_key.get(key_id).map_or(0, |(sequence, _)| *sequence)
    }

    /// Raises the tombstone of a key; never lowers it. Raising it to where it is
    /// keeps it for longer.
    pub fn raise(&mut self, key_id: &str, sequence: u64, now: ClockReading) {
        if let Some(tombstone) = self.by_key.get_mut(key_id) {
            if sequence < tombstone.0 || *tombstone == (sequence, now) {
                return;
            }
            *tombstone = (sequence, now);
        } else {
            self.by_key.insert(key_id.to_owned(), (sequence, now));
        }
        match self.order.back_mut() {
            // The last entry of the log, at each read of it.
            Some((raised, last)) if last == key_id => *raised = now,
            _ => self.order.push_back((now, key_id.to_owned())),
        }
    }

    /// Forgets the tombstones that were surely raised longer than this ago.
    pub fn forget_older_than(&mut self, retention_ms: u64, now: ClockReading) {
        while let Some((raised, _)) = self.order.front() {
            if now.least_age_ms(*raised) <= retention_ms {
                return;
            }
            let Some((raised, key_id)) = self.order.pop_front() else { return };
            // It may have been raised again since.
            if self.by_key.get(&key_id).is_some_and(|(_, last)| *last == raised) {
                self.by_key.remove(&key_id);
            }
        }
    }

    /// How many there are, those that were raised again included.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All of them, in the order of their keys.
    pub fn sorted(&self) -> Vec<(String, u64, ClockReading)> {
        let mut tombstones: Vec<_> =
            self.by_key.iter().map(|(key, (sequence, raised))| (key.clone(), *sequence, *raised)).collect();
        tombstones.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        tombstones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> ClockReading {
        ClockReading { wall_ms: i64::try_from(milliseconds).unwrap(), monotonic_ms: milliseconds }
    }

    #[test]
    fn a_read_is_whole_only_without_a_gap() {
        let read = |head, sequences: &[u64]| {
            let entry =
                |sequence: &u64| LogEntry { sequence: *sequence, key_id: String::new(), changed_at_ms: 0 };
            LogRead { head, entries: sequences.iter().map(entry).collect() }
        };
        assert!(read(0, &[]).is_whole_after(0));
        assert!(read(3, &[3]).is_whole_after(2));
        assert!(read(5, &[3, 4, 5]).is_whole_after(2));
        assert!(read(3, &[3, 4]).is_whole_after(2), "a head that lags an entry");
        assert!(!read(5, &[3, 5]).is_whole_after(2), "expired, not yet visible, or jumped over");
        assert!(!read(5, &[5]).is_whole_after(2));
        assert!(!read(3, &[]).is_whole_after(2));
        assert!(!read(1, &[]).is_whole_after(2), "another log");
        assert!(!read(1, &[3]).is_whole_after(2), "another log, and a head that lags an entry");
        assert_eq!(read(5, &[3, 4, 5]).entry(4).unwrap().sequence, 4);
        assert_eq!(read(5, &[3, 4, 5]).entry(6), None);
    }

    #[test]
    fn a_floor_only_rises_and_is_kept_from_its_last_rise() {
        let mut tombstones = Tombstones::default();
        tombstones.raise("a", 5, at(0));
        tombstones.raise("a", 3, at(10));
        tombstones.raise("b", 6, at(10));
        tombstones.raise("a", 7, at(20));
        assert_eq!(
            (tombstones.min_version("a"), tombstones.min_version("b"), tombstones.min_version("c")),
            (7, 6, 0)
        );
        tombstones.forget_older_than(15, at(25));
        assert_eq!((tombstones.min_version("a"), tombstones.min_version("b")), (7, 6));
        tombstones.forget_older_than(15, at(26));
        assert_eq!((tombstones.min_version("a"), tombstones.min_version("b")), (7, 0));
        tombstones.raise("a", 7, at(30));
        tombstones.forget_older_than(15, at(45));
        assert_eq!((tombstones.min_version("a"), tombstones.len()), (7, 1), "the same entry, read again");
        tombstones.forget_older_than(15, at(46));
        assert!(tombstones.is_empty() && tombstones.min_version("a") == 0);
    }
}
