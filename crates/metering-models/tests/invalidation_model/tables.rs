//! The tables of the model: keys, their lagging index, and the invalidation log.
//!
//! The writes of a change become visible one by one, in any order, before the
//! change returns. A change begins only when all writes of the previous change
//! are visible.

use std::collections::BTreeMap;

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::invalidation::{LogEntry, LogRead};

pub const KEYS: usize = 2;
/// The initial versions of the keys, from changes that returned long ago.
const VERSIONS: [u64; KEYS] = [2, 1];

/// A write of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Key,
    Entry,
    Head,
}

/// The deletion of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Deletion {
    version: u64,
    shows_key: bool,
    shows_entry: bool,
    shows_head: bool,
    /// The tick at which the deletion returned.
    returned: Option<u64>,
}

/// The rules for changes.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// `true` if the writes of a change become visible one by one.
    pub is_torn: bool,
    /// `true` if a change begins only when all writes of the previous change are
    /// visible. The head has to be visible in any case, because both write it.
    pub waits: bool,
    /// `true` if the version of a key never falls.
    pub versions_rise: bool,
}

#[derive(Debug, Clone)]
pub struct Tables {
    writer: Writer,
    deletions: [Option<Deletion>; KEYS],
    entries: BTreeMap<u64, usize>,
    head: Option<(u64, usize)>,
    /// `true` if the log was lost or restored.
    pub was_lost: bool,
    /// The first tick at which the restored log can be read.
    readable_from: u64,
}

/// Returns the id of a key.
pub fn id(key: usize) -> String {
    format!("{key}")
}

/// Returns the digest of a key's secret. All digests are computed once.
pub fn digest(key: usize) -> KeyDigest {
    static DIGESTS: std::sync::OnceLock<Vec<KeyDigest>> = std::sync::OnceLock::new();
    DIGESTS.get_or_init(|| (0..KEYS).map(|key| KeyDigest::of_secret(&id(key)).unwrap()).collect())[key]
}

fn entry((sequence, key): (u64, usize)) -> LogEntry {
    LogEntry { sequence, key_id: id(key), changed_at_ms: 0 }
}

impl Tables {
    pub fn new(writer: Writer) -> Self {
        let entries: BTreeMap<u64, usize> = VERSIONS.iter().copied().zip(0..KEYS).collect();
        let head = entries.last_key_value().map(|(sequence, key)| (*sequence, *key));
        Self { writer, deletions: [None; KEYS], entries, head, was_lost: false, readable_from: 0 }
    }

    /// Returns `true` if the deletion of a key can begin.
    pub fn can_begin(&self, key: usize, tick: u64) -> bool {
        let lets_others_begin =
            |deletion: &Deletion| deletion.returned.is_some() || (deletion.shows_head && !self.writer.waits);
        self.deletions[key].is_none()
            && self.can_read_log(tick)
            && self.deletions.iter().flatten().all(lets_others_begin)
    }

    pub fn begin(&mut self, key: usize, tick: u64) {
        let head = self.head.map_or(0, |(sequence, _)| sequence);
        let seen = if self.writer.versions_rise { VERSIONS[key] } else { 0 };
        let (version, shown) = (head.max(seen) + 1, !self.writer.is_torn);
        let deletion =
            Deletion { version, shows_key: false, shows_entry: false, shows_head: false, returned: None };
        self.deletions[key] = Some(deletion);
        if shown {
            for part in [Part::Key, Part::Entry, Part::Head] {
                self.show(key, part, tick);
            }
        }
    }

    /// Returns the writes of a key's deletion that are not visible yet.
    pub fn hidden(&self, key: usize) -> Vec<Part> {
        let Some(deletion) = &self.deletions[key] else { return Vec::new() };
        let parts = [
            (Part::Key, deletion.shows_key),
            (Part::Entry, deletion.shows_entry),
            (Part::Head, deletion.shows_head),
        ];
        parts.into_iter().filter(|(_, shown)| !shown).map(|(part, _)| part).collect()
    }

    /// Makes a write of a key's deletion visible. With the last write, the deletion returns.
    pub fn show(&mut self, key: usize, part: Part, tick: u64) {
        let deletion = self.deletions[key].as_mut().unwrap();
        match part {
            Part::Key => deletion.shows_key = true,
            Part::Entry => {
                deletion.shows_entry = true;
                self.entries.insert(deletion.version, key);
            }
            Part::Head => {
                deletion.shows_head = true;
                self.head = Some((deletion.version, key));
            }
        }
        if deletion.shows_key && deletion.shows_entry && deletion.shows_head {
            deletion.returned = Some(tick);
        }
    }

    /// Returns the version of a key's deletion that has returned, and the ticks since then.
    pub fn returned(&self, key: usize, tick: u64) -> Option<(u64, u64)> {
        let deletion = self.deletions[key]?;
        Some((deletion.version, tick - deletion.returned?))
    }

    /// Returns `true` if no change is in progress.
    pub fn is_at_rest(&self) -> bool {
        self.deletions.iter().flatten().all(|deletion| deletion.returned.is_some())
    }

    /// Restores the log to the first `kept` of its initial entries. It can be read
    /// again after `outage` ticks.
    pub fn lose_log(&mut self, kept: usize, tick: u64, outage: u64) {
        self.was_lost = true;
        self.entries = VERSIONS.iter().copied().zip(0..KEYS).collect();
        while self.entries.len() > kept {
            self.entries.pop_last();
        }
        self.head = self.entries.last_key_value().map(|(sequence, key)| (*sequence, *key));
        self.readable_from = tick + outage;
    }

    pub fn can_read_log(&self, tick: u64) -> bool {
        self.readable_from <= tick
    }

    /// Reads the log after a position. [`Self::with_head`] can add a later head.
    pub fn read_log(&self, position: Option<u64>) -> LogRead {
        let from = position.unwrap_or(u64::MAX - 1) + 1;
        let entries = self.entries.range(from..).map(|(sequence, key)| entry((*sequence, *key))).collect();
        self.with_head(LogRead { head: 0, entries }, position)
    }

    /// Returns the read with the present head.
    pub fn with_head(&self, mut read: LogRead, position: Option<u64>) -> LogRead {
        if let Some(head) = self.head {
            read.head = head.0;
            if read.entry(head.0).is_none() && position.is_none_or(|position| head.0 > position) {
                read.entries.push(entry(head));
                read.entries.sort_unstable_by_key(|entry| entry.sequence);
            }
        }
        read
    }

    /// Reads a key with strong consistency.
    pub fn key(&self, key: usize) -> KeyRecord {
        record(key, self.deletions[key].filter(|deletion| deletion.shows_key))
    }

    /// Returns the key as a lagging index shows it.
    pub fn outdated_key(key: usize) -> KeyRecord {
        record(key, None)
    }

    /// Returns `true` if the index may still show the key as it was before its deletion.
    pub fn index_may_lag(&self, key: usize, tick: u64, index_lag: u64) -> bool {
        self.deletions[key]
            .is_some_and(|deletion| deletion.returned.is_none_or(|returned| tick - returned <= index_lag))
    }

    /// Returns a key of all state that affects later steps, with ages up to a limit.
    pub fn fingerprint(&self, tick: u64, age_limit: u64) -> impl PartialEq + std::hash::Hash + use<> {
        let deletions = self.deletions.map(|deletion| {
            deletion.map(|deletion| Deletion {
                returned: deletion.returned.map(|returned| (tick - returned).min(age_limit)),
                ..deletion
            })
        });
        let outage = self.readable_from.saturating_sub(tick);
        (deletions, self.entries.clone(), self.head, self.was_lost, outage)
    }
}

fn record(key: usize, deletion: Option<Deletion>) -> KeyRecord {
    KeyRecord {
        key_id: id(key),
        digest: Some(digest(key)),
        deleted_at_ms: deletion.map(|_| 0),
        version: deletion.map_or(VERSIONS[key], |deletion| deletion.version),
        ..KeyRecord::default()
    }
}
