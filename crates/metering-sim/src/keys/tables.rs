//! The table of keys, its lagging index and the invalidation log, as concurrent
//! reads see them.
//!
//! A change writes the key, the pointer from a new secret, an entry of the log and
//! its head in one transaction. Until the change has returned, reads may see any of
//! its writes. Source: DynamoDB Developer Guide, "Isolation levels for DynamoDB
//! transactions".

use std::collections::BTreeMap;

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::invalidation::{LogEntry, LogRead};

/// A write of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The item of the key.
    Key,
    /// The item that points from a new secret to its key.
    Pointer,
    /// The entry of the invalidation log.
    Entry,
    /// The item of the log's head.
    Head,
}

/// A change whose writes become visible one by one.
#[derive(Debug, Clone)]
pub struct Change {
    /// The key as the change leaves it. Its version is the sequence of the entry.
    pub key: KeyRecord,
    /// The secret that the change adds, if any.
    pub new_secret: Option<KeyDigest>,
    /// The time of the change, in milliseconds since 1970.
    pub changed_at_ms: i64,
    /// The writes that are not visible yet.
    pub hidden: Vec<Part>,
}

impl Change {
    /// Returns `true` if some writes are visible and some are not.
    pub fn is_partly_visible(&self) -> bool {
        let writes = 3 + usize::from(self.new_secret.is_some());
        (1..writes).contains(&self.hidden.len())
    }

    fn entry(&self) -> LogEntry {
        let KeyRecord { version, key_id, .. } = &self.key;
        LogEntry { sequence: *version, key_id: key_id.clone(), changed_at_ms: self.changed_at_ms }
    }
}

/// The state of the tables.
#[derive(Debug, Clone, Default)]
pub struct KeyTables {
    /// The present item of each key.
    keys: BTreeMap<String, KeyRecord>,
    /// The key of each secret that was ever given out.
    pointers: BTreeMap<KeyDigest, String>,
    /// Each item of a key that the index may still show, with the time at which it
    /// became visible in the table, in order.
    index: Vec<(i64, KeyRecord)>,
    entries: BTreeMap<u64, LogEntry>,
    head: Option<LogEntry>,
    /// The change in progress. A change begins only after the one before has returned.
    pub change: Option<Change>,
}

impl KeyTables {
    /// Creates a key. Its items become visible at once: a secret is given out only
    /// after its creation has returned.
    pub fn create(&mut self, key: KeyRecord, now_ms: i64) {
        if let Some(digest) = key.digest {
            self.pointers.insert(digest, key.key_id.clone());
        }
        self.show_key(key, now_ms);
    }

    fn show_key(&mut self, key: KeyRecord, now_ms: i64) {
        self.index.push((now_ms, key.clone()));
        self.keys.insert(key.key_id.clone(), key);
    }

    /// Returns the present item of a key.
    pub fn key(&self, key_id: &str) -> Option<&KeyRecord> {
        self.keys.get(key_id)
    }

    /// Begins a change. The key gets the next sequence of the log as its version.
    pub fn begin(&mut self, mut key: KeyRecord, new_secret: Option<KeyDigest>, now_ms: i64) {
        let head = self.head.as_ref().map_or(0, |head| head.sequence);
        key.version = head.max(key.version) + 1;
        let mut hidden = vec![Part::Key, Part::Entry, Part::Head];
        hidden.extend(new_secret.map(|_| Part::Pointer));
        self.change = Some(Change { key, new_secret, changed_at_ms: now_ms, hidden });
    }

    /// Makes a write of the change visible. With the last write the change returns;
    /// then this returns the key.
    pub fn show(&mut self, place: usize, now_ms: i64) -> Option<KeyRecord> {
        let mut change = self.change.take()?;
        match change.hidden.swap_remove(place) {
            Part::Key => self.show_key(change.key.clone(), now_ms),
            Part::Pointer => {
                let pointer = change.new_secret.map(|digest| (digest, change.key.key_id.clone()));
                self.pointers.extend(pointer);
            }
            Part::Entry => {
                self.entries.insert(change.key.version, change.entry());
            }
            Part::Head => self.head = Some(change.entry()),
        }
        if change.hidden.is_empty() {
            return Some(change.key);
        }
        self.change = Some(change);
        None
    }

    /// Finds the key of a secret with strong consistency.
    pub fn find(&self, digest: &KeyDigest) -> Option<KeyRecord> {
        self.pointers.get(digest).and_then(|key_id| self.keys.get(key_id)).cloned()
    }

    /// Finds the key of a secret as the index showed it at `at_ms`, in milliseconds since 1970.
    pub fn find_by_index(&self, digest: &KeyDigest, at_ms: i64) -> Option<KeyRecord> {
        let mut shown: BTreeMap<&str, &KeyRecord> = BTreeMap::new();
        for (visible_ms, key) in &self.index {
            if *visible_ms <= at_ms {
                shown.insert(&key.key_id, key);
            }
        }
        shown.into_values().find(|key| key.digest.as_ref() == Some(digest)).cloned()
    }

    /// Reads the entries after a position, then the head.
    pub fn read_log(&self, position: Option<u64>) -> LogRead {
        let from = position.map_or(u64::MAX, |position| position + 1);
        let entries = self.entries.range(from..).map(|(_, entry)| entry.clone()).collect();
        self.with_head(LogRead { head: 0, entries }, position)
    }

    /// Returns the read with the present head. The item of the head repeats the last entry.
    pub fn with_head(&self, mut read: LogRead, position: Option<u64>) -> LogRead {
        let Some(head) = &self.head else { return read };
        read.head = head.sequence;
        if read.entry(head.sequence).is_none() && position.is_none_or(|position| head.sequence > position) {
            read.entries.push(head.clone());
            read.entries.sort_unstable_by_key(|entry| entry.sequence);
        }
        read
    }

    /// Lets all entries of the log expire. The head stays.
    pub fn expire_entries(&mut self) {
        self.entries.clear();
    }

    /// Restores the log to what it was some entries ago. Returns `false` if that would change nothing.
    pub fn lose_entries(&mut self, lost: usize) -> bool {
        let kept = self.entries.len().saturating_sub(lost);
        let has_lost = kept < self.entries.len();
        while self.entries.len() > kept {
            self.entries.pop_last();
        }
        if has_lost {
            self.head = self.entries.last_key_value().map(|(_, entry)| entry.clone());
        }
        has_lost
    }
}
