//! The cache's view of the invalidation log.

use super::{DecisionCache, ReadStart, Request};
use crate::api_key::KeyRecord;
use crate::clock_reading::ClockReading;
use crate::invalidation::{LogEntry, LogRead};

/// The state of the invalidation log, as a read of it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCheck {
    /// The log is consistent with all that this instance has read before.
    Sound,
    /// The log was lost or restored: its head is below a head that was read before, an entry has
    /// changed, or a key has had a version above the head for longer than any read or change takes.
    Behind,
}

/// The known state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) head: u64,
    /// The entry at the head; `None` if the log is empty or the read did not return it.
    pub(super) last: Option<LogEntry>,
    /// Start of the last read of the log.
    pub(super) synced: ReadStart,
    /// Time since which this instance cannot have missed an entry.
    pub(super) followed_since: ClockReading,
}

/// The highest version of a key that was found above the head of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AboveHead {
    version: u64,
    /// Time at which the first such version was found.
    found: ClockReading,
}

impl DecisionCache {
    /// Position after which the next read of the log begins; `None` if the log was not read yet.
    /// The position is one below the last known entry, so that the read returns this entry again.
    pub fn log_position(&self) -> Option<u64> {
        self.log.as_ref().map(|log| log.head.saturating_sub(1))
    }

    /// Sequence of the last known entry of the log; `None` if the log was not read yet.
    pub fn log_head(&self) -> Option<u64> {
        self.log.as_ref().map(|log| log.head)
    }

    /// Records the result of a read of the log that began with `start`, after
    /// [`Self::log_position`].
    pub fn synced(&mut self, start: ReadStart, read: &LogRead, now: ClockReading) -> LogCheck {
        self.sync_failed = None;
        let (mut check, mut followed_since) = (LogCheck::Sound, now);
        let known = self.log.take();
        match known {
            Some(log) if start.order <= log.synced.order => {
                self.log = Some(log); // The read is older than one whose result is known.
                return check;
            }
            Some(log) if continues(&log, read) => followed_since = log.followed_since,
            known => {
                // Entries may have been missed, so any cached key may have changed.
                self.forget_everything();
                if known.is_some_and(|log| is_different_log(&log, read)) {
                    check = LogCheck::Behind;
                }
            }
        }
        let last = read.entry(read.head).cloned();
        self.log = Some(LogState { head: read.head, last, synced: start, followed_since });
        self.forget_old_tombstones(now);
        for entry in &read.entries {
            self.tombstones.raise(&entry.key_id, entry.sequence, now);
        }
        self.bound_tombstones(now);
        if self.head_stays_below_a_key(start.began) { LogCheck::Behind } else { check }
    }

    /// Returns `true` if a key has had a version above the head for longer than a change can be
    /// visible in part.
    fn head_stays_below_a_key(&mut self, now: ClockReading) -> bool {
        let Some(above) = self.above_head else { return false };
        if self.log.as_ref().is_some_and(|log| above.version <= log.head) {
            self.above_head = None;
        }
        self.above_head.is_some() && now.least_age_ms(above.found) > self.settings.read_limit_ms
    }

    /// Records that the log could not be read.
    pub fn sync_failed(&mut self, now: ClockReading) {
        self.sync_failed = Some(now);
    }

    /// Records an invalidation that arrived by message: the log has the entry `sequence` for the key.
    pub fn record_invalidation(&mut self, key_id: &str, sequence: u64, now: ClockReading) {
        self.forget_old_tombstones(now);
        self.tombstones.raise(key_id, sequence, now);
        self.bound_tombstones(now);
    }

    /// Records a version above the head, for [`Self::head_stays_below_a_key`].
    pub(super) fn record_version(&mut self, key: &KeyRecord, now: ClockReading) {
        if self.log.as_ref().is_some_and(|log| key.version > log.head) {
            let found = self.above_head.map_or(now, |above| above.found);
            let version = self.above_head.map_or(0, |above| above.version).max(key.version);
            self.above_head = Some(AboveHead { version, found });
        }
    }

    /// Returns `true` if the log was read since the request began. Public for the model checker.
    #[doc(hidden)]
    pub fn synced_since(&self, request: &Request) -> bool {
        self.log.as_ref().is_some_and(|log| log.synced.order > request.order)
    }
}

/// Returns `true` if a read shows the known log and every entry that followed.
fn continues(known: &LogState, read: &LogRead) -> bool {
    read.head >= known.head
        && read.is_whole_after(known.head.saturating_sub(1))
        && read.entry(known.head) == known.last.as_ref()
}

/// Returns `true` if a read shows a different log, and not merely a part of the known one.
fn is_different_log(known: &LogState, read: &LogRead) -> bool {
    let last = read.entry(known.head);
    read.head < known.head || (last.is_some() && known.last.is_some() && last != known.last.as_ref())
}
