//! The invalidation log and its tombstones.
//!
//! Every change of a key appends one entry to the log, whose sequence rises by one. In the same
//! transaction the key gets the sequence as its version. An instance that knows entry `n` of a key
//! must not use a copy of the key with a lower version, be it in the cache, in the lagging index,
//! or in a read that was in flight. This minimum version of a recently changed key is its
//! **tombstone**.
//!
//! Concurrent reads may see any part of the transaction until it has returned. Two rules compensate
//! for that:
//! - A change begins only when the key of the change before it is written. Thus only the key of the
//!   last entry can still be read as it was before.
//! - Each read of the log returns the last known entry again, until another entry follows. This
//!   renews the tombstone of the last entry, and verifies that the log is still the same.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::clock_reading::ClockReading;

/// An entry of the log: one change of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogEntry {
    /// Position in the log. The first entry has 1.
    pub sequence: u64,
    /// The key that was changed.
    pub key_id: String,
    /// Time of the change, in milliseconds since 1970.
    pub changed_at_ms: i64,
}

/// The result of a strongly consistent read of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRead {
    /// The sequence of the last entry ever written; 0 for an empty log.
    pub head: u64,
    /// The entries after the requested position, in order. The item of the head repeats the last
    /// entry, so the last entry is included even if it has expired.
    pub entries: Vec<LogEntry>,
}

impl LogRead {
    /// Returns the entry with this sequence, if the read has it.
    pub fn entry(&self, sequence: u64) -> Option<&LogEntry> {
        self.entries.iter().find(|entry| entry.sequence == sequence)
    }

    /// Returns `true` if the read has every entry after `position` up to the head. Entries are
    /// missing if they have expired or were lost, if a change skipped sequences, or if a
    /// transaction was seen in part.
    pub fn is_whole_after(&self, position: u64) -> bool {
        let sequences = self.entries.iter().map(|entry| entry.sequence);
        self.head >= position
            && sequences.take_while(|sequence| *sequence <= self.head).eq(position + 1..=self.head)
    }
}

/// The tombstones of an instance: for each recently changed key, the minimum version that may be
/// used.
///
/// ```
/// use metering_core::clock_reading::ClockReading;
/// use metering_core::invalidation::Tombstones;
///
/// let at = |ms: u32| ClockReading { wall_ms: ms.into(), monotonic_ms: ms.into() };
/// let mut tombstones = Tombstones::default();
/// tombstones.raise("key-1", 7, at(0));
/// tombstones.raise("key-1", 5, at(10)); // an older change, learned late
/// assert_eq!(tombstones.min_version("key-1"), 7);
/// assert_eq!(tombstones.min_version("key-2"), 0); // not changed: any version may be used
///
/// tombstones.forget_older_than(1_000, at(1_001));
/// assert_eq!(tombstones.min_version("key-1"), 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstones {
    by_key: HashMap<String, (u64, ClockReading)>,
    /// The time of each raise, oldest first: the order in which tombstones are forgotten.
    order: VecDeque<(ClockReading, String)>,
}

impl Tombstones {
    /// Returns the minimum version of a key that may be used; 0 for a key without a tombstone.
    pub fn min_version(&self, key_id: &str) -> u64 {
        self.by_key.get(key_id).map_or(0, |(sequence, _)| *sequence)
    }

    /// Raises the tombstone of a key to `sequence`. It is never lowered. Raising it to the present
    /// value renews it.
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
            // Each read of the log returns its last entry again.
            Some((raised, last)) if last == key_id => *raised = now,
            _ => self.order.push_back((now, key_id.to_owned())),
        }
    }

    /// Forgets the tombstones whose minimum age is above `retention_ms`.
    pub fn forget_older_than(&mut self, retention_ms: u64, now: ClockReading) {
        while let Some((raised, _)) = self.order.front() {
            if now.least_age_ms(*raised) <= retention_ms {
                return;
            }
            let Some((raised, key_id)) = self.order.pop_front() else { return };
            // The tombstone may have been raised again since.
            if self.by_key.get(&key_id).is_some_and(|(_, last)| *last == raised) {
                self.by_key.remove(&key_id);
            }
        }
    }

    /// Returns the number of tombstones. One that was raised again counts for each raise.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns `true` if there are no tombstones.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns all tombstones with the time of their last raise, in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<(String, u64, ClockReading)> {
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
        assert!(!read(1, &[]).is_whole_after(2), "a different log");
        assert!(!read(1, &[3]).is_whole_after(2), "a different log, and a head that lags an entry");
        assert_eq!(read(5, &[3, 4, 5]).entry(4).unwrap().sequence, 4);
        assert_eq!(read(5, &[3, 4, 5]).entry(6), None);
    }

    #[test]
    fn a_tombstone_only_rises_and_is_kept_from_its_last_rise() {
        let mut tombstones = Tombstones::default();
        tombstones.raise("a", 5, at(0));
        tombstones.raise("a", 3, at(10));
        assert_eq!(tombstones.min_version("a"), 5);
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
        assert_eq!(tombstones.sorted(), [("a".to_owned(), 7, at(30))]);
        assert!(!tombstones.is_empty());
        tombstones.forget_older_than(15, at(46));
        assert!(tombstones.is_empty() && tombstones.min_version("a") == 0);
    }
}
